"""Training from whole episodes: the same bits however many collect, and wherever it was killed."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from harness.baselines import rrl
from harness.baselines.learners.rrl import RRL
from harness.demos import Demo
from harness.environment import PixelEnv
from harness.errors import MissingAssetError, UsageError
from harness.running import jobs
from harness.running.jobs import CollectJob
from harness.running.plan import RunOptions
from harness.running.planning import make_plan
from harness.running.run import execute
from harness.running.world import World
from tests.baselines.world import make_context
from tests.campaigns.folders import differences, snapshot

SUITE = "harness.testing:STATE_SUITE"
DYING = "tests.harness.running.dying"
SMALL = ("episodes_per_update=6", "num_demos=3", "clone_epochs=2", "clone_batch_size=16", "value_batch_size=16")
SETTINGS = ("episodes_per_update=6", "num_demos=0", "clone_epochs=0")


def options(runs: Path, **changes: Any) -> RunOptions:
    made: dict[str, Any] = {
        "suite": SUITE,
        "agent": "npg",
        "tasks": ("dot_reach",),
        "frames": 900,
        "episodes": 2,
        "device": "cpu",
        "settings": SETTINGS,
        "runs": runs,
    }
    return RunOptions(**{**made, **changes})


def trained(folder: Path) -> tuple[dict[str, np.ndarray], list[dict[str, Any]]]:
    """Parameters of the policy, and the log without times."""
    (policy,) = folder.rglob("policy/policy.safetensors")
    (log,) = folder.rglob("train.jsonl")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    return load_file(policy), [{k: v for k, v in line.items() if k != "elapsed_sec"} for line in lines]


def same(first: tuple[Any, Any], second: tuple[Any, Any]) -> None:
    assert first[0].keys() == second[0].keys()
    for name, array in first[0].items():
        np.testing.assert_array_equal(array, second[0][name])
    assert first[1] == second[1]


@pytest.mark.parametrize(("frames", "updates"), [(300, 1), (599, 1), (600, 2), (899, 2)])
def test_a_budget_is_not_overrun(frames: int, updates: int, tmp_path: Path) -> None:
    """An update takes six whole episodes of 50 frames: what does not fit is left."""
    execute(make_plan(options(tmp_path, frames=frames, episodes=1)), quiet=True)
    assert [line["num_frames"] for line in trained(tmp_path)[1]] == [300 * (number + 1) for number in range(updates)]


def test_where_it_computes_is_said_as_it_is_and_all_cores_collect() -> None:
    """NPG on states has nothing to do on a card, whatever there is; its learner waits while episodes are collected."""
    plan = make_plan(options(Path("runs"), device="auto"))
    assert plan.device == "cpu"
    assert plan.workers == len(os.sched_getaffinity(0))
    assert make_plan(options(Path("runs"), workers=1)).workers == 1


def test_a_worker_makes_what_it_collects_with_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every job brings a copy of the world of its own, as it comes out of a pipe."""
    plan = make_plan(options(tmp_path))
    world = World(plan.suite_name, (), plan.agent_name, plan.tasks[0], 0, plan.store, {}, "cpu", "standard")
    real, made = World.make_env, []

    def make_env(self: World, setting: str) -> PixelEnv:
        made.append(real(self, setting))
        return made[-1]

    world.make_agent(real(world, "train")).save_policy(tmp_path)
    monkeypatch.setattr(World, "make_env", make_env)
    collector = jobs._Collector()
    for seed in (0, 0, 1, 1):
        job = CollectJob(pickle.loads(pickle.dumps(replace(world, seed=seed))), tmp_path, (0,))
        env, agent = collector.ready(job)
        assert (env, agent.context.seed) == (made[-1], seed)
    assert len(made) == 2
    with pytest.raises(RuntimeError, match="closed"):
        made[0].reset()


def test_any_number_of_workers_collects_the_same_episodes(tmp_path: Path) -> None:
    for workers in (1, 2, 4):
        plan = make_plan(options(tmp_path / str(workers), workers=workers))
        rows = execute(plan, quiet=True)
        assert len(rows.rows("dot_reach", "train", 0)) == 2
    found = [trained(tmp_path / str(workers)) for workers in (1, 2, 4)]
    assert len(found[0][1]) == 3  # three updates of six episodes of 25 steps of two frames
    same(found[0], found[1])
    same(found[0], found[2])


def test_a_training_killed_in_every_phase_ends_as_if_nothing_had_happened(tmp_path: Path) -> None:
    """By SIGKILL of the command and its workers while it clones, collects, and is between policy and value network."""
    command = [sys.executable, "-m", "harness", "run", "--suite", f"{DYING}:SUITE", "--agent", f"{DYING}:AGENT"]
    command += ["--task", "dot_reach", "--frames", "720", "--episodes", "2", "--device", "cpu", "--quiet"]
    command += ["--checkpoint-sec", "0", "--no-replay", *(part for each in SMALL for part in ("--set", each))]
    command += ["--workers", "2", "--runs", str(tmp_path / "runs")]
    for phase, done in (("cloning", 0), ("sampling", 1), ("the second update", 1)):
        killed = run(command, {"DIE_IN": phase})
        assert killed.returncode == -signal.SIGKILL, f"{phase}: {killed.stderr}"
        logs = [log.read_text() for log in tmp_path.rglob("train.jsonl")]
        assert "".join(logs).count("return_mean") == done, phase
    found = []
    for _ in ("after the kills", "without any"):
        ended = run(command, {})
        assert ended.returncode == 0, ended.stderr
        found.append(snapshot(tmp_path / "runs"))
        shutil.rmtree(tmp_path / "runs")
    assert any(name.endswith("policy.safetensors") for name in found[0])
    assert differences(*found) == []


def run(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, start_new_session=True, check=False
    )


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"suite": "video_hard", "tasks": ("walker_walk",)}, UsageError, "acts on states"),
        ({"agent": "dapg", "settings": ("episodes_per_update=6",)}, UsageError, "nothing demonstrates"),
        (
            {"suite": "adroit_distractors", "agent": "dapg", "tasks": ("pen",), "settings": ("demo_source=human",)},
            UsageError,
            "there is: expert",
        ),
        (
            {"suite": "adroit_distractors", "agent": "dapg", "tasks": ("door",), "settings": ()},
            MissingAssetError,
            "adroit_expert_door",
        ),
        ({"settings": ("episodes_per_update=0",)}, UsageError, "episodes_per_update"),
    ],
)
def test_wrong_input_is_refused_before_any_work(
    changes: dict[str, Any], error: type[Exception], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HARNESS_ASSETS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(error, match=words):
        make_plan(options(tmp_path / "runs", **changes))
    assert not (tmp_path / "runs").exists()


def test_a_long_time_with_demonstrations_shows_signs_of_life(tmp_path: Path) -> None:
    """Thousands of pictures go through a large network before the first episode: silence would be taken for a fault."""
    told: list[str] = []
    context = make_context(task="door", image_size=32, frame_stack=1)
    config = rrl.Config(encoder="tests.baselines.nn.own_encoders:means", proprioception=False)
    agent = RRL(replace(context, alive=lambda: told.append("encoded")), config)
    pictures = np.zeros((5, 3, 32, 32), np.uint8)
    demo = Demo(np.zeros((4, 2), np.float32), np.zeros(4), False, pictures, None, None)
    (features,) = agent.demo_features([demo])  # type: ignore[arg-type]
    assert (len(features), len(told)) == (4, 4)
