"""Stable-Baselines3 as it is: its checker, its learners, its evaluation, and its saved models measured by us."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest

import harness
from harness.registry import load_suite

sb3 = pytest.importorskip("stable_baselines3", reason="needs Stable-Baselines3: tox -e clients")
from stable_baselines3.common.env_checker import check_env  # noqa: E402
from stable_baselines3.common.env_util import make_vec_env  # noqa: E402
from stable_baselines3.common.evaluation import evaluate_policy  # noqa: E402

pytestmark = [pytest.mark.render, pytest.mark.filterwarnings("ignore")]
SHORT = {"profile": "fast", "episode_frames": 40, "image_size": 48}


def gym_id(suite: str, task: str, setting: str = "train") -> str:
    return f"harness/{suite}-{task}-{setting}-v{load_suite(suite).version}"


@pytest.mark.parametrize(
    ("suite", "task"),
    [("color_hard", "cartpole_swingup"), ("adroit_distractors", "pen"), ("metaworld_visual", "push")],
)
def test_the_checker_is_content(suite: str, task: str) -> None:
    env = gymnasium.make(gym_id(suite, task), **SHORT)
    check_env(env)
    env.close()


@pytest.mark.parametrize(
    ("suite", "task", "policy"),
    [("color_hard", "cartpole_swingup", "CnnPolicy"), ("adroit_distractors", "door", "MultiInputPolicy")],
)
def test_sac_learns_and_its_model_is_measured(suite: str, task: str, policy: str, tmp_path: Path) -> None:
    env = gymnasium.make(gym_id(suite, task), **SHORT)
    model = sb3.SAC(policy, env, buffer_size=400, learning_starts=50, batch_size=8, train_freq=4, seed=0, device="cpu")
    model.learn(total_timesteps=200)
    mean, _ = evaluate_policy(model, env, n_eval_episodes=2, warn=False)
    assert np.isfinite(mean)
    env.close()
    model.save(tmp_path / "model.zip")
    again = sb3.SAC.load(tmp_path / "model.zip", device="cpu")
    rows = harness.evaluate(
        harness.policies.from_sb3(again),
        suite,
        tasks=[task],
        settings=["train"],
        episodes=1,
        protocol={"episode_frames": 40, "image_size": 48},
        profile="fast",
    )
    assert np.isfinite(rows["episode_return"]).all()
    with pytest.raises(harness.errors.UsageError, match="from_sb3"):
        harness.evaluate(again, suite, tasks=[task])


def test_a_saved_model_is_an_agent_of_the_command_line(tmp_path: Path) -> None:
    env = gymnasium.make(gym_id("color_hard", "cartpole_swingup"), **SHORT)
    sb3.SAC("CnnPolicy", env, buffer_size=10, device="cpu").save(tmp_path / "model.zip")
    env.close()
    (tmp_path / "mine.py").write_text(
        "import harness\n"
        "import stable_baselines3\n"
        "model = stable_baselines3.SAC.load('model.zip', device='cpu')\n"
        "policy = harness.policies.from_sb3(model)\n"
    )
    command = [sys.executable, "-m", "harness", "run", "--suite", "color_hard", "--agent", "mine:policy"]
    command += ["--task", "cartpole_swingup", "--episodes", "1", "--profile", "fast", "--device", "cpu"]
    command += ["--set", "protocol.episode_frames=40", "--set", "protocol.image_size=48"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=dict(os.environ))
    assert done.returncode == 0, done.stderr
    assert "cartpole_swingup" in done.stdout


def test_its_vector_environments() -> None:
    envs = make_vec_env(gym_id("color_hard", "cartpole_swingup"), n_envs=2, env_kwargs=SHORT)
    envs.seed(3)
    observations = envs.reset()
    assert observations.shape == (2, 9, 48, 48)
    for _ in range(25):  # over the end of an episode
        _, _, dones, infos = envs.step(np.zeros((2, 1), np.float32))
        if dones.any():
            assert all("terminal_observation" in info and info["episode"]["l"] == 20 for info in infos)
    envs.close()
