"""Cells that could not be measured, kept in a run's folder until they are tried again."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from harness.errors import HarnessError
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

    def place(self) -> str:
        """Which cell, for people."""
        seed = "" if self.train_seed is None else f", seed {self.train_seed}"
        return f"{self.task}, {self.setting or 'training'}{seed}"


class ReplayFailure(CellFailure):
    """An episode that was there could not be played again; nothing is kept of it, as the next command tries anew."""

    @classmethod
    def of(cls, error: HarnessError) -> ReplayFailure:
        """What the command tells."""
        return cls(task="", setting=None, train_seed=None, error=str(error))

    def place(self) -> str:
        return "playing finished episodes again"


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
    cells: set[tuple[str, str | None, int | None]] = set()
    for cell in missing:
        cells |= {(cell.plan.task, setting, cell.train_seed) for setting in (cell.setting, None)}
    return [failure for failure in failures if (failure.task, failure.setting, failure.train_seed) in cells]


class Failed:
    """Which cells have no chance because of some failures."""

    def __init__(self, failures: Collection[CellFailure]) -> None:
        self._places = {(failure.task, failure.setting, failure.train_seed) for failure in failures}

    def has(self, task: str, setting: str, train_seed: int | None) -> bool:
        """Whether the cell failed, or the training that it waits for."""
        return not self._places.isdisjoint(((task, setting, train_seed), (task, None, train_seed)))
