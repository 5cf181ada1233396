"""Where jobs are done: the one interface of all launchers, and which one a name stands for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Protocol, TypeVar

from harness.running.in_process import InProcess
from harness.running.workers import Event, Job, WorkerPool

Self = TypeVar("Self", bound="Launcher")


class Launcher(Protocol):
    """Runs jobs, says what they say, and ends what is under way when it is closed.

    Attributes:
      chunk: episodes that one evaluation takes at once; None for all of a cell.
      keeps_rows: whether jobs write their rows where they are done, one job per cell at a time, instead of reporting
        them.
    """

    chunk: int | None
    keeps_rows: bool

    def submit(self, job: Job) -> None:
        """Queues a job; may be called while `events` is being read."""

    def events(self) -> Iterator[Event]:
        """Yields what jobs say until none is left; raises, or yields as failed, what a job raises."""

    def close(self) -> None:
        """Ends what is under way."""

    def __enter__(self: Self) -> Self:
        """Starts; the rest comes with the first job."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Closes."""


Launch = Callable[[int, bool], Launcher]  # (number of workers, whether to go on past a job that fails)


def local(workers: int, goes_on: bool = False) -> Launcher:
    """Workers on this machine; none of them: this process."""
    return WorkerPool(workers, goes_on=goes_on) if workers else InProcess()
