"""A worker is waited for as long as its steps may take, longer where nothing is known or it computes."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from harness.running import patience
from harness.running.messages import Beat, Pause
from harness.running.patience import Patience, Silence, is_ready, processor_sec

QUICK = Patience(unknown_sec=600, least_sec=60, times=20)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(patience, "time", made)
    monkeypatch.setattr(patience, "processor_sec", lambda process: 0.0)
    monkeypatch.setattr(patience, "is_ready", lambda process: False)
    return made


def seconds_until_stuck(silence: Silence, clock: Clock, most: int = 20_000) -> float | None:
    """How long the silence is borne, asked every second."""
    started = clock.now
    for _ in range(most):
        clock.now += 1
        if silence.is_too_long():
            return clock.now - started
    return None


def test_limits() -> None:
    assert QUICK.limit_sec(None) == 600
    assert QUICK.limit_sec(0.01) == 60
    assert QUICK.limit_sec(3.0) == 60
    assert QUICK.limit_sec(10.0) == 200
    assert QUICK.limit_sec(90.0) == 1800


@pytest.mark.parametrize(("slowest", "expected"), [(None, 600), (0.02, 60), (10.0, 200), (50.0, 1000)])
def test_silence_is_borne_as_long_as_the_steps_suggest(slowest: float | None, expected: int, clock: Clock) -> None:
    silence = Silence(QUICK, 0)
    if slowest is not None:
        silence.heard(Beat("x", slowest))
    took = seconds_until_stuck(silence, clock)
    assert took is not None
    assert expected < took <= expected + patience.LOOK_SEC + 2


def test_a_pause_is_borne_until_the_next_beat(clock: Clock) -> None:
    silence = Silence(QUICK, 0)
    silence.heard(Beat("x", 0.1))
    silence.heard(Pause())
    assert (seconds_until_stuck(silence, clock) or 0) > 600
    silence.heard(Pause())
    silence.heard(Beat("x", 0.1))
    assert (seconds_until_stuck(silence, clock) or 0) < 100


def test_what_is_known_of_a_group_holds_for_its_next_job(clock: Clock) -> None:
    assert (seconds_until_stuck(Silence(QUICK, 0, 0.1), clock) or 0) < 100


def test_messages_of_any_kind_end_a_silence(clock: Clock) -> None:
    silence = Silence(QUICK, 0)
    silence.heard(Beat("x", 0.1))
    for _ in range(20):
        clock.now += 50
        silence.is_too_long()
        silence.heard(("row", None))
    assert not silence.is_too_long()


def test_a_worker_that_computes_is_waited_for_longer(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "processor_sec", lambda process: clock.now * 0.5)
    silence = Silence(QUICK, 0)
    silence.heard(Beat("x", 0.1))
    assert 600 <= (seconds_until_stuck(silence, clock) or 0) <= 602


def test_a_worker_that_others_keep_from_the_processor_is_waited_for_longer(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "is_ready", lambda process: True)
    silence = Silence(QUICK, 0)
    silence.heard(Beat("x", 0.1))
    assert 600 <= (seconds_until_stuck(silence, clock) or 0) <= 602


def test_time_in_which_this_process_stood_still_does_not_count(clock: Clock) -> None:
    silence = Silence(QUICK, 0)
    silence.heard(Beat("x", 0.1))
    clock.now += 3600  # stopped with Ctrl-Z for an hour, and the workers with it
    assert not silence.is_too_long()
    assert (seconds_until_stuck(silence, clock) or 0) > 50


@pytest.fixture
def busy() -> Iterator[subprocess.Popen[bytes]]:
    code = "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'while True: pass'])"
    process = subprocess.Popen([sys.executable, "-c", code], process_group=0)
    yield process
    subprocess.run(["kill", "-9", "--", f"-{process.pid}"], check=True)
    process.wait()


def test_processor_time_counts_what_a_worker_has_started(busy: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while processor_sec(busy.pid) < 0.3 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processor_sec(busy.pid) >= 0.3
    assert processor_sec(2**22 + 1) == 0.0  # no such process


def test_who_would_run_if_it_could_is_ready(busy: subprocess.Popen[bytes]) -> None:
    """The process itself waits for the one that it has started."""
    deadline = time.monotonic() + 20
    while not is_ready(busy.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert is_ready(busy.pid)
    assert not is_ready(2**22 + 1)


def test_who_sleeps_is_not_ready() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        try:
            deadline = time.monotonic() + 20
            while is_ready(process.pid) and time.monotonic() < deadline:
                time.sleep(0.05)
            assert not is_ready(process.pid)
        finally:
            process.kill()
