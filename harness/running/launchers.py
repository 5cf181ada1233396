"""Where jobs are done: the one interface of all launchers, and which one a name stands for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, TypeVar

from harness.errors import UsageError, unknown
from harness.running.in_process import InProcess
from harness.running.plan import RunPlan
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


NAMES = ("local", "slurm", "ray")
Launch = Callable[[int, bool], Launcher]  # (number of workers, whether to go on past a job that fails)


@dataclass(frozen=True)
class LauncherOptions:
    """What a command says of its launcher, as written; None means not given.

    Attributes:
      name: "local", "slurm" or "ray".
      slurm: what Slurm is asked for, see `harness.running.slurm_options`.
      detach: whether the command leaves its jobs with Slurm.
      ray: what Ray is asked for, see `harness.running.ray_options`.
      ray_address: of the Ray cluster.
    """

    name: str = "local"
    slurm: str | None = None
    detach: bool = False
    ray: str | None = None
    ray_address: str | None = None

    def check(self) -> None:
        """Checks the name, and that no option is one of another launcher; raises UsageError."""
        if self.name not in NAMES:
            raise unknown("launcher", self.name, NAMES)
        of_slurm = {"--slurm": self.slurm is not None, "--detach": self.detach}
        of_ray = {"--ray": self.ray is not None, "--ray-address": self.ray_address is not None}
        for owner, options in (("slurm", of_slurm), ("ray", of_ray)):
            for option in (option for option, is_given in options.items() if is_given and self.name != owner):
                raise UsageError(f"{option} goes with --launcher {owner} only.")

    def has_gpu(self) -> bool:
        """Whether its jobs get a card, or a share of one; raises UsageError if the options are wrong."""
        from harness.running.ray_options import parse_ray
        from harness.running.slurm_options import parse_slurm

        self.check()
        if self.name == "ray":
            return parse_ray(self.ray, self.ray_address).gpus > 0
        return parse_slurm(self.slurm).has_gpu


def local(workers: int, goes_on: bool = False) -> Launcher:
    """Workers on this machine; none of them: this process."""
    return WorkerPool(workers, goes_on=goes_on) if workers else InProcess()


def named(options: LauncherOptions, plans: Sequence[RunPlan]) -> Launch:
    """The launcher that is asked for, checked before any work.

    Args:
      options: what is asked for.
      plans: what it is to do; their runs lie in one folder.
    Raises:
      HarnessError: in one sentence, if it does not exist or cannot do it.
    """
    options.check()
    if options.name == "local":
        return local
    threads = max(plan.threads for plan in plans)
    return (_slurm if options.name == "slurm" else _ray)(options, plans, threads)


def _slurm(options: LauncherOptions, plans: Sequence[RunPlan], threads: int) -> Launch:
    from harness.running.slurm import SlurmLauncher
    from harness.running.slurm_options import check_slurm, parse_slurm

    asked, folder, detach = parse_slurm(options.slurm), plans[0].folder.parent / "slurm", options.detach
    check_slurm(asked)
    return lambda workers, goes_on: SlurmLauncher(asked, folder, goes_on=goes_on, detach=detach, threads=threads)


def _ray(options: LauncherOptions, plans: Sequence[RunPlan], threads: int) -> Launch:
    from harness.running.ray_options import check_ray, parse_ray

    asked = parse_ray(options.ray, options.ray_address)
    check_ray(asked)
    from harness.running.ray_cluster import inspect
    from harness.running.ray_launcher import RayLauncher

    cluster = inspect(asked, plans, threads)
    return lambda workers, goes_on: RayLauncher(cluster, goes_on=goes_on, threads=threads)
