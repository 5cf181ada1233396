"""Damaged files of rows: the error that names them, and what is done about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from harness.results.text import escaped


class CorruptRowsError(ValueError):
    """A file of rows was damaged after it had been written; the message says where."""

    exit_code = 2  # of the command line: nothing is measured over it

    def __str__(self) -> str:
        return escaped(super().__str__())


OnDamage = Callable[[CorruptRowsError], None]


def refuse(damage: CorruptRowsError) -> NoReturn:
    """What is done about damage unless asked otherwise."""
    raise damage
