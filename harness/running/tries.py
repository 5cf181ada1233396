"""How often a piece of work on a cluster is tried again: as long as tries come any further."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.results.damage import CorruptRowsError
from harness.results.store import RowStore
from harness.running.jobs import TrainJob
from harness.running.training_folder import PROGRESS_FILE, newest_checkpoint
from harness.running.workers import Job

MAX_TRIES = 3  # in a row without any progress


class Tries:
    """The tries of one job that ended without an outcome."""

    def __init__(self, job: Job) -> None:
        self._job, self._count, self._progress = job, 0, _progress(job)

    def came_further(self) -> bool:
        """Whether the work has, since the last try."""
        return bool(_progress(self._job) != self._progress)

    def goes_on(self) -> bool:
        """Counts another one; whether the work is worth a next."""
        now = _progress(self._job)
        self._count = self._count + 1 if now == self._progress else 1
        self._progress = now
        return self._count < MAX_TRIES


def _bytes(path: Path) -> bytes:
    """What a file holds: before its first step a training has several checkpoints of one name, one after the other."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _progress(job: Job) -> Any:
    """How far a piece of work is: its last checkpoint, or how many rows it has."""
    arguments = job.arguments
    if isinstance(arguments, TrainJob):
        newest = newest_checkpoint(arguments.folder)
        return None if newest is None else (newest.name, _bytes(newest / PROGRESS_FILE))
    store = RowStore(arguments.rows)
    try:
        return store.count(arguments.world.plan.task, arguments.setting, arguments.columns["train_seed"])
    except (CorruptRowsError, OSError):  # it is told by whoever reads the rows; a job may just be closing its cell
        return None
