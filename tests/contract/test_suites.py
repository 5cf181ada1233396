"""The same checks over every suite, task and setting, with stand-ins for whatever third-party files they need.

Every task appears with at least one setting and every setting with at least one task; the other pairs are marked slow.
"""

from __future__ import annotations

import hashlib
import importlib
import subprocess
import sys
from collections.abc import Iterator
from typing import NamedTuple

import gymnasium
import numpy as np
import pytest
from _pytest.mark.structures import ParameterSet
from gymnasium.utils.env_checker import check_env

from harness.assets import AssetStore
from harness.environment import PixelEnv, make_env
from harness.errors import UsageError
from harness.registry import load_suite, suite_names
from harness.spec import Setting, Suite

ASSETS = AssetStore([], allow_stand_ins=True)
SUITES = [load_suite(name) for name in suite_names()]
NUM_STEPS = 2


def sampled(suite: Suite, task: str) -> list[Setting]:
    """The settings a task is checked in by default: shifted ones dealt out to the tasks in turn."""
    place, num_tasks = suite.tasks.index(task), len(suite.tasks)
    dealt = suite.settings[place::num_tasks]
    return list(dealt) or [suite.settings[place % len(suite.settings)]]


def checks() -> Iterator[ParameterSet]:
    """(suite, task, settings): the sample, and the rest as slow."""
    for suite in SUITES:
        for task in suite.tasks:
            chosen = sampled(suite, task)
            rest = [setting for setting in suite.settings if setting not in chosen]
            yield pytest.param(suite, task, chosen, id=f"{suite.name}-{task}")
            if rest:
                yield pytest.param(suite, task, rest, id=f"{suite.name}-{task}-rest", marks=pytest.mark.slow)


class Rollout(NamedTuple):
    """What an agent sees and what it does not: of the reset and of each step."""

    pixels: np.ndarray
    states: np.ndarray
    rewards: list[float]
    proprios: list[bytes]
    facts: dict

    def digest(self) -> str:
        parts = (self.pixels.tobytes(), self.states.tobytes(), repr(self.rewards).encode(), *self.proprios)
        return hashlib.sha256(b"".join(parts)).hexdigest()


def make(suite: Suite, task: str, setting: str) -> PixelEnv:
    return make_env(suite, task, setting, assets=ASSETS, profile="fast")


def roll_out(env: PixelEnv, seed: int, episode: int) -> Rollout:
    """A few steps with actions that depend on nothing else."""
    observation, info = env.reset(seed=seed, options={"episode": episode})
    seen, states, rewards = [observation], [env.simulation.state()], []
    random = np.random.RandomState(0)
    for _ in range(NUM_STEPS):
        action = random.uniform(-1, 1, env.action_space.shape).astype(np.float32)
        observation, reward, _, _, _ = env.step(action)
        seen.append(observation)
        states.append(env.simulation.state())
        rewards.append(reward)
    pixels = np.stack([o["pixels"] if isinstance(o, dict) else o for o in seen])
    proprios = [o["proprio"].tobytes() for o in seen if isinstance(o, dict)]
    return Rollout(pixels, np.stack(states), rewards, proprios, info["shift"])


def test_there_are_suites() -> None:
    assert {"video_easy", "video_hard", "color_easy", "color_hard"} <= set(suite_names())


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_declaration_is_sane(suite: Suite) -> None:
    assert suite.name in suite_names()
    assert suite.version >= 1
    assert suite.description
    assert suite.source
    assert len(set(suite.tasks)) == len(suite.tasks) > 0
    assert len(set(suite.all_tasks)) == len(suite.all_tasks)
    names = [setting.name for setting in suite.all_settings]
    assert len(set(names)) == len(names) > 1
    assert all(setting.shifts for setting in suite.settings)
    protocol = suite.protocol
    assert set(protocol.action_repeat) == set(protocol.train_frames) == set(suite.all_tasks)
    assert min([*protocol.action_repeat.values(), *protocol.train_frames.values()]) >= 1
    assert min(protocol.frame_stack, protocol.image_size, protocol.episode_frames, protocol.eval_episodes) >= 1
    assert protocol.metric in ("return", "success")
    assert importlib.util.find_spec(suite.domain) is not None
    with pytest.raises(UsageError, match="Unknown task"):
        suite.check_task("no_such_task")
    with pytest.raises(UsageError, match="Unknown setting"):
        suite.setting("no_such_setting")


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_the_sample_misses_no_task_and_no_setting(suite: Suite) -> None:
    chosen = [sampled(suite, task) for task in suite.tasks]
    assert all(chosen)
    assert {setting.name for settings in chosen for setting in settings} == {s.name for s in suite.settings}


@pytest.mark.render
@pytest.mark.parametrize(("suite", "task", "settings"), checks())
def test_episodes_depend_on_seed_and_number_alone_and_a_visual_shift_on_pixels_alone(
    suite: Suite, task: str, settings: list[Setting]
) -> None:
    train = None
    for setting in (suite.train, *settings):
        env = make(suite, task, setting.name)
        first, other = roll_out(env, 5, 1), roll_out(env, 6, 0)
        assert roll_out(env, 5, 1).digest() == first.digest()
        assert other.digest() != first.digest()
        check_shapes(env, suite, first)
        env.close()
        train = train or first
        if setting is suite.train:
            continue
        assert not np.array_equal(first.pixels, train.pixels), setting.name
        if not any(getattr(shift, "changes_shapes", False) for shift in setting.shifts):
            np.testing.assert_array_equal(first.states, train.states)
            assert first.rewards == train.rewards
            assert first.proprios == train.proprios


