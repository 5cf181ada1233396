"""Cells that could not be measured, kept in a run's folder until they are tried again."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from harness.files import disk_errors, write_json
from harness.reading import Record, read_json
from harness.running.cells import Cell

FAILED_FILE = "failed.json"


class CellFailure(Record):
    """One cell that failed, or, without a setting, the training that all cells of a task and seed wait for."""

    task: str
    setting: str | None
    train_seed: int | None
    error: str

    def concerns(self, cell: Cell) -> bool:
        """Whether the cell has no chance because of it."""
        return self.is_of(cell.plan.task, cell.setting, cell.train_seed)

    def is_of(self, task: str, setting: str, train_seed: int | None) -> bool:
        """The same of a cell by its names."""
        return (self.task, self.train_seed) == (task, train_seed) and self.setting in (None, setting)

    def place(self) -> str:
        """Which cell, for people."""
        seed = "" if self.train_seed is None else f", seed {self.train_seed}"
        return f"{self.task}, {self.setting or 'training'}{seed}"


class Failures(Record):
    """The file that keeps them."""

    failures: tuple[CellFailure, ...]


def read_failures(folder: Path) -> list[CellFailure]:
    """What has failed in a run so far and was not tried again.

    Raises:
      UsageError: if the file is damaged.
    """
    try:
        return list(read_json(folder / FAILED_FILE, Failures, remedy="remove it to try its cells again").failures)
    except FileNotFoundError:
        return []


def write_failures(folder: Path, failures: Sequence[CellFailure]) -> None:
    """Replaces what has failed as one step; none removes the file."""
    if failures:
        write_json(folder / FAILED_FILE, {"failures": [failure.model_dump(mode="json") for failure in failures]})
        return
    with disk_errors(str(folder)):
        (folder / FAILED_FILE).unlink(missing_ok=True)


def still_failed(failures: Collection[CellFailure], missing: Collection[Cell]) -> list[CellFailure]:
    """Those whose cells still lack episodes: another command may have measured some meanwhile."""
    return [failure for failure in failures if any(failure.concerns(cell) for cell in missing)]
