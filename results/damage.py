"""What is wrong with files of rows: damage, for which they are refused, and the lack of a digest, which is told."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.results.text import escaped


class CorruptRowsError(ValueError):
    """A file of rows was damaged after it had been written; the message says where."""

    exit_code = 2  # of the command line: nothing is measured over it

    def __str__(self) -> str:
        return escaped(super().__str__())


@dataclass(frozen=True)
class Undigested:
    """A file of sound rows without a digest over all of them: nobody can tell whether they were altered.

    People make such files, with pandas or as CSV, and the earliest versions of this program did.
    """

    path: Path


OnDamage = Callable[[CorruptRowsError | Undigested], None]


def refuse(found: CorruptRowsError | Undigested) -> None:
    """What is done about damage unless asked otherwise; rows without a digest are taken."""
    if isinstance(found, CorruptRowsError):
        raise found


class Listening:
    """Passes on what it is told, and knows of rows without a digest; lest a new digest vouch for them.

    Attributes:
      undigested: whether there were any.
    """

    def __init__(self, on_damage: OnDamage = refuse) -> None:
        self._on_damage = on_damage
        self.undigested = False

    def __call__(self, found: CorruptRowsError | Undigested) -> None:
        self.undigested |= isinstance(found, Undigested)
        self._on_damage(found)


@contextlib.contextmanager
def undigested_told(say: Callable[[str], object], on_damage: OnDamage = refuse) -> Iterator[OnDamage]:
    """Around reading: says at the end, in one sentence, which files had no digest.

    Args:
      say: takes the sentence.
      on_damage: told of the damage.

    Yields:
      what is to be told of everything.
    """
    files: dict[Path, None] = {}

    def tell(found: CorruptRowsError | Undigested) -> None:
        if isinstance(found, Undigested):
            files.setdefault(found.path)
        else:
            on_damage(found)

    yield tell
    if files:
        say(_sentence(list(files)))


def _sentence(files: list[Path]) -> str:
    others = f" and {len(files) - 1} more" if len(files) > 1 else ""
    return (
        f"Note: {files[0]}{others} hold{'' if others else 's'} rows without a digest, as other programs and the "
        "earliest versions of this one write them: whether they were altered cannot be told."
    )
