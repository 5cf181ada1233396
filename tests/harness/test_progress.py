"""Estimates of what is left, and lines where there is no terminal."""

from __future__ import annotations

import pytest

from harness import progress
from harness.progress import Progress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_the_estimate_follows_the_pace(clock: list[float]) -> None:
    shown = Progress(train_frames={"a": 100, "b": 100}, episodes=0, quiet=True)
    assert shown.remaining_sec() is None
    shown.trained("a", 0)
    clock[0] += 10
    shown.trained("a", 50)
    assert shown.remaining_sec() == pytest.approx(30)  # 150 frames at 5 a second


def test_what_was_done_before_a_resume_does_not_count_as_pace(clock: list[float]) -> None:
    shown = Progress(train_frames={"a": 100}, episodes=0, quiet=True)
    shown.trained("a", 80)
    clock[0] += 10
    shown.trained("a", 90)
    assert shown.remaining_sec() == pytest.approx(10)


def test_the_slower_kind_of_work_decides(clock: list[float]) -> None:
    shown = Progress(train_frames={"a": 10}, episodes=4, quiet=True)
    shown.trained("a", 0)
    clock[0] += 10
    shown.training_done("a")
    assert shown.remaining_sec() is None  # no episode yet: nothing to go by
    clock[0] += 10
    shown.episode_done()
    assert shown.remaining_sec() == pytest.approx(60)


def test_lines_come_now_and_then_and_at_the_end(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(train_frames={}, episodes=3) as shown:
        shown.episode_done()
        assert capsys.readouterr().err == ""
        clock[0] += progress.LINE_SEC
        shown.episode_done()
        assert "evaluation 2/3 episodes" in capsys.readouterr().err
        shown.note("A worker died.")
    assert capsys.readouterr().err.startswith("A worker died.\nevaluation 2/3 episodes")
