"""How long a worker may say nothing before it is taken for stuck: as long as what it does may take.

A job says how far it is by `Beat`s, each with the longest that one of its steps has taken; what it does between two of
them must not take many times as long. Before the first beat (loading, compiling) and after a `Pause` (a checkpoint, a
new environment) nothing is known, and a worker that computes, or would if a busy machine let it, has not hung: these
are waited for longer.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.running.messages import Beat, Pause

LOOK_SEC = 5.0  # of processor time is seen over this long
BUSY = 0.1  # share of one processor, from which on a worker computes
READY = "RD"  # states of a thread: it runs or could, it waits for a disk
TICK_SEC = 2.0  # longer was not the worker's silence: this process itself stood still (stopped, or writing)


@dataclass(frozen=True)
class Patience:
    """How long silence is borne, seconds.

    Attributes:
      unknown_sec: where nothing is known of the steps, and where the worker computes or waits for a processor.
      least_sec: however quick the steps.
      times: of the slowest step so far.
    """

    unknown_sec: float = 600.0
    least_sec: float = 60.0
    times: float = 20.0

    def limit_sec(self, slowest_sec: float | None) -> float:
        """How long a job may be silent whose slowest step took so long; None if nothing is known."""
        return self.unknown_sec if slowest_sec is None else max(self.least_sec, self.times * slowest_sec)


class Silence:
    """The silence of one worker at its job."""

    def __init__(self, patience: Patience, process: int, slowest_sec: float | None = None) -> None:
        """Starts with a job; `slowest_sec` is known from an earlier one of its kind."""
        self._patience, self._process, self.slowest_sec = patience, process, slowest_sec
        self.silent_sec, self._ticked = 0.0, time.monotonic()
        self._seen: tuple[float, float] | None = None  # (silence, processor time) at the last look

    def heard(self, message: Any) -> None:
        """Takes note of a message."""
        self.silent_sec, self._ticked, self._seen = 0.0, time.monotonic(), None
        if isinstance(message, Beat):
            self.slowest_sec = message.slowest_sec
        elif isinstance(message, Pause):
            self.slowest_sec = None

    def is_too_long(self) -> bool:
        """Whether the worker must be taken for stuck; to be asked every second or so."""
        now = time.monotonic()
        self.silent_sec += min(now - self._ticked, TICK_SEC)
        self._ticked = now
        if self.silent_sec <= self._patience.limit_sec(self.slowest_sec):
            return False
        return self.silent_sec > self._patience.unknown_sec or self._rests()

    def _rests(self) -> bool:
        """Whether the worker and what it started have used next to no processor time since the last look."""
        if self._seen is not None and self.silent_sec - self._seen[0] < LOOK_SEC:
            return False
        before, self._seen = self._seen, (self.silent_sec, processor_sec(self._process))
        if before is None or is_ready(self._process):
            return False
        return self._seen[1] - before[1] < BUSY * (self.silent_sec - before[0])


def processor_sec(process: int) -> float:
    """Processor time that a process and all it has started have used, seconds; 0 where the system does not tell."""
    try:
        fields = _fields(Path(f"/proc/{process}/stat"))
    except OSError:  # it ended just now
        return 0.0
    own = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")  # itself and children that ended, user and system
    return own + sum(map(processor_sec, _children(process)))


def is_ready(process: int) -> bool:
    """Whether a thread of a process, or of what it has started, would run on if it were given a processor or its file.

    Others may have all the processors, for minutes where they have another priority; and a network's file system may
    let everybody wait.
    """
    states = []
    for thread in Path(f"/proc/{process}/task").glob("*"):
        with contextlib.suppress(OSError):
            states.append(_fields(thread / "stat")[0])
    return any(state in READY for state in states) or any(map(is_ready, _children(process)))


def _fields(stat: Path) -> list[str]:
    """What stands behind the name in such a file, which may hold anything."""
    return stat.read_text().rpartition(")")[2].split()


def _children(process: int) -> list[int]:
    """What a process has started and is still there."""
    try:
        return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    except OSError:
        return []
