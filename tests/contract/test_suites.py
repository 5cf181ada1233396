"""The same checks over every suite, task and setting, with stand-ins for whatever third-party files they need.

Within one process a suite's own tasks are checked in all their settings; of those that run only where asked for, every
tenth is. Between processes, and where shifts are closed, every task and every setting appears at least once. All else
is marked exhaustive.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pytest
from _pytest.mark.structures import ParameterSet

from harness.assets.manifest import manifest
from harness.assets.store import AssetStore
from harness.environment import PixelEnv, make_env
from harness.errors import UsageError
from harness.registry import load_suite, suite_names
from harness.spec import Setting, Suite

ASSETS = AssetStore([], allow_stand_ins=True)
SUITES = [load_suite(name) for name in suite_names()]
NUM_STEPS = 2
ALL_ELSE = (pytest.mark.slow, pytest.mark.exhaustive)


def by_default(suite: Suite) -> list[str]:
    """The tasks that are checked without being asked for."""
    return [*suite.tasks, *suite.more_tasks[::10]]


def every_task() -> Iterator[ParameterSet]:
    """(suite, task)."""
    for suite in SUITES:
        for task in suite.all_tasks:
            marks = () if task in by_default(suite) else ALL_ELSE
            yield pytest.param(suite, task, id=f"{suite.name}-{task}", marks=marks)


def dealt(suite: Suite) -> list[tuple[str, str]]:
    """(task, setting) pairs in which every task and every setting appears, and few appear twice."""
    tasks, settings = by_default(suite), suite.all_settings
    count = max(len(tasks), len(settings))
    return [(tasks[i % len(tasks)], settings[i % len(settings)].name) for i in range(count)]


def pairs_of_every_suite() -> Iterator[ParameterSet]:
    """(suite, pairs of task and setting): those dealt out, and all else."""
    for suite in SUITES:
        yield pytest.param(suite, dealt(suite), id=suite.name)
        pairs = [(task, setting.name) for task in suite.all_tasks for setting in suite.all_settings]
        rest = [pair for pair in pairs if pair not in dealt(suite)]
        yield pytest.param(suite, rest, id=f"{suite.name}-rest", marks=ALL_ELSE)


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


def digests(suite: Suite, pairs: list[tuple[str, str]]) -> dict[str, str]:
    """What one episode of every (task, setting) is, in that order."""
    found = {}
    for task, setting in pairs:
        env = make(suite, task, setting)
        found[f"{task} {setting}"] = roll_out(env, 9, 2).digest()
        env.close()
    return found


def test_there_are_suites() -> None:
    assert {"video_easy", "video_hard", "color_easy", "color_hard"} <= set(suite_names())


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_what_is_dealt_misses_no_task_and_no_setting(suite: Suite) -> None:
    assert {task for task, _ in dealt(suite)} == set(by_default(suite)) >= set(suite.tasks)
    assert {setting for _, setting in dealt(suite)} == {setting.name for setting in suite.all_settings}


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
    assert set(suite.held_out) <= set(manifest())
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


@pytest.mark.render
@pytest.mark.parametrize(("suite", "task"), every_task())
def test_episodes_depend_on_seed_and_number_alone_and_a_visual_shift_on_pixels_alone(suite: Suite, task: str) -> None:
    """And the training picture is what it was, byte for byte, before and after every shift."""
    training = make(suite, task, "train")
    train = roll_out(training, 5, 1)
    check_episodes(training, suite, train)
    for setting in suite.settings:
        env = make(suite, task, setting.name)
        shifted = roll_out(env, 5, 1)
        check_episodes(env, suite, shifted)
        env.close()
        assert roll_out(training, 5, 1).digest() == train.digest(), setting.name
        if all(shift.changes_physics for shift in setting.shifts):
            np.testing.assert_array_equal(shifted.pixels[0], train.pixels[0], err_msg=setting.name)
        else:
            assert not np.array_equal(shifted.pixels, train.pixels), setting.name
        if setting.looks_alone:
            np.testing.assert_array_equal(shifted.states, train.states, err_msg=setting.name)
            assert shifted.rewards == train.rewards
            assert shifted.proprios == train.proprios
    training.close()
    again = make(suite, task, "train")
    assert roll_out(again, 5, 1).digest() == train.digest()
    again.close()


def of_looks_alone(suite: Suite) -> list[Setting]:
    """The settings without a change of shapes or masses."""
    return [setting for setting in suite.settings if setting.looks_alone]


def every_task_with_its_share_of_looks() -> Iterator[ParameterSet]:
    """(suite, task, settings): a suite's settings that change no shapes, dealt out to its tasks; and all else."""
    for suite in filter(of_looks_alone, SUITES):
        settings = of_looks_alone(suite)
        for number, task in enumerate(suite.tasks):
            share = settings[number % len(settings) :: len(suite.tasks)]
            yield pytest.param(suite, task, share, id=f"{suite.name}-{task}")
            if rest := [setting for setting in settings if setting not in share]:
                yield pytest.param(suite, task, rest, id=f"{suite.name}-{task}-rest", marks=ALL_ELSE)


