"""A pool of spawned worker processes that are watched: a dead or stuck one is replaced and its job run again.

`fork` hangs once a process has rendered, and concurrent EGL renderers have been seen to hang on data-centre cards
(google-deepmind/mujoco issue 3444); hence `spawn`, and a watchdog that `concurrent.futures` does not offer.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import multiprocessing
import os
import signal
import sys
import time
import traceback
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from harness.errors import HarnessError, WorkError
from harness.search_path import restore, starting_python
from harness.streams import prepare_worker_streams

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
    """What a job said: `kind` is "message" (from `report`), "done" (payload: the result) or "restarted"."""

    job: Job
    kind: str
    payload: Any = None


@dataclass(eq=False)
class _Task:
    job: Job
    tries: int = 0  # that ended in a dead or stuck worker


@dataclass(eq=False)
class _Worker:
    process: BaseProcess
    pipe: Connection
    task: _Task | None = None
    heard: float = 0.0
    group: str = ""


@dataclass
class WorkerPool:
    """Runs jobs on `num_workers` processes.

    Args:
      num_workers: how many processes, at least 1.
      watchdog_sec: a worker that says nothing for this long is taken for stuck. Jobs must report often.
    """

    num_workers: int
    watchdog_sec: float = 600.0
    _workers: list[_Worker] = field(default_factory=list)
    _pending: list[_Task] = field(default_factory=list)

    def submit(self, job: Job) -> None:
        """Queues a job; may be called while `events` is being read."""
        self._pending.append(_Task(job))

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
                elif worker.task and time.monotonic() - worker.heard > self.watchdog_sec:
                    yield self._replace(worker, f"said nothing for {self.watchdog_sec:.0f} s")

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
            worker.task, worker.group, worker.heard = task, task.job.group, time.monotonic()

    def _match(self, idle: list[_Worker]) -> tuple[_Worker, _Task]:
        for worker in idle:
            for task in self._pending:
                if task.job.group and task.job.group == worker.group:
                    return worker, task
        return (idle[0] if idle else self._start()), self._pending[0]

    def _start(self) -> _Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        with starting_python() as safe_path, _without_main():
            process = context.Process(target=_serve, args=(theirs, os.getpid(), safe_path))
            process.start()
        theirs.close()
        worker = _Worker(process, ours)
        self._workers.append(worker)
        return worker

    def _read(self, worker: _Worker) -> Iterator[Event]:
        try:
            while worker.task and worker.pipe.poll():
                kind, payload = worker.pipe.recv()
                job, worker.heard = worker.task.job, time.monotonic()
                if kind == "error":
                    raise payload
                if kind == "done":
                    worker.task = None
                yield Event(job, kind, payload)
        except (EOFError, ConnectionResetError):
            worker.process.join(timeout=5)
            yield self._replace(worker, f"died (exit code {worker.process.exitcode})")

    def _replace(self, worker: _Worker, why: str) -> Event:
        task = worker.task
        self._drop(worker)
        if task is None:
            raise WorkError(f"An idle worker {why}.")
        task.tries += 1
        job = task.job
        if task.tries >= MAX_TRIES:
            raise WorkError(f"Given up after {MAX_TRIES} tries: the worker of {job.group or job.function} {why}.")
        self._pending.insert(0, task)
        return Event(job, "restarted", why)

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


def _serve(pipe: Connection, parent: int, safe_path: str | None) -> None:
    """The life of a worker: jobs come in, messages and results go out, and it dies with its parent."""
    restore(safe_path)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    prepare_worker_streams()
    _die_with_parent(parent)
    while True:
        try:
            job = pipe.recv()
        except EOFError:
            return
        try:
            module, _, name = job.function.partition(":")
            function: Callable[[Any, Callable[[Any], None]], Any] = getattr(importlib.import_module(module), name)
            result = function(job.arguments, lambda message: pipe.send(("message", message)))
        except Exception as error:
            # The one place where anything may arrive: agents and suites from outside run in here.
            pipe.send(("error", _portable(error)))
        else:
            pipe.send(("done", result))


def _portable(error: Exception) -> HarnessError:
    """The error as one that surely survives pickling, with the traceback as a note for --debug."""
    if isinstance(error, HarnessError):
        portable: HarnessError = type(error)(str(error))
    else:
        portable = WorkError(f"{type(error).__name__}: {error}")
    portable.worker_traceback = traceback.format_exc()  # type: ignore[attr-defined]
    return portable


def _die_with_parent(parent: int) -> None:
    # Without this a worker whose parent was killed would go on writing into a run that is being resumed.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:  # it died before the line above
        os._exit(1)
