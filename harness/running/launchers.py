"""Where jobs are done: the one interface of all launchers, and which one a name stands for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Protocol, TypeVar

from harness.errors import UsageError, unknown
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


NAMES = ("local", "slurm")
Launch = Callable[[int, bool], Launcher]  # (number of workers, whether to go on past a job that fails)


def local(workers: int, goes_on: bool = False) -> Launcher:
    """Workers on this machine; none of them: this process."""
    return WorkerPool(workers, goes_on=goes_on) if workers else InProcess()


def named(name: str, slurm: str | None, *, detach: bool, folder: Path, threads: int) -> Launch:
    """The launcher of a name, checked before any work.

    Args:
      name: "local" or "slurm".
      slurm: what Slurm is asked for, see `harness.running.slurm_options`.
      detach: whether the command leaves its jobs with the cluster.
      folder: where a cluster's scripts and logs go.
      threads: CPU threads of a training.
    Raises:
      UsageError: in one sentence, if it does not exist or cannot do it.
    """
    if name not in NAMES:
        raise unknown("launcher", name, NAMES)
    if name == "local":
        if slurm is not None or detach:
            raise UsageError(f"{'--detach' if slurm is None else '--slurm'} goes with --launcher slurm only.")
        return local
    from harness.running.slurm import SlurmLauncher
    from harness.running.slurm_options import check_slurm, parse_slurm

    options = parse_slurm(slurm)
    check_slurm(options)
    return lambda workers, goes_on: SlurmLauncher(options, folder, goes_on=goes_on, detach=detach, threads=threads)
