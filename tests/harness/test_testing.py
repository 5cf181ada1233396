"""The dot task and the fake policies the other tests lean on."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from harness.agent import AgentContext, AgentSpec
from harness.assets.store import AssetStore
from harness.environment import PixelEnv, make_env
from harness.errors import UsageError
from harness.testing import BACKGROUND, NAN, RAISING, SEEKER, SLOW, SUITE, DotReach

STORE = AssetStore([], allow_stand_ins=True)


def make_world(task: str = "dot_reach", setting: str = "train") -> PixelEnv:
    return make_env(SUITE, task, setting, assets=STORE)


def make_policy(spec: AgentSpec, **settings: Any) -> Any:
    env = make_world()
    context = AgentContext("dot_reach", env.observation_space, env.action_space, 3, 2, 0, 0, "cpu", STORE)
    return spec.make(context, spec.config(**settings))


def play(env: PixelEnv, policy: Any, episode: int) -> tuple[float, dict[str, Any]]:
    observation, info = env.reset(seed=0, options={"episode": episode})
    total, over = 0.0, False
    while not over:
        action = policy.act(observation[None], explore=False)[0]
        observation, reward, terminated, truncated, info = env.step(action)
        assert 0.0 <= reward <= env._action_repeat
        total, over = total + reward, terminated or truncated
    return total, info


@pytest.mark.parametrize("task", SUITE.tasks)
def test_an_episode_depends_on_seed_and_number_alone(task: str) -> None:
    fresh, used = DotReach(task), DotReach(task)
    for _ in range(7):
        used.step(np.ones(2, np.float32))
    for simulation in (fresh, used):
        simulation.begin_episode(4, 2)
    assert np.array_equal(fresh.state(), used.state())
    assert np.array_equal(fresh.render(), used.render())
    fresh.begin_episode(4, 3)
    assert not np.array_equal(fresh.state(), used.state())


def test_the_picture_shows_dot_target_and_background() -> None:
    simulation = DotReach("dot_stay", 24)
    simulation.begin_episode(0, 0)
    picture = simulation.render()
    assert (picture.shape, picture.dtype) == ((24, 24, 3), np.uint8)
    assert tuple(picture[0, 0]) == BACKGROUND
    assert tuple(picture[12, 12]) == (230, 60, 40)
    for _ in range(5):
        simulation.step(np.array([1.0, 0.0], np.float32))
    rows, columns = np.nonzero(simulation.render()[..., 0] > 150)
    x, y = simulation.state()[:2]
    assert 0.64 < x < 0.86  # five steps of 0.05 to the right, and drift of at most 0.1
    assert (columns.mean() + 0.5) / 24 == pytest.approx(x, abs=0.02)
    assert (rows.mean() + 0.5) / 24 == pytest.approx(y, abs=0.02)


def test_the_shift_changes_pixels_and_nothing_else() -> None:
    plain, shifted = make_world(), make_world(setting="backdrop")
    first, _ = plain.reset(seed=0)
    second, info = shifted.reset(seed=0)
    assert not np.array_equal(first, second)
    assert len(info["shift"]["background"]) == 3
    for _ in range(5):
        action = np.array([0.5, -0.3], np.float32)
        assert plain.step(action)[1:4] == shifted.step(action)[1:4]
        assert np.array_equal(plain.simulation.state(), shifted.simulation.state())


@pytest.mark.parametrize("task", SUITE.tasks)
def test_the_seeker_reaches_and_noise_does_not(task: str) -> None:
    seeker = make_policy(SEEKER)
    found = [play(make_world(task), seeker, episode) for episode in range(5)]
    assert np.mean([total for total, _ in found]) > 40
    assert all(info["success"] and info["successes"]["ever_at_target"] for _, info in found)
    assert found[0][1]["num_frames"] == 50


def test_faults_come_in_their_episode_only() -> None:
    observation = make_world().reset(seed=0)[0][None]
    policies = {name: make_policy(spec, episode=2) for name, spec in {"raise": RAISING, "nan": NAN}.items()}
    slow = make_policy(SLOW, episode=2, delay_sec=0.05)
    for policy in (*policies.values(), slow):
        policy.begin_episode(phase="evaluation", seed=0, episode=1)
        assert np.array_equal(policy.act(observation, explore=False), np.zeros((1, 2), np.float32))
        policy.begin_episode(phase="evaluation", seed=0, episode=2)
    with pytest.raises(RuntimeError, match="told to fail"):
        policies["raise"].act(observation, explore=False)
    assert np.isnan(policies["nan"].act(observation, explore=False)).all()
    started = time.perf_counter()
    slow.act(observation, explore=False)
    assert time.perf_counter() - started >= 0.05


def test_unknown_tasks_are_refused() -> None:
    with pytest.raises(UsageError, match="Did you mean 'dot_stay'"):
        DotReach("dot_sty")
