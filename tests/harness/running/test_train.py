"""The loop: order of calls, budgets, curves, checkpoints, logs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.agent import Transition
from harness.assets.store import AssetStore
from harness.environment import PixelEnv, make_env
from harness.errors import AgentError, CheckpointError
from harness.running import stopping
from harness.running.jobs import TrainJob
from harness.running.stopping import StoppedError
from harness.running.train import Trainer, TrainSpec
from harness.running.train_log import read_train_log
from harness.running.tries import Tries
from harness.running.workers import Job
from harness.testing import SUITE


class Diary:
    """An agent that writes down what happens to it."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.transitions: list[Transition] = []
        self.starts: list[dict[str, Any]] = []

    def begin_episode(self, **facts: Any) -> None:
        self.starts.append(facts)

    def act(self, observations: np.ndarray, *, explore: bool) -> np.ndarray:
        self.calls.append("explore" if explore else "measure")
        return np.full((1, 2), 0.5, np.float32)

    def update(self) -> Mapping[str, float]:
        self.calls.append("update")
        return {"loss": float(len(self.transitions))} if len(self.transitions) % 2 else {}

    def observe(self, transition: Transition) -> None:
        self.calls.append("observe")
        self.transitions.append(transition)

    def save(self, folder: Path) -> None:
        (folder / "agent.json").write_text(json.dumps(len(self.transitions)))

    def load(self, folder: Path) -> None:
        self.transitions = [None] * json.loads((folder / "agent.json").read_text())  # type: ignore[list-item]

    save_policy, load_policy = save, load


def dots() -> PixelEnv:
    return make_env(SUITE, "dot_reach", "train", assets=AssetStore([], allow_stand_ins=False))


def train(folder: Path, agent: Diary, **changes: Any) -> Trainer:
    spec = TrainSpec(**{"train_frames": 100, "seed": 5, "checkpoint_sec": 0.0, **changes})
    trainer = Trainer(agent, dots(), spec, folder, make_curve_env=dots)
    trainer.run()
    return trainer


def test_each_step_acts_updates_and_then_observes(tmp_path: Path) -> None:
    agent = Diary()
    counters = train(tmp_path, agent).counters
    assert agent.calls == ["explore", "update", "observe"] * 50
    assert (counters.num_frames, counters.num_steps, counters.num_episodes) == (100, 50, 2)
    assert agent.starts == [
        {"phase": "train", "seed": 5, "episode": 0},
        {"phase": "train", "seed": 5, "episode": 1},
    ]


def test_transitions_join_up_and_end_with_the_episode(tmp_path: Path) -> None:
    agent = Diary()
    train(tmp_path, agent)
    env = dots()
    observation, _ = env.reset(seed=5)
    for transition in agent.transitions[:25]:
        np.testing.assert_array_equal(transition.observation, observation)
        observation, reward, terminated, truncated, _ = env.step(transition.action)
        np.testing.assert_array_equal(transition.next_observation, observation)
        assert (transition.reward, transition.terminated, transition.truncated) == (reward, terminated, truncated)
    assert truncated


def test_the_budget_may_end_within_an_episode(tmp_path: Path) -> None:
    counters = train(tmp_path, Diary(), train_frames=61).counters
    assert (counters.num_frames, counters.num_steps, counters.num_episodes) == (62, 31, 2)


def test_curves_are_measured_at_their_distance_and_logged(tmp_path: Path) -> None:
    agent = Diary()
    train(tmp_path, agent, train_frames=300, curve_every_frames=100, curve_episodes=2, curve_seed=9)
    lines = [line for line in read_train_log(tmp_path / "train.jsonl") if "curve_returns" in line]
    assert [line["num_frames"] for line in lines] == [0, 100, 200, 300]
    assert {len(line["curve_returns"]) for line in lines} == {2}
    assert all(line["curve_success_rate"] in (0.0, 0.5, 1.0) for line in lines)
    assert agent.calls.count("measure") == 4 * 2 * 25
    curve = [start for start in agent.starts if start["phase"] == "curve"]
    assert curve == [{"phase": "curve", "seed": 9, "episode": episode} for episode in range(8)]


