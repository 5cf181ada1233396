"""What Slurm is asked for, `--slurm partition=gpu,time=04:00:00,gpus=1`, checked before any work."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.errors import UsageError, unknown
from harness.running.pairs import parse_pairs

TEXTS = {"partition": "slurm_partition", "account": "slurm_account", "qos": "slurm_qos", "mem": "slurm_mem"}
NUMBERS = {"gpus": "slurm_gpus_per_node", "cpus": "slurm_cpus_per_task", "jobs": "slurm_array_parallelism"}
NAMES = (*TEXTS, *NUMBERS, "constraint", "time")
DEFAULT_MIN = 60


@dataclass(frozen=True)
class SlurmOptions:
    """Checked options.

    Attributes:
      limit_min: how long a job may take, minutes; it is asked to stop before that, and goes on in another.
      parameters: what submitit is told besides.
    """

    limit_min: int = DEFAULT_MIN
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def at_once(self) -> int | None:
        """How many jobs may be submitted and not at their end; None for any number."""
        found: int | None = self.parameters.get(NUMBERS["jobs"])
        return found

    @property
    def has_gpu(self) -> bool:
        """Whether jobs get a GPU."""
        return self.parameters.get(NUMBERS["gpus"], 0) > 0


def parse_slurm(text: str | None) -> SlurmOptions:
    """Reads `key=value,...`.

    Raises:
      UsageError: in one sentence.
    """
    values = parse_pairs("--slurm", text, NAMES)
    parameters: dict[str, Any] = {TEXTS[name]: values[name] for name in TEXTS if name in values}
    parameters |= {NUMBERS[name]: _number(name, values[name]) for name in NUMBERS if name in values}
    if "constraint" in values:
        parameters["slurm_constraint"] = values["constraint"]
    limit = _minutes(values["time"]) if "time" in values else DEFAULT_MIN
    return SlurmOptions(limit, parameters)


def check_slurm(options: SlurmOptions) -> None:
    """Asks this machine and its Slurm whether jobs can be submitted as they are asked for.

    Raises:
      UsageError: in one sentence.
    """
    if importlib.util.find_spec("submitit") is None:
        raise UsageError("--launcher slurm needs submitit: pip install 'visual-rl-harness[slurm]'.")
    for program in ("sbatch", "squeue", "sinfo", "scancel"):
        if shutil.which(program) is None:
            raise UsageError(f"--launcher slurm needs '{program}', and there is none on the path of this machine.")
    asked = ["sinfo", "--noheader", "--format=%R"]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=30)
    except subprocess.CalledProcessError as error:
        *_, last = error.stderr.splitlines() or [str(error)]  # before it, how that came about
        raise UsageError(f"Slurm does not answer: {last.strip().rstrip('.')}.") from error
    except subprocess.TimeoutExpired:
        raise UsageError("Slurm does not answer: sinfo said nothing for 30 s.") from None
    partition = options.parameters.get(TEXTS["partition"])
    if partition is not None and partition not in done.stdout.split():
        raise unknown("partition of Slurm", partition, done.stdout.split())


def _number(name: str, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,6}", text) or (int(text) < 1 and name != "gpus"):
        raise UsageError(f"--slurm {name} takes a number, not '{text}'.")
    return int(text)


def _minutes(text: str) -> int:
    """Minutes of `90`, `HH:MM:SS` or `D-HH:MM:SS`, rounded up."""
    match = re.fullmatch(r"(?:(?:([0-9]{1,3})-)?([0-9]{1,3}):([0-9]{2}):([0-9]{2}))|([0-9]{1,6})", text)
    days, hours, minutes, seconds, plain = (int(part or 0) for part in match.groups()) if match else (0,) * 5
    found = plain or days * 1440 + hours * 60 + minutes + (seconds > 0)
    if found < 1:
        raise UsageError(f"--slurm time takes minutes or HH:MM:SS, at least a minute, not '{text}'.")
    return found
