"""Gymnasium's own vector environments, wrappers and modes of autoreset, over the end of an episode."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers import RecordEpisodeStatistics, RecordVideo
from gymnasium.wrappers.vector import RecordEpisodeStatistics as VectorStatistics

import harness  # noqa: F401 (registers the ids)
from harness.registry import load_suite

pytestmark = [pytest.mark.render, pytest.mark.filterwarnings("ignore")]
NAME = f"harness/color_hard-cartpole_swingup-train-v{load_suite('color_hard').version}"
SHORT = {"profile": "fast", "episode_frames": 20, "image_size": 48}
STEPS = 10


def vector(kind: str, mode: AutoresetMode, num_envs: int = 2) -> Any:
    arguments: dict[str, Any] = {"autoreset_mode": mode}
    if kind == "async":
        arguments["context"] = "spawn"
    return gymnasium.make_vec(NAME, num_envs=num_envs, vectorization_mode=kind, vector_kwargs=arguments, **SHORT)


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_autoreset(kind: str, mode: AutoresetMode) -> None:
    envs = vector(kind, mode)
    first, info = envs.reset(seed=[4, 5])
    assert info["episode_number"].tolist() == [0, 0]
    zero = np.zeros(envs.action_space.shape, np.float32)
    for _ in range(STEPS):
        last, _, terminated, truncated, info = envs.step(zero)
    assert truncated.all()
    assert not terminated.any()
    if mode is AutoresetMode.SAME_STEP:
        assert info["episode_number"].tolist() == [1, 1]
        assert (info["final_obs"][0] != last[0]).any()
    elif mode is AutoresetMode.NEXT_STEP:
        *_, info = envs.step(zero)
        assert info["episode_number"].tolist() == [1, 1]
    else:
        _, info = envs.reset(options={"reset_mask": np.array([True, True])})
        assert info["episode_number"].tolist() == [1, 1]
    assert first.shape == (2, 9, 48, 48)
    envs.close()


def test_statistics() -> None:
    env = RecordEpisodeStatistics(gymnasium.make(NAME, **SHORT))
    env.reset(seed=0)
    for _ in range(STEPS):
        *_, info = env.step(np.zeros(1, np.float32))
    assert info["episode"]["l"] == STEPS
    env.close()
    envs = VectorStatistics(vector("sync", AutoresetMode.NEXT_STEP))
    envs.reset(seed=0)
    for _ in range(STEPS):
        *_, info = envs.step(np.zeros((2, 1), np.float32))
    assert info["episode"]["l"].tolist() == [STEPS, STEPS]
    envs.close()


def test_video(tmp_path: Path) -> None:
    pytest.importorskip("moviepy", reason="RecordVideo needs moviepy: tox -e clients")
    env = RecordVideo(
        gymnasium.make(NAME, render_mode="rgb_array", **SHORT), str(tmp_path), episode_trigger=lambda _: True
    )
    env.reset(seed=0)
    for _ in range(STEPS):
        env.step(np.zeros(1, np.float32))
    env.close()
    assert [path.suffix for path in tmp_path.iterdir()] == [".mp4"]
