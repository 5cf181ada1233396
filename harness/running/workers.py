"""A pool of spawned worker processes that are watched: a dead or stuck one is replaced and its job run again.

`fork` hangs once a process has rendered, and concurrent EGL renderers have been seen to hang on data-centre cards
(google-deepmind/mujoco issue 3444); hence `spawn`, and a watchdog that `concurrent.futures` does not offer.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from harness.errors import HarnessError, WorkError
from harness.running.messages import Place, own
from harness.running.patience import Patience, Silence
from harness.running.queue import GroupedQueue
from harness.running.serving import LINE_LOST, serve
from harness.search_path import starting_python

PATIENCE = Patience()
CHUNK = 5  # episodes a worker takes at once: few enough to balance, enough to use what it has loaded
MAX_TRIES = 3  # a job whose worker died or hung this often is given up


@dataclass(frozen=True)
class Job:
    """A piece of work: `function` is `"module:name"`, called with (arguments, report) in a worker.

    Jobs of one `group` prefer the worker that ran that group last, so that what it has loaded serves again.
    """

    function: str
    arguments: Any
    group: str = ""


@dataclass(frozen=True)
class Event:
    """What a job said: `kind` is "message" (from `report`), "done" (payload: the result), "restarted", or, where the
    launcher goes on past it, "failed" (payload: the error)."""

    job: Job
    kind: str
    payload: Any = None


@dataclass(eq=False)
class _Task:
    job: Job
    tries: int = 0  # that ended in a dead or stuck worker
    place: str = ""  # where in its work it was last


@dataclass(eq=False)
class _Worker:
    process: BaseProcess
    pipe: Connection
    task: _Task | None = None
    silence: Silence | None = None  # at its task
    group: str = ""


@dataclass
class WorkerPool:
    """Runs jobs on `num_workers` processes.

    Args:
      num_workers: how many processes, at least 1.
      patience: how long a worker may say nothing before it is taken for stuck.
      goes_on: past a job that fails, which is then an event; else its error ends `events`.
    """

    num_workers: int
    patience: Patience = PATIENCE
    goes_on: bool = False
    chunk: int | None = CHUNK
    keeps_rows: bool = False
    _workers: list[_Worker] = field(default_factory=list)
    _pending: GroupedQueue[_Task] = field(default_factory=GroupedQueue)

    def submit(self, job: Job) -> None:
        """Queues a job; may be called while `events` is being read."""
        self._pending.append(_Task(job), job.group)

    def events(self) -> Iterator[Event]:
        """Yields what jobs say until none is left.

        Raises:
          HarnessError: the error a job raised (its own type and text), or WorkError for any other exception, and
            for a job whose workers died or hung three times. Messages sent before it have been yielded.
        """
        while self._pending or any(worker.task for worker in self._workers):
            self._assign()
            ready = wait([worker.pipe for worker in self._workers if worker.task], timeout=1.0)
            for worker in list(self._workers):
                if worker.pipe in ready:
                    yield from self._read(worker)
                elif worker.silence and worker.silence.is_too_long():
                    yield self._replace(worker, f"said nothing for {worker.silence.silent_sec:.0f} s")

    def close(self) -> None:
        """Ends every worker at once; jobs under way are dropped."""
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.process.join()
            worker.pipe.close()
        self._workers.clear()

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _assign(self) -> None:
        idle = [worker for worker in self._workers if worker.task is None]
        while self._pending and (idle or len(self._workers) < self.num_workers):
            worker, task = self._match(idle)
            if worker in idle:
                idle.remove(worker)
            try:
                worker.pipe.send(task.job)
            except OSError:  # it died while idle: another takes its place
                self._drop(worker)
                continue
            self._pending.remove(task)
            known = worker.silence.slowest_sec if worker.silence and task.job.group == worker.group != "" else None
            worker.task, worker.group = task, task.job.group
            worker.silence = Silence(self.patience, worker.process.pid or 0, known)

    def _match(self, idle: list[_Worker]) -> tuple[_Worker, _Task]:
        for worker in idle:
            if found := self._pending.first([worker.group]):
                return worker, found[0]
        found = self._pending.first()
        if found is None:
            raise RuntimeError("Nothing waits for a worker.")
        return (idle[0] if idle else self._start()), found[0]

    def _start(self) -> _Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        with starting_python() as safe_path, _without_main():
            process = context.Process(target=serve, args=(theirs, os.getpid(), safe_path))
            process.start()
        theirs.close()
        worker = _Worker(process, ours)
        self._workers.append(worker)
        return worker

    def _read(self, worker: _Worker) -> Iterator[Event]:
        try:
            while worker.task and worker.pipe.poll():
                kind, payload = worker.pipe.recv()
                task = worker.task
                if worker.silence:
                    worker.silence.heard(payload)
                if kind in ("done", "error"):
                    worker.task = None
                if kind == "error":
                    yield self._failed(task, payload)
                    continue
                if isinstance(payload, Place):
                    task.place = payload.text
                if kind == "done" or own(payload) is not None:
                    yield Event(task.job, kind, own(payload))
        except (EOFError, ConnectionResetError):
            worker.process.join(timeout=5)
            if worker.process.exitcode == LINE_LOST and worker.task:
                self._drop(worker)
                yield self._failed(worker.task, WorkError(_LINE_LOST.format(_place(worker.task))))
                return
            yield self._replace(worker, _death(worker.process.exitcode))

    def _failed(self, task: _Task, error: HarnessError) -> Event:
        """The event of a job that failed; raises the error unless the pool goes on."""
        if not self.goes_on:
            raise error
        return Event(task.job, "failed", error)

    def _replace(self, worker: _Worker, why: str) -> Event:
        task = worker.task
        self._drop(worker)
        if task is None:
            raise WorkError(f"An idle worker {why}.")
        task.tries += 1
        if task.tries >= MAX_TRIES:
            text = f"Given up after {MAX_TRIES} tries: the worker of {_place(task)} {why}{_GUESS}."
            return self._failed(task, WorkError(text))
        self._pending.push_front(task, task.job.group)
        return Event(task.job, "restarted", why)

    def _drop(self, worker: _Worker) -> None:
        worker.process.kill()
        worker.process.join()
        worker.pipe.close()
        self._workers.remove(worker)


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Around the start of a process: it does not run the user's script again, of which no job needs anything.

    `multiprocessing` would have every script begin with `if __name__ == "__main__"`.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


_GUESS = "; the agent or the suite, or a library one of them calls, ended or stopped it"
_LINE_LOST = "The worker of {} lost its line to this command: the agent or the suite closed descriptors of others."


def _place(task: _Task | None) -> str:
    """What a worker was at, for a sentence."""
    if task is None:
        return "nothing"
    what = task.job.group or task.job.function
    return f"{what}, {task.place}," if task.place else what


def _death(status: int | None) -> str:
    """How a process ended, for a sentence."""
    if status is None or status >= 0:
        return f"died (exit code {status})"
    return f"was killed by {signal.Signals(-status).name}"
