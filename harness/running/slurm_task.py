"""What a Slurm job does: one piece of work on a node, and a file that says how it ended."""

from __future__ import annotations

import signal
from pathlib import Path

from harness.files import write_json
from harness.outside import forbid_ending
from harness.reading import read_json
from harness.running import stopping
from harness.running.node_task import Outcome, carry_out
from harness.running.workers import Job


def run_task(job: Job, outcome: Path) -> None:
    """Does a job in this process, and leaves a file that says how it ended; no other job writes that file."""
    for number in (signal.SIGUSR2, signal.SIGTERM):  # the time limit is near; the node is wanted for others
        signal.signal(number, stopping.ask)
    forbid_ending()  # agents and suites from outside run in here
    write_json(outcome, carry_out(job).model_dump())


def read_outcome(path: Path) -> Outcome | None:
    """How a job ended; None as long as nothing says so."""
    try:
        return read_json(path, Outcome)
    except FileNotFoundError:
        return None
