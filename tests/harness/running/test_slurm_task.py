"""What a Slurm job leaves besides rows and policies, without a cluster: how it ended and what it read."""

from __future__ import annotations

import hashlib
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.running import stopping
from harness.running.slurm import SlurmLauncher
from harness.running.slurm_options import parse_slurm
from harness.running.slurm_task import read_outcome, run_task
from harness.running.slurm_work import work_key
from harness.running.workers import Event, Job


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
