"""The benchmark of all suites: its mean, that both loops do the same, and that it cannot wait for ever."""

from __future__ import annotations

import multiprocessing
import os
import time
from typing import Any

import gymnasium
import numpy as np
import pytest

from benchmarks import suites_fps
from harness.assets.store import AssetStore
from harness.registry import load_suite

STAND_INS = AssetStore([], allow_stand_ins=True)


def test_the_mean_follows_changes_and_forgets_outliers() -> None:
    assert suites_fps.steady_mean([3.0]) == 3.0
    assert suites_fps.steady_mean([1.0, 2.0] * 40) == pytest.approx(1.5)  # every other step is dearer
    assert suites_fps.steady_mean([5.0] * 20 + [1.0] * 60) == pytest.approx(2.0)  # the first ones are
    assert suites_fps.steady_mean(([1.0] * 18 + [90.0, 0.0]) * 5) == 1.0  # the machine did something else


@pytest.mark.render
@pytest.mark.filterwarnings("ignore:.*stand")
def test_both_loops_are_timed_and_uploads_counted() -> None:
    suite = load_suite("dmcgb2")
    ours, bare = suites_fps.measure(suite, "cartpole_swingup", "video_easy", STAND_INS, 60.0, max_steps=6)
    assert [len(ours.steps), len(bare.steps), len(bare.uploads)] == [6, 6, 6]
    assert len(ours.resets) == len(bare.resets) == suites_fps.NUM_RESETS
    assert bare.upload_per_step() == pytest.approx(np.median(bare.uploads))
    assert not ours.uploads
    assert ours.per_step(10) == pytest.approx(suites_fps.steady_mean(ours.steps) + np.median(ours.resets) / 10)


@pytest.mark.render
def test_a_bare_loop_that_does_something_else_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    step = suites_fps.Bare.step
    monkeypatch.setattr(suites_fps.Bare, "step", lambda self, action: step(self, -action))
    with pytest.raises(RuntimeError, match="another state"):
        suites_fps.measure(load_suite("video_easy"), "cartpole_swingup", "train", STAND_INS, 60.0, max_steps=2)


class DyingOrStuck(gymnasium.Env[Any, Any]):
    """Steps, but its bare loop ends the process or never comes back."""

    observation_space = action_space = gymnasium.spaces.Box(-1.0, 1.0, (1,))

    def __init__(self, dies: bool) -> None:
        self._dies = dies

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        return np.zeros(1, np.float32), 0.0, False, False, {}

    def bare_steps(self, num_steps: int) -> None:
        if self._dies:
            os._exit(1)
        time.sleep(600)


@pytest.mark.parametrize(
    ("dies", "errors"), [(True, (EOFError, ConnectionError)), (False, multiprocessing.TimeoutError)]
)
def test_a_worker_that_dies_or_hangs_ends_the_measurement(
    dies: bool, errors: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suites_fps, "BesideBare", lambda *args: DyingOrStuck(dies))
    monkeypatch.setattr(suites_fps, "STUCK_SEC", 60.0 if dies else 15.0)
    with pytest.raises(errors):
        suites_fps.measure_workers(load_suite("video_easy"), "cartpole_swingup", None, 1.0)
    assert not multiprocessing.active_children()
