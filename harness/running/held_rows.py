"""Rows in memory: of an evaluation from Python that keeps nothing on disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import EllipsisType
from typing import Any

from harness.results.damage import OnDamage, refuse
from harness.results.rows import Row, check_row
from harness.results.store import Cell, RowStore


class HeldRows(RowStore):
    """Has rows as a `RowStore` has, and no folder; they need not be closed."""

    def __init__(self) -> None:
        super().__init__(Path())
        self._held: list[Row] = []

    def append(self, row: Row) -> None:
        """Adds one episode; raises as `RowStore.append`, but never for the disk."""
        check_row(row)
        self._held.append(row)

    def rows(
        self,
        task: str | None = None,
        setting: str | None = None,
        train_seed: int | EllipsisType | None = ...,
        *,
        on_damage: OnDamage = refuse,
    ) -> list[Row]:
        """The rows, in the order of `RowStore.rows`."""
        found = [
            row
            for row in self._held
            if task in (None, row.task) and setting in (None, row.setting) and train_seed in (..., row.train_seed)
        ]
        return sorted(found, key=lambda row: (row.task, row.setting, row.episode))

    def cells(self) -> list[Cell]:
        """Every cell with a row, sorted."""
        return list(dict.fromkeys((row.task, row.setting, row.train_seed) for row in self.rows()))

    def values(self, task: str, setting: str, train_seed: int | None, columns: Sequence[str]) -> list[tuple[Any, ...]]:
        """Some columns of a cell's rows."""
        return [tuple(getattr(row, name) for name in columns) for row in self.rows(task, setting, train_seed)]

    def complete(self, task: str, setting: str, train_seed: int | None) -> None:
        """Nothing has to be done."""