def check_shapes(env: PixelEnv, suite: Suite, rollout: Rollout) -> None:
    protocol = suite.protocol
    stack, size = protocol.frame_stack, protocol.image_size
    depth = 3 * env.simulation.num_cameras  # channels of one picture
    assert rollout.pixels.shape == (1 + NUM_STEPS, depth * stack, size, size)
    assert rollout.pixels.dtype == np.uint8
    assert rollout.states.dtype == np.float64
    assert all(isinstance(reward, float) for reward in rollout.rewards)
    first, second = rollout.pixels[0], rollout.pixels[1]
    for k in range(1, stack):  # the first picture fills the stack; then it slides, oldest first
        np.testing.assert_array_equal(first[depth * k : depth * k + depth], first[:depth])
    np.testing.assert_array_equal(second[: depth * (stack - 1)], first[depth:])
    newest = rollout.pixels[-1, -depth:]
    np.testing.assert_array_equal(env.render(), newest[:3].transpose(1, 2, 0))


@pytest.mark.render
@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_gymnasium_accepts_the_environment(suite: Suite) -> None:
    for setting in (suite.train, suite.settings[-1]):
        env = make(suite, suite.tasks[0], setting.name)
        check_env(env, skip_render_check=True)
        env.close()


@pytest.mark.render
@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_an_episode_is_truncated_at_its_length_and_a_new_one_follows(suite: Suite) -> None:
    task = suite.tasks[-1]
    repeat = suite.protocol.action_repeat[task]
    protocol = suite.protocol.replace(task, "episode_frames", 2 * repeat + 1)
    env = make_env(suite, task, suite.train, assets=ASSETS, profile="fast", protocol=protocol)
    action = np.zeros(env.action_space.shape, np.float32)
    for episode in range(2):
        _, info = env.reset(seed=3 if episode == 0 else None)
        assert info["episode"] == episode
        ends = [env.step(action)[2:4] for _ in range(3)]
        assert ends == [(False, False), (False, False), (False, True)]
        with pytest.raises(RuntimeError, match="reset"):
            env.step(action)
    env.close()


@pytest.mark.render
@pytest.mark.parametrize(
    ("name", "task", "setting"),
    [
        ("video_hard", "cartpole_swingup", "video_hard"),
        ("color_hard", "finger_spin", "color_hard"),
        ("dmcgb2", "ball_in_cup_catch", "rotate_shift_hard"),
        ("jaco_deformed", "lift_brick", "deformed_both"),
    ],
)
def test_another_process_gives_the_same_bytes(name: str, task: str, setting: str) -> None:
    env = make(load_suite(name), task, setting)
    here = roll_out(env, 9, 2).digest()
    env.close()
    code = (
        "from tests.contract.test_suites import *\n"
        f"env = make(load_suite('{name}'), '{task}', '{setting}')\n"
        "roll_out(env, 0, 0)\n"  # what ran before does not matter
        "print(roll_out(env, 9, 2).digest())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == here


@pytest.mark.render
def test_renderers_of_all_simulator_families_share_a_process() -> None:
    """dm_control's own renderer and Gymnasium's would turn each other's pictures black; ours may be interleaved."""
    from harness.rendering import OffscreenRenderer

    ours = make(load_suite("video_easy"), "walker_walk", "video_easy")
    expected = roll_out(ours, 1, 0).digest()
    scenes = [metaworld_scene(), adroit_scene()]
    alone = [draw_once(*scene) for scene in scenes]
    assert all(picture.std() > 5.0 for picture in alone)
    renderers = [OffscreenRenderer(scene[0], 84) for scene in scenes]
    for _ in range(2):
        for renderer, (_, data, camera), picture in zip(renderers, scenes, alone, strict=True):
            np.testing.assert_array_equal(renderer.draw(data, camera), picture)
            assert roll_out(ours, 1, 0).digest() == expected
    for closable in (*renderers, ours):
        closable.close()


def draw_once(model, data, camera) -> np.ndarray:
    from harness.rendering import OffscreenRenderer

    renderer = OffscreenRenderer(model, 84)
    picture = renderer.draw(data, camera)
    renderer.close()
    return picture


def metaworld_scene() -> tuple:
    """A drawer: model, data, camera."""
    import metaworld

    benchmark = metaworld.MT1("drawer-close-v3", seed=0)
    env = benchmark.train_classes["drawer-close-v3"]()
    env.set_task(benchmark.train_tasks[0])
    env.reset()
    return env.model, env.data, "corner"


def adroit_scene() -> tuple:
    """A door: model, data, camera."""
    import gymnasium_robotics

    gymnasium.register_envs(gymnasium_robotics)
    env = gymnasium.make("AdroitHandDoor-v1").unwrapped
    env.reset(seed=0)
    return env.model, env.data, -1