def test_a_resumed_curve_goes_on_along_its_stream(tmp_path: Path) -> None:
    curve = {"curve_every_frames": 100, "curve_episodes": 2, "curve_seed": 9}
    train(tmp_path / "whole", Diary(), train_frames=300, **curve)
    train(tmp_path / "halves", Diary(), train_frames=100, **curve)
    train(tmp_path / "halves", Diary(), train_frames=300, **curve)
    logs = [read_train_log(tmp_path / name / "train.jsonl") for name in ("whole", "halves")]
    whole, halves = ([line["curve_returns"] for line in log if "curve_returns" in line] for log in logs)
    assert whole == halves
    assert len({tuple(returns) for returns in whole}) == 4


def test_the_log_keeps_what_the_checkpoint_knows(tmp_path: Path) -> None:
    train(tmp_path, Diary(), train_frames=200)
    log = tmp_path / "train.jsonl"
    first = read_train_log(log)
    assert [line["num_frames"] for line in first] == [50, 100, 150, 200]
    with open(log, "a") as file:
        file.write(json.dumps({**first[-1], "num_frames": 250}) + "\n" + '{"num_frames": 3')  # beyond, and torn
    train(tmp_path, Diary(), train_frames=300)
    assert [line["num_frames"] for line in read_train_log(log)] == [50, 100, 150, 200, 250, 300]


def test_a_resume_goes_on_from_the_newest_checkpoint(tmp_path: Path) -> None:
    train(tmp_path, Diary(), train_frames=100)
    agent = Diary()
    counters = train(tmp_path, agent, train_frames=200).counters
    assert len(agent.transitions) == 100
    assert [start["episode"] for start in agent.starts] == [2, 3]
    assert counters.num_frames == 200
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["000000000200"]


def test_a_torn_checkpoint_is_ignored_and_a_damaged_one_named(tmp_path: Path) -> None:
    train(tmp_path, Diary(), train_frames=100)
    (tmp_path / "checkpoints" / ".000000000150.tmp").mkdir()
    train(tmp_path, Diary(), train_frames=150)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["000000000150"]
    (tmp_path / "checkpoints" / "000000000150" / "progress.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"000000000150/progress.json is damaged"):
        train(tmp_path, Diary(), train_frames=200)


class Preparing(Diary):
    """One that has five pieces to learn before its first step, and is asked to stop after each."""

    pieces = 0

    def start(self, demos: object) -> Mapping[str, float]:
        return {}

    def prepare(self) -> bool:
        self.pieces += 1
        stopping.ask()
        return self.pieces < 5

    def save(self, folder: Path) -> None:
        (folder / "agent.json").write_text(json.dumps(self.pieces))

    def load(self, folder: Path) -> None:
        self.pieces = json.loads((folder / "agent.json").read_text())


def test_long_preparations_stop_when_asked_and_each_try_is_progress(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As at a cluster's time limit: three tries without any would be given up, and its checkpoints share a name."""
    job, world = TrainJob(None, tmp_path, 1, {}, 0.0, 0, 0), []  # type: ignore[arg-type]
    monkeypatch.setattr(stopping, "_ASKED", world)
    tries = Tries(Job("", job))
    for piece in range(1, 5):
        world.clear()
        agent = Preparing()
        with pytest.raises(StoppedError):
            train(tmp_path, agent, checkpoint_sec=1000.0)
        assert (agent.pieces, agent.calls) == (piece, [])
        assert tries.goes_on()
        assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["000000000000"]
    assert [tries.goes_on(), tries.goes_on()] == [True, False]


@pytest.mark.parametrize("method", ["begin_episode", "act", "update", "observe"])
def test_an_agent_that_raises_is_named_with_the_place(tmp_path: Path, method: str) -> None:
    agent = Diary()

    def fail(*_: Any, **__: Any) -> None:
        raise KeyError("boom")

    setattr(agent, method, fail)
    with pytest.raises(AgentError) as caught:
        train(tmp_path, agent)
    where = "training, episode 0, step 0" if method == "begin_episode" else "training, episode 0, frame 0"
    assert str(caught.value) == f"The agent raised KeyError in {method}() ({where}): 'boom'"


def test_checkpoints_keep_their_distance(tmp_path: Path) -> None:
    train(tmp_path, Diary(), checkpoint_sec=3600)
    assert not (tmp_path / "checkpoints").exists()
