"""Evaluation in the calling process: the jobs and events of a pool of workers, without workers."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Any

from harness.running.evaluation import Evaluator
from harness.running.messages import own
from harness.running.workers import Event, Job


class InProcess:
    """Stands for a `WorkerPool`: runs evaluation jobs one after the other, here."""

    chunk: int | None = 1  # a finished episode is kept at once
    keeps_rows = False

    def __init__(self) -> None:
        self._pending: list[Job] = []
        self._evaluator = Evaluator()

    def submit(self, job: Job) -> None:
        """Queues a job; may be called while `events` is being read."""
        self._pending.append(job)

    def events(self) -> Iterator[Event]:
        """Yields what jobs say until none is left; what one raises comes through as it is."""
        while self._pending:
            job = self._pending.pop(0)
            messages: list[Any] = []
            self._evaluator.run(job.arguments, messages.append)
            yield from (Event(job, "message", own(message)) for message in messages if own(message) is not None)
            yield Event(job, "done")

    def __enter__(self) -> InProcess:
        return self

    def close(self) -> None:
        """Lets go of the environment and the policy."""
        self._evaluator.close()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
