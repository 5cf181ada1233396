"""Jobs on a Ray cluster with a shared file system: one task each, with its own CPUs and its share of a card.

Rows are kept where they are measured, one job per cell, as on Slurm (`node_task.py`). What Ray says has been lost, a
worker or its node, is submitted again and goes on from its last checkpoint or row. Ray ends a command's jobs with the
command, so nothing is left to come back to but what is on disk, which the same command goes on from.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from harness.errors import HarnessError, WorkError
from harness.running.jobs import TrainJob
from harness.running.node_needs import NodeNeeds, other_code, work_in
from harness.running.node_task import Outcome, carry_out
from harness.running.ray_cluster import RayCluster, joined
from harness.running.tries import MAX_TRIES, Tries
from harness.running.workers import Event, Job

AT_ONCE = 1_000  # jobs that Ray has at a time: it looks through all of them for what has ended
LOOK_SEC = 1.0
CANCEL_SEC = 15.0  # that workers are given to be gone


@dataclass(eq=False)
class _Task:
    job: Job

    def __post_init__(self) -> None:
        self.tries = Tries(self.job)


class RayLauncher:
    """Runs jobs as Ray tasks.

    Args:
      cluster: looked at; it is joined from entering to closing.
      goes_on: past a job that fails, which is then an event.
      threads: of a training.
    """

    chunk: int | None = None
    keeps_rows = True

    def __init__(self, cluster: RayCluster, *, goes_on: bool = False, threads: int = 1) -> None:
        self._cluster, self._goes_on, self._threads = cluster, goes_on, threads
        self._ray: Any = None  # while it is joined
        self._stay = contextlib.ExitStack()
        self._queued: deque[_Task] = deque()
        self._running: dict[Any, _Task] = {}  # by the reference to what comes of it

    def submit(self, job: Job) -> None:
        """Queues a job."""
        self._queued.append(_Task(job))

    def events(self) -> Iterator[Event]:
        """Yields what comes of jobs until none is left.

        Raises:
          HarnessError: the error of a job, unless it goes on; WorkError if the cluster is gone.
        """
        while self._queued or self._running:
            while self._queued and len(self._running) < AT_ONCE:
                self._send(self._queued.popleft())
            ready, _ = self._ray.wait(list(self._running), num_returns=1, timeout=LOOK_SEC)
            for reference in ready:
                yield from self._ended(self._running.pop(reference), reference)

    def close(self) -> None:
        """Kills what is under way, waits until it is gone, and leaves the cluster."""
        for reference in self._running:
            with contextlib.suppress(self._ray.exceptions.RayError):
                self._ray.cancel(reference, force=True)
        if self._running:
            self._ray.wait(list(self._running), num_returns=len(self._running), timeout=CANCEL_SEC)
        self._running.clear()
        self._stay.close()

    def __enter__(self) -> RayLauncher:
        self._ray = self._stay.enter_context(joined(self._cluster.options.address))
        self._remote = self._ray.remote(run_on_node)  # once: every one is sent to the cluster
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _send(self, task: _Task) -> None:
        options = self._cluster.options
        threads = self._threads if isinstance(task.job.arguments, TrainJob) else 1
        remote = self._remote.options(
            num_cpus=options.cpus or threads, num_gpus=options.gpus, max_retries=0, name=task.job.group
        )
        self._running[remote.remote(task.job, self._cluster.needs)] = task

    def _ended(self, task: _Task, reference: Any) -> Iterator[Event]:
        try:
            outcome = Outcome.model_validate(self._ray.get(reference))
        except self._ray.exceptions.RayTaskError as error:
            yield self._failed(task, WorkError(f"{task.job.group} did not begin: {_last_line(error)}"))
            return
        except self._ray.exceptions.RayError as error:
            yield self._again(task, f"was lost ({type(error).__name__})")
            return
        if late := outcome.late_message():
            yield Event(task.job, "message", late)
        yield self._failed(task, outcome.as_error()) if outcome.status == "failed" else Event(task.job, "done")

    def _again(self, task: _Task, why: str) -> Event:
        if not task.tries.goes_on():
            text = f"Given up after {MAX_TRIES} tries without progress: the worker of {task.job.group} {why}."
            return self._failed(task, WorkError(text))
        self._queued.append(task)
        return Event(task.job, "restarted", f"(Ray) {why}")

    def _failed(self, task: _Task, error: HarnessError) -> Event:
        if not self._goes_on:
            raise error
        return Event(task.job, "failed", error)


def run_on_node(job: Job, needs: NodeNeeds) -> dict[str, Any]:
    """What a Ray task does: a job, in a worker that may do others later; returns its `Outcome` as plain data."""
    from harness.outside import forbid_ending

    if problem := other_code(needs):  # of a node that came later than the look at all of them
        return Outcome(status="failed", error=f"A node of Ray {problem}.").model_dump()
    work_in(needs.folder)
    allow = forbid_ending()  # agents and suites from outside run in here
    try:
        return carry_out(job).model_dump()
    finally:
        allow()


def _last_line(error: Exception) -> str:
    return str(error).strip().splitlines()[-1]
