"""What a Slurm job does: one piece of work on a node, and a file that says how it ended."""

from __future__ import annotations

import os
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

from harness.files import write_json
from harness.outside import forbid_ending
from harness.reading import read_json
from harness.running import stopping
from harness.running.jobs import TrainJob
from harness.running.node_task import Outcome, carry_out
from harness.running.side_by_side import num_cores
from harness.running.tries import Tries
from harness.running.workers import Job

_TIME_IS_UP: list[bool] = []


def run_task(job: Job, outcome: Path, requeue: bool = False) -> None:
    """Does a job in this process, and leaves a file that says how it ended; no other job writes that file.

    Args:
      job: the work.
      outcome: the file.
      requeue: where the time limit came before the end, and the work came further, go on as the same job once more
        instead of leaving that to a command: none is there.
    """
    signal.signal(signal.SIGUSR2, _time_is_up)
    signal.signal(signal.SIGTERM, stopping.ask)  # the node is wanted for others, or nobody wants this any more
    forbid_ending()  # agents and suites from outside run in here
    tries = Tries(job) if requeue else None
    ended = carry_out(fitted(job))
    if tries and ended.status == "again" and _TIME_IS_UP and tries.came_further() and _requeued():
        return
    write_json(outcome, ended.model_dump())


def fitted(job: Job) -> Job:
    """The job with as many collectors as it has cores here: the command knows those of its own machine."""
    if not isinstance(job.arguments, TrainJob):
        return job
    return replace(job, arguments=replace(job.arguments, collectors=granted_cores()))


def granted_cores() -> int:
    """Cores that Slurm has granted this job on its node; where it does not say, those that it may use."""
    for name in ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE"):
        if (text := os.environ.get(name, "")).isdigit() and int(text) > 0:
            return int(text)
    return num_cores()


def read_outcome(path: Path) -> Outcome | None:
    """How a job ended; None as long as nothing says so."""
    try:
        return read_json(path, Outcome)
    except FileNotFoundError:
        return None


def _time_is_up(*_: object) -> None:
    _TIME_IS_UP.append(True)
    stopping.ask()


def _requeued() -> bool:
    """Puts this job into the queue again; whether Slurm may be at it, which ends this job and its `scontrol`."""
    asked = ["scontrol", "requeue", os.environ.get("SLURM_JOB_ID", "")]
    try:
        return subprocess.run(asked, capture_output=True, check=False, timeout=60).returncode <= 0
    except subprocess.TimeoutExpired:
        return True
    except OSError:
        return False
