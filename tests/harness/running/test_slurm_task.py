"""What a Slurm job leaves besides rows and policies, without a cluster: how it ended and what it read."""

from __future__ import annotations

import hashlib
import itertools
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.running import stopping
from harness.running.jobs import TrainJob
from harness.running.side_by_side import num_cores
from harness.running.slurm import SlurmLauncher
from harness.running.slurm_options import parse_slurm
from harness.running.slurm_task import _TIME_IS_UP, fitted, read_outcome, run_task
from harness.running.slurm_work import work_key
from harness.running.workers import Event, Job
from tests.launchers.fake_slurm import FakeSlurm


@dataclass(frozen=True)
class Reads:
    """A job that reads a file outside its identity, and may fail then."""

    file: Path
    folder: Path
    fails: bool = False


def read(job: Reads, report: Callable[[object], None]) -> None:
    report("at work")
    report(("late", {job.file: hashlib.sha256(job.file.read_bytes()).hexdigest()}))
    if job.fails:
        raise ValueError("told to")


@pytest.fixture(autouse=True)
def _process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A job has its process to itself; here it leaves signals and exits as they were."""
    before = {number: signal.getsignal(number) for number in (signal.SIGUSR2, signal.SIGTERM)}
    monkeypatch.setattr("harness.running.slurm_task.forbid_ending", lambda: None)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
    stopping._ASKED.clear()
    _TIME_IS_UP.clear()


@dataclass(frozen=True)
class Stops:
    """A job whose node sends it a signal, and that stops then."""

    number: int


def stop(job: Stops, report: Callable[[object], None]) -> None:
    os.kill(os.getpid(), job.number)
    stopping.check()


@pytest.mark.parametrize(
    ("number", "requeue", "further", "status"),
    [
        (signal.SIGUSR2, True, True, None),  # once more, by itself
        (signal.SIGUSR2, True, False, "again"),  # not without end
        (signal.SIGUSR2, False, True, "again"),  # a command is there
        (signal.SIGTERM, True, True, "again"),  # cancelled
    ],
)
def test_a_job_that_was_left_goes_on_by_itself_when_its_time_is_up(
    number: int, requeue: bool, further: bool, status: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeSlurm(tmp_path / "bin", monkeypatch)
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    progress = itertools.count() if further else itertools.repeat(0)
    monkeypatch.setattr("harness.running.tries._progress", lambda job: next(progress))
    job = Job("tests.harness.running.test_slurm_task:stop", Stops(number))
    run_task(job, tmp_path / "outcome.json", requeue)
    outcome = read_outcome(tmp_path / "outcome.json")
    assert (outcome.status if outcome else None) == status
    assert fake.calls("scontrol") == ([] if status else ["scontrol requeue 7"])


def test_a_job_that_slurm_does_not_requeue_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    FakeSlurm(tmp_path / "bin", monkeypatch).set("down", "scontrol")
    progress = itertools.count()
    monkeypatch.setattr("harness.running.tries._progress", lambda job: next(progress))
    run_task(Job("tests.harness.running.test_slurm_task:stop", Stops(signal.SIGUSR2)), tmp_path / "outcome.json", True)
    assert read_outcome(tmp_path / "outcome.json").status == "again"  # type: ignore[union-attr]


def test_a_training_has_as_many_collectors_as_its_job_has_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    world: Any = None
    job = Job("", TrainJob(world, Path("run/train/walk"), 1, {}, 0.0, 0, 0, collectors=64))
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "6")
    assert fitted(job).arguments.collectors == 6
    monkeypatch.delenv("SLURM_CPUS_PER_TASK")
    monkeypatch.setenv("SLURM_CPUS_ON_NODE", "4")
    assert fitted(job).arguments.collectors == 4
    monkeypatch.delenv("SLURM_CPUS_ON_NODE")
    assert fitted(job).arguments.collectors == num_cores()


@pytest.mark.parametrize("fails", [False, True])
def test_files_that_are_read_late_reach_the_command(
    fails: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "late.txt").write_text("0.5")
    job = Job("tests.harness.running.test_slurm_task:read", Reads(tmp_path / "late.txt", tmp_path / "work", fails))
    monkeypatch.setattr("harness.running.slurm_queue.ask", dict)
    monkeypatch.setattr("harness.running.tries._progress", lambda job: None)
    with SlurmLauncher(parse_slurm("partition=main,time=5"), tmp_path / "slurm", goes_on=True) as launcher:
        launcher.submit(job)
        outcome = launcher._records.outcome((launcher._records.new([(work_key(job), "run")]), 0))
        run_task(job, outcome)
        assert read_outcome(outcome).status == ("failed" if fails else "done")  # type: ignore[union-attr]
        told: list[Event] = list(launcher.events())
    assert [event.kind for event in told] == ["message", "failed" if fails else "done"]
    assert told[0].payload == ("late", {tmp_path / "late.txt": hashlib.sha256(b"0.5").hexdigest()})
