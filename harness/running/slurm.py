"""Jobs on a Slurm cluster with a shared file system, through submitit: one array per kind of work.

Nothing here relies on locks between machines. A job has its piece of work to itself: a training its folder, an
evaluation its cell. It leaves a file that says how it ended; a job that is gone without one is submitted again, and
goes on where the other was. What is under way is on disk too: a command that was killed, or has left, finds it again.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

from harness.errors import HarnessError, UsageError, WorkError
from harness.files import disk_errors
from harness.running.jobs import TrainJob
from harness.running.node_task import Outcome
from harness.running.slurm_earlier import Earlier
from harness.running.slurm_options import SlurmOptions
from harness.running.slurm_queue import NoAnswerError, Place, Queue, cancel
from harness.running.slurm_records import Records
from harness.running.slurm_submit import submit_array
from harness.running.slurm_task import read_outcome
from harness.running.slurm_work import Task, lacks, run_of
from harness.running.tries import MAX_TRIES
from harness.running.workers import Event, Job

POLL_SEC = (2.0, 15.0)  # between two looks: a tenth of the time since anything happened, within these
QUEUE_SEC = 30.0  # what Slurm says is taken for true; only what is gone is told by it
SEEN_SEC = 90.0  # that a file may be seen later than it was written: NFS keeps what is not there in mind for a minute
CANCEL_LOOKS, CANCEL_SEC = 3, 1.0  # words to Slurm and looks at the queue in which what is cancelled should leave
ARRAY = 1_000  # jobs of one array: what clusters allow by default


class Detached(KeyboardInterrupt):
    """The command has left its jobs with the cluster: it ends as by an interrupt, but nothing is wrong."""

    status = "detached"


class SlurmLauncher:
    """Runs jobs as Slurm jobs.

    Args:
      options: what is asked for.
      folder: of Slurm's scripts, logs and of what is under way; shared by all nodes.
      goes_on: past a job that fails, which is then an event.
      detach: leave as soon as everything that can be submitted is.
      threads: of a training.
    """

    chunk: int | None = None
    keeps_rows = True

    def __init__(
        self, options: SlurmOptions, folder: Path, *, goes_on: bool = False, detach: bool = False, threads: int = 1
    ) -> None:
        self._options, self._folder, self._goes_on, self._detach = options, folder.absolute(), goes_on, detach
        self._threads = threads
        self._records, self._queue = Records(self._folder), Queue()
        self._earlier = Earlier(self._records, self._queue)
        self._queued: list[Task] = []
        self._running: dict[Task, Place] = {}

    def submit(self, job: Job) -> None:
        """Queues a job; one that an earlier command has submitted and that is still there is not submitted again."""
        self._queued.append(Task(job))

    def events(self) -> Iterator[Event]:
        """Yields what comes of jobs until none is left.

        Raises:
          Detached: if it leaves.
          HarnessError: the error of a job, unless it goes on; NoAnswerError if Slurm has not answered for long.
        """
        changed = time.monotonic()
        while self._queued or self._running:
            yield from self._send()
            ended = list(self._look())
            yield from ended
            if self._detach and not ended and not self._queued:
                raise Detached(f"{len(self._running)} jobs are with Slurm")
            if ended:
                changed = time.monotonic()
            else:
                time.sleep(min(POLL_SEC[1], max(POLL_SEC[0], (time.monotonic() - changed) / 10)))

    def close(self) -> None:
        """Cancels what is under way; what does not leave at once stays on record, for the next command to wait for."""
        with contextlib.suppress(NoAnswerError):
            self._cancel()
            if self._records.has_remains() and (here := self._queue.look()) is not None:
                self._records.sweep(here)

    def __enter__(self) -> SlurmLauncher:
        with disk_errors(str(self._folder)):
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # what lies here is run by whoever reads it
        self._records.load()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if isinstance(error, Detached | NoAnswerError):
            self._running.clear()
        else:
            self.close()

    def _cancel(self) -> None:
        ids = {place: task.job_id for task, place in self._running.items()}
        self._running.clear()
        with contextlib.suppress(WorkError):  # a full disk, which is no reason to leave jobs
            self._records.mark_cancelled(ids)
        for number in range(CANCEL_LOOKS):
            here = self._queue.look() if ids else {}
            is_last = number == CANCEL_LOOKS - 1  # until then what has no id may still come, from an interrupted sbatch
            for place in [p for p, known in ids.items() if here is not None and p not in here and (known or is_last)]:
                self._records.end(place)
                del ids[place]
            if not ids:
                return
            cancel(job_id if here is None else here.get(place, "") for place, job_id in ids.items())
            time.sleep(CANCEL_SEC)

    def _send(self) -> Iterator[Event]:
        """Submits what is queued, or finds it under way."""
        if not self._queued:
            return
        yield from self._earlier.find(self._queued)
        self._running |= {task: task.place for task in self._queued if task.place is not None}
        self._queued = [task for task in self._queued if task.place is None]
        new = dict.fromkeys([task for task in self._queued if task.is_new][: self._room()])
        self._queued = [task for task in self._queued if task not in new]
        for is_training in (True, False):
            some = [task for task in new if isinstance(task.job.arguments, TrainJob) is is_training]
            for first in range(0, len(some), ARRAY):
                self._submit(some[first : first + ARRAY], self._threads if is_training else 1)

    def _room(self) -> int | None:
        """How many jobs may be submitted now; None for any number.

        A command that leaves submits all: its arrays, which have the limit each, come one after the other instead.
        """
        limit = None if self._detach else self._options.at_once
        return None if limit is None else max(0, limit - len(self._running) - self._earlier.num_waited)

    def _before(self, num: int) -> list[str]:
        """The arrays that have to end before so many more jobs begin."""
        if self._options.at_once is None or not self._detach or len(self._running) + num <= self._options.at_once:
            return []
        return list(dict.fromkeys(task.job_id.partition("_")[0] for task in self._running if task.job_id))

    def _submit(self, tasks: Sequence[Task], cpus: int) -> None:
        after = self._before(len(tasks))
        name = self._records.new([(task.key, run_of(task.job)) for task in tasks])
        for index, task in enumerate(tasks):  # from now on it is cancelled if anything goes wrong
            task.sent((name, index))
            self._running[task] = (name, index)
        works = [(task.job, self._records.outcome((name, index))) for index, task in enumerate(tasks)]
        more: dict[str, Any] = {"requeue": self._detach, "after": after}
        ids = submit_array(self._options, self._jobs, name, works, cpus, **more)
        for task, job_id in zip(tasks, ids, strict=True):
            task.job_id = job_id

    def _look(self) -> Iterator[Event]:
        """What has come of the jobs under way."""
        if not self._running:
            return
        here, outcomes = self._queue.look(QUEUE_SEC), self._records.outcomes()
        for task, place in list(self._running.items()):
            path = self._records.outcome(place)
            outcome = _read(path) if path.name in outcomes else None
            if event := self._gone(task, here) if outcome is None else self._ended(task, outcome):
                del self._running[task]
                self._records.end(place)
                if outcome is not None and (late := outcome.late_message()):
                    yield Event(task.job, "message", late)
                yield event()

    def _gone(self, task: Task, here: Mapping[Place, str] | None) -> Callable[[], Event] | None:
        """What to make of a job that has said nothing; None for nothing yet."""
        if here is None or task.place in here:
            task.missing = None
            return None
        return partial(self._again, task, "is gone") if task.is_missing_for(SEEN_SEC) else None

    def _ended(self, task: Task, outcome: Outcome) -> Callable[[], Event] | None:
        """What to make of how a job has ended; None if nothing yet, as what it has left may still come to be seen."""
        if outcome.status == "failed":
            return partial(self._failed, task, outcome.as_error())
        if outcome.status == "again":
            return partial(self._again, task, "was stopped")
        if not (lacking := lacks(task.job)):
            return partial(Event, task.job, "done")
        if task.found:
            return partial(self._again, task, "was not of all that is asked for now")
        return partial(self._again, task, f"has ended, but {lacking}") if task.is_lacking_for(SEEN_SEC) else None

    def _again(self, task: Task, why: str) -> Event:
        if not task.tries.goes_on():
            text = f"Given up after {MAX_TRIES} tries without progress: job {task.job_id} ({task.job.group}) {why}"
            return self._failed(task, WorkError(f"{text}; its logs are in {self._jobs}."))
        task.place = None
        self._queued.append(task)
        return Event(task.job, "restarted", f"(Slurm job {task.job_id}) {why}")

    def _failed(self, task: Task, error: HarnessError) -> Event:
        if not self._goes_on:
            raise error
        return Event(task.job, "failed", error)

    @property
    def _jobs(self) -> Path:
        return self._folder / "jobs"


def _read(path: Path) -> Outcome | None:
    """How a job ended; None if the file is not to be seen yet. One that is damaged says nothing but that it is over."""
    try:
        return read_outcome(path)
    except UsageError:
        return Outcome(status="again")
