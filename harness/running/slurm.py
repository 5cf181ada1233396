"""Jobs on a Slurm cluster with a shared file system, through submitit: one array per kind of work.

Nothing here relies on locks between machines. A job has its piece of work to itself: a training its folder, an
evaluation its cell. It leaves a file that says how it ended; a job that is gone without one is submitted again, and
goes on where the other was. What is under way is on disk too: a command that was killed, or has left, finds it again.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from harness.errors import WorkError
from harness.files import disk_errors, write_json
from harness.reading import Record, read_json
from harness.results.rows import short_hash
from harness.running.evaluation import EvaluateJob
from harness.running.jobs import TrainJob
from harness.running.slurm_options import SlurmOptions
from harness.running.slurm_task import read_outcome, run_task
from harness.running.tries import MAX_TRIES, Tries
from harness.running.workers import Event, Job

POLL_SEC = 2.0
ARRAY = 1_000  # jobs of one array: what clusters allow by default
GONE_LOOKS = 3  # looks at the queue that a job must be missing in: its file may come later than its end


class Detached(KeyboardInterrupt):
    """The command has left its jobs with the cluster: it ends as by an interrupt, but nothing is wrong."""

    status = "detached"


class Submitted(Record):
    """What is on disk of a job under way."""

    job_id: str


@dataclass(eq=False)
class _Task:
    job: Job
    key: str
    job_id: str = ""
    missed: int = 0  # looks at the queue without it

    def __post_init__(self) -> None:
        self.tries = Tries(self.job)


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
        self._queued: list[_Task] = []
        self._running: list[_Task] = []

    def submit(self, job: Job) -> None:
        """Queues a job; one that an earlier command has submitted and that is still there is not submitted again."""
        self._queued.append(_Task(job, _key(job)))

    def events(self) -> Iterator[Event]:
        """Yields what comes of jobs until none is left.

        Raises:
          Detached: if it leaves.
          HarnessError: the error of a job, unless it goes on.
        """
        while self._queued or self._running:
            self._send()
            ended = list(self._look())
            yield from ended
            if self._detach and not ended and not self._queued:
                raise Detached(f"{len(self._running)} jobs are with Slurm")
            if not ended:
                time.sleep(POLL_SEC)

    def close(self) -> None:
        """Cancels what is under way."""
        if self._running:
            subprocess.run(["scancel", *(task.job_id for task in self._running)], capture_output=True, check=False)
        for task in self._running:
            self._file(task, "json").unlink(missing_ok=True)
        self._running.clear()

    def __enter__(self) -> SlurmLauncher:
        with disk_errors(str(self._folder)):
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # what lies here is run by whoever reads it
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if isinstance(error, Detached):
            self._running.clear()
        self.close()

    def _file(self, task: _Task, suffix: str) -> Path:
        return self._folder / f"{task.key}.{suffix}"

    def _send(self) -> None:
        """Submits what is queued, or finds it under way."""
        here = _in_queue()
        new: list[_Task] = []
        for task in self._queued:
            task.job_id = self._known(task, here)
            if not task.job_id:
                new.append(task)
        self._running += self._queued
        self._queued = []
        for kind in (TrainJob, EvaluateJob):
            some = [task for task in new if isinstance(task.job.arguments, kind)]
            for first in range(0, len(some), ARRAY):
                self._submit_array(some[first : first + ARRAY], self._threads if kind is TrainJob else 1)

    def _known(self, task: _Task, here: set[str]) -> str:
        """The id of a job that is at this work already; "" if none is."""
        sent = self._was_sent(task)
        return sent if sent in here or read_outcome(self._file(task, "outcome.json")) is not None else ""

    def _was_sent(self, task: _Task) -> str:
        try:
            return read_json(self._file(task, "json"), Submitted).job_id
        except FileNotFoundError:
            return ""

    def _submit_array(self, tasks: Sequence[_Task], cpus: int) -> None:
        import submitit

        executor = submitit.AutoExecutor(self._folder / "jobs", cluster="slurm")
        limit = self._options.limit_min
        parameters = {"slurm_array_parallelism": 10_000, "slurm_cpus_per_task": cpus, **self._options.parameters}
        executor.update_parameters(
            name="harness", slurm_time=limit, slurm_signal_delay_s=max(15, min(120, 15 * limit)), **parameters
        )
        for task in tasks:
            self._file(task, "outcome.json").unlink(missing_ok=True)
        try:
            with executor.batch():
                jobs = [executor.submit(run_task, task.job, self._file(task, "outcome.json")) for task in tasks]
        except Exception as error:  # whatever submitit makes of a refusal of sbatch
            raise WorkError(f"Slurm did not take the jobs: {' '.join(str(error).split())}") from error
        for task, job in zip(tasks, jobs, strict=True):
            task.job_id, task.missed = job.job_id, 0
            write_json(self._file(task, "json"), {"job_id": job.job_id})

    def _look(self) -> Iterator[Event]:
        """What has come of the jobs under way."""
        here = _in_queue()
        for task in list(self._running):
            outcome = read_outcome(self._file(task, "outcome.json"))
            task.missed = 0 if task.job_id in here else task.missed + 1
            if outcome is None and task.missed < GONE_LOOKS:
                continue
            self._running.remove(task)
            for suffix in ("json", "outcome.json"):
                self._file(task, suffix).unlink(missing_ok=True)
            if outcome is not None and (late := outcome.late_message()):
                yield Event(task.job, "message", late)
            if outcome is None or outcome.status == "again":
                yield self._again(task, "was stopped" if outcome else "is gone")
            elif outcome.status == "failed":
                yield self._failed(task, outcome.as_error())
            else:
                yield Event(task.job, "done")

    def _again(self, task: _Task, why: str) -> Event:
        if not task.tries.goes_on():
            text = f"Given up after {MAX_TRIES} tries without progress: job {task.job_id} ({task.job.group}) {why}"
            return self._failed(task, WorkError(f"{text}; its logs are in {self._folder / 'jobs'}."))
        self._queued.append(task)
        return Event(task.job, "restarted", f"(Slurm job {task.job_id}) {why}")

    def _failed(self, task: _Task, error: Any) -> Event:
        if not self._goes_on:
            raise error
        return Event(task.job, "failed", error)


def _key(job: Job) -> str:
    """The name of a piece of work: the same in every command that asks for it."""
    arguments = job.arguments
    if isinstance(arguments, EvaluateJob):
        facts = [str(arguments.rows), arguments.world.plan.task, arguments.setting, arguments.world.seed]
        return short_hash([*facts, list(arguments.episodes)])
    return short_hash(str(arguments.folder))


def _in_queue() -> set[str]:
    """Ids of the jobs that wait or run, as submitit has them; raises WorkError if Slurm does not answer for long."""
    asked = ["squeue", "--noheader", "--array", "--me", "--format=%i|%T"]
    for _ in range(10):
        done = subprocess.run(asked, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            lines = (line.split("|") for line in done.stdout.split())
            return {name for name, state in lines if state not in ("COMPLETED", "FAILED", "TIMEOUT", "NODE_FAIL")}
        time.sleep(3 * POLL_SEC)
    raise WorkError(f"Slurm does not answer: {' '.join(done.stderr.split())}")
