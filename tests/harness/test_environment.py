"""The environment around any simulation: stacking, repeats, limits, episode numbers."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from typing import Any

import cloudpickle
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from harness.assets.store import AssetStore
from harness.environment import PixelEnv, make_env
from harness.errors import UsageError
from harness.simulation import Simulation, StepResult
from harness.spec import BoundShift
from harness.testing import STATE_SUITE, SUITE


class Counter(Simulation):
    """Draws the number of control steps so far as grey; rewards it; ends by itself if told to."""

    action_size = 1

    def __init__(self, ends_at: int = 10**9, cameras: int = 1, proprio: bool = False) -> None:
        self.count, self._ends_at, self.num_cameras, self._proprio = 0, ends_at, cameras, proprio

    def begin_episode(self, seed: int, episode: int) -> None:
        self.count = 0

    def step(self, action: np.ndarray) -> StepResult:
        self.count += 1
        return StepResult(float(self.count), self.count >= self._ends_at)

    def render(self) -> np.ndarray:
        return np.full((4, 4, 3 * self.num_cameras), self.count % 256, np.uint8)

    def state(self) -> np.ndarray:
        return np.array([float(self.count)])

    def proprioception(self) -> np.ndarray | None:
        return np.array([self.count], np.float32) if self._proprio else None


class Marker(BoundShift):
    """Writes the step number of each hook where a test can see it."""

    def __init__(self) -> None:
        self.control_steps: list[int] = []
        self.renders: list[int] = []

    def begin_episode(self, seed: int, episode: int) -> dict[str, int]:
        return {"mark": 10 * seed + episode}

    def after_control_step(self, count: int) -> None:
        self.control_steps.append(count)

    def before_render(self, step: int) -> None:
        self.renders.append(step)

    def after_render(self, pixels: np.ndarray, step: int) -> np.ndarray:
        pixels[0, 0] = 100 + step
        return pixels


def counting(repeat: int = 2, frames: int = 10, stack: int = 3, **changes: object) -> PixelEnv:
    return PixelEnv(
        Counter(**changes),  # type: ignore[arg-type]
        (),
        action_repeat=repeat,
        frame_stack=stack,
        image_size=4,
        episode_frames=frames,
    )


ACTION = np.zeros(1, np.float32)


def test_pictures_are_stacked_oldest_first_and_the_first_fills_the_stack() -> None:
    env = counting()
    observation, _ = env.reset(seed=0)
    assert observation[:, 0, 0].tolist() == [0] * 9
    for expected in ([0, 0, 0, 0, 0, 0, 2, 2, 2], [0, 0, 0, 2, 2, 2, 4, 4, 4], [2, 2, 2, 4, 4, 4, 6, 6, 6]):
        observation, *_ = env.step(ACTION)
        assert observation[:, 0, 0].tolist() == expected
    assert env.render()[0, 0].tolist() == [6, 6, 6]


def test_rewards_are_added_over_the_repeats() -> None:
    env = counting(repeat=3)
    env.reset(seed=0)
    assert env.step(ACTION)[1] == 1 + 2 + 3
    assert env.step(ACTION)[1] == 4 + 5 + 6


@pytest.mark.parametrize(("repeat", "frames"), [(1, 10), (2, 10), (4, 10), (3, 1000)])
def test_an_episode_has_as_many_steps_as_cover_its_frames(repeat: int, frames: int) -> None:
    env = counting(repeat=repeat, frames=frames)
    env.reset(seed=0)
    steps, over = 0, False
    while not over:
        _, _, terminated, truncated, info = env.step(ACTION)
        steps, over = steps + 1, terminated or truncated
    assert (steps, terminated, truncated) == (math.ceil(frames / repeat), False, True)
    assert info["num_frames"] == steps * repeat
    with pytest.raises(RuntimeError, match="over"):
        env.step(ACTION)


def test_a_true_end_is_terminated_and_stops_the_repeats() -> None:
    env = counting(repeat=4, frames=100, ends_at=6)
    env.reset(seed=0)
    env.step(ACTION)
    _, reward, terminated, truncated, info = env.step(ACTION)
    assert (reward, terminated, truncated, info["num_frames"]) == (5 + 6, True, False, 6)


def test_shifts_are_called_in_time() -> None:
    marker = Marker()
    env = PixelEnv(Counter(), (marker,), action_repeat=2, frame_stack=1, image_size=4, episode_frames=6)
    observation, info = env.reset(seed=7, options={"episode": 3})
    assert info["shift"] == {"mark": 73}
    assert observation[:, 0, 0].tolist() == [100] * 3
    for step in (1, 2, 3):
        observation, *_ = env.step(ACTION)
        assert observation[0, 0, 0] == 100 + step
        assert observation[0, 1, 1] == 2 * step
    assert marker.control_steps == [1, 2, 3, 4, 5, 6]
    assert marker.renders == [0, 1, 2, 3]


def test_episodes_are_numbered() -> None:
    env = counting()
    assert env.reset(seed=5)[1]["episode_number"] == 0
    assert env.reset()[1]["episode_number"] == 1
    assert env.reset(options={"episode": 7})[1]["episode_number"] == 7
    assert env.reset()[1]["episode_number"] == 8
    assert env.reset(seed=5)[1]["episode_number"] == 0
    with pytest.raises(UsageError, match="start at 0"):
        env.reset(options={"episode": -1})


@pytest.mark.parametrize("action", [np.zeros(2), np.array([np.nan]), 0.5])
def test_wrong_actions_are_refused(action: object) -> None:
    env = counting()
    env.reset(seed=0)
    with pytest.raises(ValueError, match="finite numbers"):
        env.step(action)  # type: ignore[arg-type]


def test_several_cameras_and_proprioception() -> None:
    env = counting(cameras=2, proprio=True, stack=3)
    observation, _ = env.reset(seed=0)
    assert env.observation_space["pixels"].shape == observation["pixels"].shape == (18, 4, 4)
    env.step(ACTION)
    observation, *_ = env.step(ACTION)
    assert observation["proprio"].tolist() == [4.0]
    assert env.render().shape == (4, 4, 3)


@pytest.mark.parametrize("setting", ["train", "backdrop"])
def test_gymnasium_accepts_it(setting: str) -> None:
    env = make_env(SUITE, "dot_stay", setting, assets=AssetStore([], allow_stand_ins=False))
    check_env(env, skip_render_check=True)


@pytest.mark.parametrize(
    ("task", "setting", "profile", "words"),
    [
        ("walk", "train", "standard", "task"),
        ("dot_stay", "trian", "standard", "'train'"),
        ("dot_stay", "train", "x", "profile"),
    ],
)
def test_names_that_do_not_exist(task: str, setting: str, profile: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        make_env(SUITE, task, setting, assets=AssetStore([], allow_stand_ins=False), profile=profile)


@pytest.mark.parametrize("options", [{"episod": 1}, {"episode": 1, "noise": 2}])
def test_an_unknown_option_of_reset_is_refused(options: dict[str, int]) -> None:
    env = counting()
    with pytest.raises(UsageError, match="Unknown option of reset"):
        env.reset(seed=0, options=options)


@pytest.mark.parametrize("number", [-1, 1.5, "2", True])
def test_an_episode_number_is_an_integer(number: object) -> None:
    with pytest.raises(UsageError, match="start at 0"):
        counting().reset(seed=0, options={"episode": number})


def made() -> PixelEnv:
    return make_env(SUITE, "dot_reach", "backdrop", assets=AssetStore([], allow_stand_ins=False))


def test_success_has_the_name_that_other_libraries_read() -> None:
    env = made()
    _, info = env.reset(seed=0)
    assert info["is_success"] is info["success"]
    *_, info = env.step(np.zeros(env.action_space.shape, np.float32))
    assert info["is_success"] is info["success"]
    assert "episode" not in info  # Gymnasium's own key, for statistics


@pytest.mark.parametrize("copied", [copy.deepcopy, copy.copy, lambda env: pickle.loads(pickle.dumps(env))])
def test_a_copy_is_a_twin_at_the_start_of_the_episode(copied: Callable[[PixelEnv], PixelEnv]) -> None:
    env = made()
    env.reset(seed=4)
    observation, _ = env.reset()
    env.step(np.ones(env.action_space.shape, np.float32))
    twin = copied(env)
    assert twin.simulation is not env.simulation
    np.testing.assert_array_equal(twin._observation(), observation)
    env.close()
    assert twin.reset()[1]["episode_number"] == 2
    assert copied(made())._episode == -1


@pytest.mark.parametrize("copied", [copy.deepcopy, copy.copy, pickle.dumps, cloudpickle.dumps])
def test_a_closed_environment_is_not_copied(copied: Callable[[PixelEnv], object]) -> None:
    env = made()
    env.reset(seed=0)
    env.close()
    with pytest.raises(RuntimeError, match="This environment is closed: make another one"):
        copied(env)


def test_a_copy_observes_what_the_environment_does() -> None:
    env = make_env(STATE_SUITE, "dot_reach", "train", assets=AssetStore([], allow_stand_ins=False), states=True)
    observation, _ = env.reset(seed=1)
    twin = copy.deepcopy(env)
    assert twin.observation_space == env.observation_space
    np.testing.assert_array_equal(twin._observation(), observation)


def test_an_environment_put_together_by_hand_is_not_copied() -> None:
    with pytest.raises(TypeError, match="make another one"):
        copy.deepcopy(counting())


def test_a_closed_environment_does_nothing_more() -> None:
    env = made()
    env.reset(seed=0)
    env.close()
    env.close()
    calls = (env.reset, lambda: env.step(np.zeros(env.action_space.shape, np.float32)), env.render)
    for call in calls:
        with pytest.raises(RuntimeError, match="This environment is closed: make another one"):
            call()


@pytest.mark.parametrize("wrong", [{"seed": 2**32}, {"seed": -1}, {"options": {"episode": 1_000_000}}])
def test_seeds_and_episodes_that_no_simulator_has_are_refused(wrong: dict[str, Any]) -> None:
    env = make_env(SUITE, "dot_stay", "train", assets=AssetStore([], allow_stand_ins=True))
    with pytest.raises(UsageError, match=r"goes from 0 to 4294967295|start at 0 and end at 999999"):
        env.reset(**wrong)
    env.reset(seed=2**32 - 1, options={"episode": 999_999})
