"""A piece of work as Slurm has it: which it is, and whether what it leaves is all there."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from harness.errors import HarnessError
from harness.results.rows import short_hash
from harness.results.store import RowStore
from harness.running.evaluation import EvaluateJob
from harness.running.jobs import TrainJob
from harness.running.policies import load_policy_source
from harness.running.slurm_queue import Place
from harness.running.tries import Tries
from harness.running.workers import Job


@dataclass(eq=False)
class Task:
    """A job of this command.

    Attributes:
      place: where it was sent to.
      job_id: as Slurm calls it, for people; "" while nobody has said.
      found: under way already, so that it may be of fewer episodes than are asked for now.
      is_new: no earlier command has sent it.
      missing: since when it is neither in the queue nor has an outcome.
      lacking: since when it is done and what it should have left is not to be seen.
    """

    job: Job
    key: str = field(init=False)
    place: Place | None = None
    job_id: str = ""
    found: bool = False
    is_new: bool = False
    missing: float | None = None
    lacking: float | None = None

    def __post_init__(self) -> None:
        self.key, self.tries = work_key(self.job), Tries(self.job)

    def sent(self, place: Place, job_id: str = "", *, found: bool = False) -> None:
        """Keeps where it was sent to."""
        self.place, self.job_id, self.found = place, job_id, found
        self.missing = self.lacking = None

    def is_missing_for(self, seconds: float) -> bool:
        """Counts from the first time this is called since it was sent or seen."""
        self.missing = time.monotonic() if self.missing is None else self.missing
        return time.monotonic() - self.missing >= seconds

    def is_lacking_for(self, seconds: float) -> bool:
        """Counts from the first time this is called since it was sent."""
        self.lacking = time.monotonic() if self.lacking is None else self.lacking
        return time.monotonic() - self.lacking >= seconds


def work_key(job: Job) -> str:
    """The name of a piece of work: the same in every command that asks for it, whatever of it is done already."""
    arguments = job.arguments
    if isinstance(arguments, EvaluateJob):
        return short_hash([str(arguments.rows), arguments.world.plan.task, arguments.setting, arguments.world.seed])
    return short_hash(str(arguments.folder))


def run_of(job: Job) -> str:
    """The name of the run it is of."""
    arguments = job.arguments
    if isinstance(arguments, EvaluateJob):
        return "" if arguments.rows is None else arguments.rows.parent.name
    return str(arguments.folder.parent.parent.name)


def lacks(job: Job) -> str:
    """What a job that is done should have left and is not to be seen, as a clause; "" if nothing.

    Another machine's files may be seen late. A job that was found may have been of fewer episodes.
    """
    arguments = job.arguments
    try:
        if isinstance(arguments, TrainJob):
            load_policy_source(arguments.folder / "policy")
        elif isinstance(arguments, EvaluateJob) and arguments.rows is not None:
            store, cell = RowStore(arguments.rows), (arguments.setting, arguments.columns["train_seed"])
            if missing := set(arguments.episodes) - store.episodes(arguments.world.plan.task, *cell):
                return f"episodes {_some(missing)} are not in {arguments.rows}"
    except HarnessError as error:
        return str(error).rstrip(".")
    return ""


def _some(numbers: set[int]) -> str:
    shown = ", ".join(map(str, sorted(numbers)[:5]))
    return shown + (f" and {len(numbers) - 5} more" if len(numbers) > 5 else "")
