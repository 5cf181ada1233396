"""Every suite x task x setting as a Gymnasium environment: named, checked by Gymnasium, in its worker processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from _pytest.mark.structures import ParameterSet
from gymnasium.utils.env_checker import check_env

import harness  # noqa: F401 (registers the ids)
from harness.errors import UsageError
from harness.registry import load_suite, suite_names
from harness.spec import Setting, Suite

SUITES = [load_suite(name) for name in suite_names()]
NUM_ENVS = 2
NUM_STEPS = 3


@pytest.fixture(autouse=True)
def stand_ins_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No third-party files, whether or not this machine has them."""
    monkeypatch.delenv("HARNESS_ASSETS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def gym_id(suite: Suite, task: str, setting: Setting) -> str:
    return f"harness/{suite.name}-{task}-{setting.name}-v{suite.version}"


def checked_tasks() -> Iterator[ParameterSet]:
    """(suite, task, settings): one task per suite in all settings, the others in training; all else is exhaustive."""
    all_else = (pytest.mark.slow, pytest.mark.exhaustive)
    for suite in SUITES:
        first, train, every = suite.tasks[0], suite.all_settings[:1], suite.all_settings
        yield pytest.param(suite, first, every, id=f"{suite.name}-{first}")
        for task in suite.all_tasks[1:]:
            marks = () if task in suite.tasks else all_else
            yield pytest.param(suite, task, train, id=f"{suite.name}-{task}", marks=marks)
            yield pytest.param(suite, task, suite.settings, id=f"{suite.name}-{task}-shifted", marks=all_else)


def test_every_suite_task_and_setting_is_an_id() -> None:
    for suite in SUITES:
        for task in suite.all_tasks:
            for setting in suite.all_settings:
                assert gym_id(suite, task, setting) in gymnasium.registry
            short = f"harness/{suite.name}-{task}-v{suite.version}" in gymnasium.registry
            assert short == (len(suite.settings) == 1)


@pytest.mark.parametrize(
    ("imports", "prefix"),
    [("import gymnasium, harness", ""), ("import harness, gymnasium", ""), ("import gymnasium", "harness:")],
)
def test_other_libraries_make_environments_by_id(imports: str, prefix: str) -> None:
    code = f"""
{imports}
from gymnasium.envs.registration import _find_spec  # what gymnasium.make does first
spec = _find_spec("{prefix}harness/video_hard-walker_walk-v2")
print(spec.kwargs)
import sys
print([name for name in ("torch", "mujoco") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    expected = {"suite": "video_hard", "task": "walker_walk", "setting": "video_hard"}
    assert done.stdout.splitlines() == [str(expected), "[]"]


@pytest.mark.render
@pytest.mark.filterwarnings(
    "error::UserWarning",  # what Gymnasium would rather have otherwise
    "ignore:STAND-IN",
    "ignore:.*A Box observation space m..imum value is -?infinity",  # joint angles have no bounds of their own
)
@pytest.mark.parametrize(("suite", "task", "settings"), checked_tasks())
def test_gymnasium_accepts_the_environment(suite: Suite, task: str, settings: tuple[Setting, ...]) -> None:
    for setting in settings:
        env = gymnasium.make(gym_id(suite, task, setting), profile="fast")
        again = setting.name == "train" and task == suite.tasks[0]  # these two checks make two environments more
        check_env(env.unwrapped, skip_render_check=not again, skip_close_check=not again)
        env.close()


@pytest.mark.render
def test_the_render_mode_may_be_named() -> None:
    name = "harness/dmcgb2-cartpole_swingup-train-v1"
    env = gymnasium.make(name, profile="fast", render_mode="rgb_array")
    observation, _ = env.reset(seed=0)
    assert env.render_mode == "rgb_array"
    np.testing.assert_array_equal(env.render(), observation[-3:].transpose(1, 2, 0))
    env.close()
    with pytest.raises(UsageError, match="Unknown render mode 'human'"):
        gymnasium.make(name, render_mode="human")


def leaves(observation: Any) -> list[np.ndarray]:
    return list(observation.values()) if isinstance(observation, dict) else [observation]


@pytest.mark.render
@pytest.mark.filterwarnings("ignore:STAND-IN")
@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_worker_processes_give_what_single_environments_give(suite: Suite) -> None:
    name = gym_id(suite, suite.tasks[0], suite.settings[-1])
    envs = gymnasium.make_vec(
        name, num_envs=NUM_ENVS, vectorization_mode="async", vector_kwargs={"context": "spawn"}, profile="fast"
    )
    shape = (NUM_STEPS, *envs.action_space.shape)
    actions = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
    try:
        seen, rewards = [leaves(envs.reset(seed=3)[0])], []
        for action in actions:
            observations, reward, terminated, truncated, _ = envs.step(action)
            seen.append(leaves(observations))
            rewards.append(reward)
            assert not (terminated | truncated).any()
    finally:
        envs.close()
    assert (seen[0][0] != seen[-1][0]).any(axis=(1, 2, 3)).all()  # time passes in all of them
    single = gymnasium.make(name, profile="fast")
    for worker in range(NUM_ENVS):
        check_leaves(single.reset(seed=3 + worker)[0], seen[0], worker)
        for step, action in enumerate(actions):
            observation, reward, *_ = single.step(action[worker])
            check_leaves(observation, seen[1 + step], worker)
            assert reward == rewards[step][worker]
    single.close()


def check_leaves(observation: Any, batch: list[np.ndarray], worker: int) -> None:
    for one, many in zip(leaves(observation), batch, strict=True):
        assert (one.dtype, (NUM_ENVS, *one.shape)) == (many.dtype, many.shape)
        np.testing.assert_array_equal(one, many[worker])


@pytest.mark.parametrize(
    "first",
    [
        "import importlib.util; assert importlib.util.find_spec('gymnasium') is not None",
        "import importlib; importlib.import_module('importlib.util').find_spec('gymnasium.spaces')",
        "import threading, importlib.util as u; t = threading.Thread(target=u.find_spec, args=('gymnasium',)); "
        "t.start(); t.join()",
        "pass",
    ],
)
def test_looking_for_gymnasium_is_not_importing_it(first: str) -> None:
    """As TorchRL does: it probes for libraries before it imports them."""
    code = f"""
import harness
{first}
import gymnasium, sys
print(any(name.startswith("harness/") for name in gymnasium.registry))
print([type(finder).__name__ for finder in sys.meta_path if type(finder).__module__ == "harness"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["True", "[]"]


@pytest.mark.render
def test_numbers_of_the_protocol_and_shifts_are_arguments() -> None:
    name = f"harness/color_hard-cartpole_swingup-train-v{load_suite('color_hard').version}"
    plain = gymnasium.make(name, profile="fast")
    env = gymnasium.make(name, profile="fast", image_size=64, action_repeat=4, shift=["light=0.5", "camera_roll=20"])
    first, _ = plain.reset(seed=1)
    assert (plain.spec.max_episode_steps, env.spec.max_episode_steps) == (500, 250)
    observation, _ = env.reset(seed=1)
    assert observation.shape == (9, 64, 64)
    assert observation.mean() < 0.9 * first.mean()  # half the light, but for a sky that needs none
    steps = 0
    over = False
    while not over:
        *_, terminated, truncated, _ = env.step(env.action_space.sample())
        over, steps = terminated or truncated, steps + 1
    assert steps == 250
    for wrong, words in (
        ({"image_size": True}, "integer"),
        ({"shift": "lite=1"}, "light"),
    ):
        with pytest.raises(UsageError, match=words):
            gymnasium.make(name, **wrong)
    with pytest.raises(TypeError, match="unexpected keyword argument 'frameskip'"):
        gymnasium.make(name, frameskip=2)
