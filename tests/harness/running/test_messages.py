"""Beats come now and then, with the slowest step so far."""

from __future__ import annotations

from typing import Any

import pytest

from harness.running import messages
from harness.running.messages import BEAT_SEC, Beat, Beats, Pause


class Clock:
    now = 50.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(messages, "time", made)
    return made


def test_beats_are_seldom_and_miss_no_slow_step(clock: Clock) -> None:
    said: list[Any] = []
    beats = Beats(said.append)
    for number, took in enumerate([0.25, 0.125, 0.125, 0.25, 2.0, 0.125]):
        clock.now += took
        beats(number)
    assert [beat.message for beat in said] == [0, 3, 4]
    assert [beat.slowest_sec for beat in said] == [0.25, 0.25, 2.0]
    assert BEAT_SEC == 0.5


def test_a_pause_is_no_step(clock: Clock) -> None:
    said: list[Any] = []
    beats = Beats(said.append)
    clock.now += 0.25
    beats(1)
    beats.pause()
    clock.now += 300
    beats(2)
    clock.now += 0.5
    beats(3)
    assert said == [Beat(1, 0.25), Pause(), Beat(2, 0.25), Beat(3, 0.5)]
