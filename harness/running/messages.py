"""What jobs say while they work, besides what is their own."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

BEAT_SEC = 0.5  # least time between two beats of a job

Report = Callable[[Any], None]  # how a job says something


@dataclass(frozen=True)
class Beat:
    """A message of a job at work, and how long the slowest of its steps took so far, seconds."""

    message: Any
    slowest_sec: float


@dataclass(frozen=True)
class Pause:
    """Says that the next beat may take long."""


@dataclass(frozen=True)
class Place:
    """Says where in its work a job is, for the sentence of a worker that dies there."""

    text: str


def own(message: Any) -> Any:
    """What a job says of its own accord: the message of a beat, None where there is nothing but the above."""
    if isinstance(message, Pause | Place):
        return None
    return message.message if isinstance(message, Beat) else message


class Beats:
    """Makes beats of messages that come after every step; one every `BEAT_SEC` at most is let through."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._last_step: float | None = time.monotonic()  # None: what comes next is no step
        self._sent, self._slowest_sec = self._last_step - BEAT_SEC, 0.0

    def __call__(self, message: Any) -> None:
        """A step was taken."""
        now = time.monotonic()
        if self._last_step is not None:
            self._slowest_sec = max(self._slowest_sec, now - self._last_step)
        self._last_step = now
        if now - self._sent >= BEAT_SEC:
            self._sent = now
            self._report(Beat(message, self._slowest_sec))

    def pause(self) -> None:
        """What comes next is no step, and may take long."""
        self._last_step, self._sent = None, time.monotonic() - BEAT_SEC
        self._report(Pause())
