"""Which runs have jobs with Slurm, for whoever only looks."""

from __future__ import annotations

import shutil
from pathlib import Path

from harness.errors import HarnessError
from harness.running.slurm_queue import NoAnswerError, ask
from harness.running.slurm_records import Records

PATIENCE_SEC = 10.0


def runs_with_jobs(folder: Path) -> set[str] | None:
    """The names of runs of which a job waits or runs; None where Slurm is not, or does not answer.

    Args:
      folder: where commands keep what is under way.
    """
    if shutil.which("squeue") is None:
        return None
    records = Records(folder)
    records.load(pass_over=(HarnessError,))
    try:
        return records.runs_at(ask(PATIENCE_SEC))
    except NoAnswerError:
        return None
