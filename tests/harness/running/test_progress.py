"""Estimates of what is left, and lines where there is no terminal."""

from __future__ import annotations

import pytest

from harness.running import progress
from harness.running.progress import Progress


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


def test_evaluation_has_a_clock_of_its_own(clock: list[float]) -> None:
    shown = Progress(train_frames={"a": 10}, episodes=4, quiet=True)
    shown.trained("a", 0)
    clock[0] += 100
    shown.training_done("a")
    assert shown.remaining_sec() is None  # no episode yet: nothing to go by
    clock[0] += 10
    shown.episode_done()
    assert shown.remaining_sec() == pytest.approx(30)
    clock[0] += 4
    shown.evaluating()
    clock[0] += 4
    shown.episode_done()
    assert shown.remaining_sec() == pytest.approx(18)  # two episodes in 18 s, two are left


def test_what_follows_one_another_is_added(clock: list[float]) -> None:
    shown = Progress(train_frames={"a": 100, "b": 100}, episodes=4, quiet=True)
    shown.trained("a", 0)
    clock[0] += 50
    shown.training_done("a")
    clock[0] += 5
    shown.episode_done()
    clock[0] += 145  # the other training alone; evaluation waits for a worker
    shown.trained("b", 0)
    clock[0] += 50
    shown.trained("b", 50)
    assert shown.training_left_sec() == pytest.approx(50 * 250 / 150)
    assert shown.evaluation_left_sec() == pytest.approx(3 * 5)
    assert shown.remaining_sec() == pytest.approx(50 * 250 / 150 + 15)


def test_long_silence_is_no_evaluation(clock: list[float]) -> None:
    shown = Progress(train_frames={}, episodes=2, quiet=True)
    clock[0] += 10
    shown.episode_done()
    clock[0] += 5000
    shown.evaluating()
    assert shown.remaining_sec() == pytest.approx(10 + progress.SILENCE_SEC)


def test_training_has_an_estimate_long_before_the_first_episode(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with Progress(train_frames={"a": 8_000}, episodes=2) as shown:
        shown.trained("a", 0)
        clock[0] += 480
        shown.trained("a", 800)
        assert capsys.readouterr().err == (
            "training 800/8000 frames; evaluation 0/2 episodes; 8 min, about 1 h 12 min left for training\n"
        )
        clock[0] += 60
        shown.training_done("a")
        assert "left" not in capsys.readouterr().err
        clock[0] += progress.LINE_SEC
        shown.episode_done()
        assert capsys.readouterr().err.endswith("evaluation 1/2 episodes; 10 min, about 30 s left\n")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (99, "99 s"), (100, "2 min"), (3569, "59 min"), (3590, "1 h 0 min"), (4320, "1 h 12 min")],
)
def test_times_are_for_people(seconds: float, text: str) -> None:
    assert progress.span(seconds) == text


def test_bars_start_evaluation_when_it_starts(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: True, raising=False)
    with Progress(train_frames={"a": 10}, episodes=2) as shown:
        shown.trained("a", 5)
        evaluation = shown._bars.tasks[1]
        assert not evaluation.started
        clock[0] += 1
        shown.training_done("a")
        assert not evaluation.started
        clock[0] += 1
        shown.episode_done()
        assert evaluation.started


def test_lines_come_now_and_then_and_at_the_end(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(train_frames={}, episodes=3) as shown:
        shown.episode_done()
        assert capsys.readouterr().err == ""
        clock[0] += progress.LINE_SEC
        shown.episode_done()
        assert "evaluation 2/3 episodes" in capsys.readouterr().err
        shown.note("A worker died.")
    assert capsys.readouterr().err.startswith("A worker died.\nevaluation 2/3 episodes")