@pytest.mark.render
@pytest.mark.parametrize(("suite", "task", "settings"), every_task_with_its_share_of_looks())
def test_a_shift_that_is_closed_leaves_the_training_picture(suite: Suite, task: str, settings: list[Setting]) -> None:
    """Of the state as it is, after another step, and in another episode, byte for byte."""
    training = make(suite, task, "train")
    for setting in settings:
        env = make(suite, task, setting.name)
        roll_out(training, 5, 1)
        roll_out(env, 5, 1)
        here, there = training.simulation, env.simulation
        assert not np.array_equal(training._stack[-1], env._stack[-1]), setting.name
        for shift in reversed(env._shifts):
            shift.close()
        pictures = [there.render()]
        expected = [here.render()]
        for simulation, seen in ((here, expected), (there, pictures)):
            simulation.step(np.full(simulation.action_size, 0.5, np.float32))
            seen.append(simulation.render())
            simulation.begin_episode(6, 0)
            seen.append(simulation.render())
        np.testing.assert_array_equal(pictures, expected, err_msg=setting.name)
        there.close()
    training.close()


def check_episodes(env: PixelEnv, suite: Suite, rollout: Rollout) -> None:
    """Episode 1 of seed 5 was `rollout` and is so again after another one; shapes and the stack are right."""
    check_shapes(env, suite, rollout)
    assert roll_out(env, 6, 0).digest() != rollout.digest()
    assert roll_out(env, 5, 1).digest() == rollout.digest()


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
def test_an_episode_is_truncated_at_its_length_and_a_new_one_follows(suite: Suite) -> None:
    task = suite.tasks[-1]
    repeat = suite.protocol.action_repeat[task]
    protocol = suite.protocol.replace(task, "episode_frames", 2 * repeat + 1)
    env = make_env(suite, task, suite.train, assets=ASSETS, profile="fast", protocol=protocol)
    action = np.zeros(env.action_space.shape, np.float32)
    for episode in range(2):
        _, info = env.reset(seed=3 if episode == 0 else None)
        assert info["episode_number"] == episode
        ends = [env.step(action)[2:4] for _ in range(3)]
        assert ends == [(False, False), (False, False), (False, True)]
        with pytest.raises(RuntimeError, match="reset"):
            env.step(action)
    env.close()
    for call in (env.reset, lambda: env.step(action), env.render):  # or it would go on with other pictures
        with pytest.raises(RuntimeError, match="This environment is closed"):
            call()
    env.close()


@pytest.mark.render
@pytest.mark.parametrize(("suite", "pairs"), pairs_of_every_suite())
def test_another_process_gives_the_same_bytes(suite: Suite, pairs: list[tuple[str, str]]) -> None:
    """Though it goes through the environments the other way round."""
    code = (
        "import json\n"
        "from tests.contract.test_suites import digests, load_suite\n"
        f"print(json.dumps(digests(load_suite('{suite.name}'), {pairs[::-1]})))\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as other:
        here = digests(suite, pairs)
        there, _ = other.communicate()
    assert other.returncode == 0
    assert json.loads(there.splitlines()[-1]) == here
    assert len(here) == len(set(here.values())) == len(pairs)


# One task of every family of simulators, in its training setting, and DMControl's and Adroit's busiest shift besides.
FAMILIES = (
    ("dmcgb2", "walker_walk", "color_video_hard"),
    ("video_easy", "cheetah_run", "train"),
    ("jaco_deformed", "lift_brick", "train"),
    ("metaworld_visual", "push", "train"),
    ("drawerworld", "drawer_open", "train"),
    ("adroit_distractors", "relocate", "train"),
    ("adroit_vigen", "hammer", "background_video_hard"),
)


@pytest.mark.render
def test_all_simulator_families_draw_the_right_pixels_in_turn() -> None:
    """dm_control's own renderer and Gymnasium's would turn each other's pictures black; ours may be interleaved."""
    alone = {}
    for name, task, setting in FAMILIES:
        env = make(load_suite(name), task, setting)
        rollout = roll_out(env, 1, 0)
        assert rollout.pixels.std() > 5.0
        alone[name] = rollout.digest()
        env.close()
    together = {name: make(load_suite(name), task, setting) for name, task, setting in FAMILIES}
    for names in (alone, reversed(alone)):
        for name in names:
            assert roll_out(together[name], 1, 0).digest() == alone[name], name
    check_steps_in_turn(together, alone)
    for env in together.values():
        env.close()


def check_steps_in_turn(envs: dict[str, PixelEnv], expected: dict[str, str]) -> None:
    """Every environment takes a step before any takes the next."""
    actions = {name: np.random.RandomState(0) for name in envs}
    history: dict[str, list] = {name: [env.reset(seed=1, options={"episode": 0})[0]] for name, env in envs.items()}
    states = {name: [env.simulation.state()] for name, env in envs.items()}
    rewards: dict[str, list[float]] = {name: [] for name in envs}
    for _ in range(NUM_STEPS):
        for name, env in envs.items():
            action = actions[name].uniform(-1, 1, env.action_space.shape).astype(np.float32)
            observation, reward, *_ = env.step(action)
            history[name].append(observation)
            states[name].append(env.simulation.state())
            rewards[name].append(reward)
    for name, seen in history.items():
        pixels = np.stack([o["pixels"] if isinstance(o, dict) else o for o in seen])
        proprios = [o["proprio"].tobytes() for o in seen if isinstance(o, dict)]
        assert Rollout(pixels, np.stack(states[name]), rewards[name], proprios, {}).digest() == expected[name], name
