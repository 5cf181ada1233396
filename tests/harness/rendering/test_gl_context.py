"""Environments in threads and in forked processes: the right pictures, or one sentence; never a hang."""

from __future__ import annotations

import gc
import hashlib
import subprocess
import sys
import threading
from typing import Any

import mujoco
import numpy as np
import pytest

from harness import environment
from harness.api import make_env
from harness.assets.store import AssetStore
from harness.environment import PixelEnv
from harness.errors import WorkError
from harness.registry import load_suite
from harness.rendering import gl_context
from tests.prompt import AT_ONCE

pytestmark = pytest.mark.render

WALKER = ("color_hard", "walker_walk", "train")
DOOR = ("adroit_distractors", "door", "train")


def pictures(env: PixelEnv, num_steps: int) -> str:
    """A digest of an episode's pictures."""
    digest = hashlib.sha256()
    observation, _ = env.reset(seed=1, options={"episode": 0})
    for step in range(num_steps + 1):
        if step:
            observation, *_ = env.step(np.full(env.action_space.shape, 0.3, np.float32))
        pixels = observation["pixels"] if isinstance(observation, dict) else observation
        digest.update(np.ascontiguousarray(pixels).tobytes())
    return digest.hexdigest()


def in_threads(*works: tuple[PixelEnv, int]) -> list[str]:
    """`pictures` of each, in a thread of its own, at the same time."""
    found: dict[int, str] = {}

    def run(number: int) -> None:
        found[number] = pictures(*works[number])

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [found[number] for number in range(len(works))]


def test_an_environment_may_be_used_in_another_thread_than_it_was_made_in() -> None:
    env = make_env(*WALKER, profile="fast")
    alone = pictures(env, 5)
    assert in_threads((env, 5)) == [alone]
    assert pictures(env, 5) == alone
    closing = threading.Thread(target=env.close)
    closing.start()
    closing.join()


def test_two_simulators_draw_in_two_threads_at_once() -> None:
    envs = [make_env(*WALKER, profile="fast"), make_env(*DOOR, profile="fast")]
    works = list(zip(envs, (60, 12), strict=True))
    alone = [pictures(*work) for work in works]
    assert in_threads(*works) == alone
    for env in envs:
        env.close()


def test_one_that_nobody_closed_may_be_collected_while_another_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    env, left = make_env(*WALKER, profile="fast"), make_env(*WALKER, profile="fast")
    alone = pictures(env, 5)
    pictures(left, 1)
    left.itself = left  # type: ignore[attr-defined] (goes when the collector runs, not when nobody names it)
    renderer = left.simulation._renderer  # type: ignore[attr-defined]
    frees = renderer._free
    read = mujoco.mjr_readPixels

    def collect_and_read(*arguments: Any) -> None:
        gc.collect()
        read(*arguments)

    monkeypatch.setattr(mujoco.renderer._render, "mjr_readPixels", collect_and_read)
    del left, renderer
    assert frees.alive
    assert pictures(env, 5) == alone
    assert not frees.alive  # what it had in GL is freed
    env.close()


BESIDE = """
import gymnasium
import numpy as np
from dm_control import suite
from harness.api import make_env

def draw():
    env = make_env("color_hard", "walker_walk", "train", profile="fast")
    observation, _ = env.reset(seed=1)
    env.close()
    return observation

physics = suite.load("cheetah", "run", task_kwargs={"random": 1}).physics
pendulum = gymnasium.make("InvertedPendulum-v5", render_mode="rgb_array")
pendulum.reset(seed=1)
others = [lambda: physics.render(48, 48, camera_id=0), pendulum.render]
ours = draw()
for other in others:
    alone = other()
    assert (draw() == ours).all()
    assert (other() == alone).all()
    assert (draw() == ours).all()
print("equal")
"""


def test_other_libraries_draw_beside_it_in_the_same_thread() -> None:
    """They believe that their context is still current."""
    done = subprocess.run([sys.executable, "-c", BESIDE], capture_output=True, text=True, timeout=120)
    assert done.stdout == "equal\n", done.stderr


FORKING = """
import os, sys, time
os.environ["MUJOCO_GL"] = "egl"
import gymnasium
import harness
import numpy as np

def make():
    return gymnasium.make("harness/color_hard-cartpole_swingup-train-v%d" % VERSION, profile="fast")

from harness.registry import load_suite
VERSION = load_suite("color_hard").version
if "{before}" == "another library":
    from dm_control import suite
    suite.load("cheetah", "run").physics.render(48, 48, camera_id=0)
elif "{before}" != "nothing":
    env = make()
    env.reset(seed=0)
    if "{before}" == "closed":
        env.close()
vector = gymnasium.vector.AsyncVectorEnv([make, make], context="fork")
started = time.monotonic()
try:
    observations, _ = vector.reset(seed=3)
    print("drew", observations.shape, int(observations.max()) > 0)
except Exception as error:
    print(type(error).__name__, error)
print("seconds", time.monotonic() - started, file=sys.stderr)
vector.close(terminate=True)
"""


@pytest.mark.parametrize("before", ["nothing", "open", "closed", "another library"])
def test_a_forked_process_draws_or_says_why_it_cannot(before: str) -> None:
    code = FORKING.replace("{before}", before)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    if before == "nothing":
        assert done.stdout.startswith("drew (2, 9, 84, 84) True"), done.stdout + done.stderr
    else:
        assert "spawn" in done.stdout, done.stdout + done.stderr
        assert done.stdout.count("\n") == 1
        assert float(done.stderr.rpartition("seconds")[2].split()[0]) < AT_ONCE


def test_a_forked_process_is_refused_before_an_episode_is_made_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beginning one may decode a video; without pictures it may go on."""
    env, store = make_env(*WALKER), AssetStore([], allow_stand_ins=False)
    blind = environment.make_env(load_suite(WALKER[0]), *WALKER[1:], assets=store, draw=False)
    monkeypatch.setattr(gl_context, "_forked", True)
    before = env.simulation.state()
    with pytest.raises(WorkError, match="start it with spawn"):
        env.reset(seed=7)
    np.testing.assert_array_equal(env.simulation.state(), before)
    observation, _ = blind.reset(seed=7)
    assert not observation.any()
    assert (env.simulation.state() != blind.simulation.state()).any()
