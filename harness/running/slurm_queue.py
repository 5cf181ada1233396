"""What Slurm says of jobs that wait or run, and what it is told to cancel, which is believed when it is seen."""

from __future__ import annotations

import math
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence

from harness.errors import WorkError

Place = tuple[str, int]  # the name of an array, and which of its jobs

ASK_SEC = 5.0  # between two questions that are waited for
ANSWER_SEC = 60.0  # that a program of Slurm may take
OUTAGE_SEC = 600.0  # without an answer: then a command leaves its jobs alone and ends
WORDS = 50  # arrays that one scancel is told of: each may be some kB
_LEFT = "Its jobs are left as they are; the same command finds them."
ENDED = ("COMPLETED", "FAILED", "TIMEOUT", "NODE_FAIL", "CANCELLED", "OUT_OF_MEMORY", "BOOT_FAIL", "DEADLINE")


class NoAnswerError(WorkError):
    """Slurm does not answer: nothing is known of jobs, and none can be cancelled."""


class Queue:
    """The jobs of this user that wait or run, asked for no more often than needed."""

    def __init__(self) -> None:
        self._here: dict[Place, str] | None = None
        self._asked, self._answered = -math.inf, time.monotonic()

    def look(self, within: float = 0.0) -> dict[Place, str] | None:
        """Ids by place, as they were less than `within` seconds ago; None while Slurm does not answer.

        Raises:
          NoAnswerError: if it has not answered for long.
        """
        now = time.monotonic()
        if now - self._asked < within:
            return self._here
        self._asked = now
        try:
            self._here, self._answered = ask(), time.monotonic()
        except NoAnswerError:
            self._here = None
            if time.monotonic() - self._answered > OUTAGE_SEC:
                raise
        return self._here

    def now(self) -> dict[Place, str]:
        """Ids by place, as soon as Slurm answers; raises as `look`."""
        self._answered = time.monotonic()
        while (here := self.look()) is None:
            time.sleep(ASK_SEC)
        return here


def ask(timeout_sec: float = ANSWER_SEC) -> dict[Place, str]:
    """Asks once for the jobs that wait or run; returns ids by place.

    Raises:
      NoAnswerError: if Slurm does not answer.
    """
    asked = ["squeue", "--noheader", "--array", "--me", "--format=%i|%T|%j"]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=timeout_sec)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoAnswerError(f"Slurm does not answer ({type(error).__name__} of squeue). {_LEFT}") from error
    if done.returncode:
        raise NoAnswerError(f"Slurm does not answer ({' '.join(done.stderr.split())}). {_LEFT}")
    found: dict[Place, str] = {}
    for line in (line for line in done.stdout.splitlines() if line.count("|") > 1):
        job_id, state, name = line.strip().split("|", 2)
        if state not in ENDED:
            index = job_id.partition("_")[2]
            found[(name, int(index) if index.isdigit() else 0)] = job_id
    return found


def cancel(ids: Iterable[str]) -> None:
    """Tells Slurm to cancel jobs; whether it has is seen by looking again."""
    words = compressed(ids)
    for first in range(0, len(words), WORDS):
        try:
            asked = ["scancel", *words[first : first + WORDS]]
            subprocess.run(asked, capture_output=True, check=False, timeout=ANSWER_SEC)
        except (OSError, subprocess.TimeoutExpired):
            return


def compressed(ids: Iterable[str]) -> list[str]:
    """Ids as scancel takes them, one word an array: `7_0`, `7_1`, `7_4` are `7_[0-1,4]`; empty ones are left out."""
    arrays: dict[str, list[int]] = defaultdict(list)
    for job_id in filter(None, ids):
        base, _, index = job_id.partition("_")
        arrays[base] += [int(index)] if index else []
    return [f"{base}_[{_ranges(sorted(set(some)))}]" if some else base for base, some in arrays.items()]


def _ranges(numbers: Sequence[int]) -> str:
    """`0-1,4` for 0, 1, 4."""
    starts = [n for i, n in enumerate(numbers) if i == 0 or numbers[i - 1] != n - 1]
    ends = [n for i, n in enumerate(numbers) if i == len(numbers) - 1 or numbers[i + 1] != n + 1]
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in zip(starts, ends, strict=True))
