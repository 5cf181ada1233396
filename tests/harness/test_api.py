"""Evaluating from Python gives the rows that the command gives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import harness
import harness.registry
from harness.errors import AgentError, UsageError
from harness.reports.filling import build_table, expected_from_rows
from harness.results.rows import COLUMNS
from harness.results.store import RowStore, load_rows
from harness.running.plan import RunOptions
from harness.running.planning import make_plan
from harness.running.run import execute
from harness.testing import SUITE
from tests.harness.learner import Recorder, told_by_setting


def right(observations: np.ndarray) -> np.ndarray:
    """Always the same action."""
    return np.tile(np.array([1.0, 0.25]), (len(observations), 1))


def test_a_function_is_evaluated_in_every_setting() -> None:
    frame = harness.evaluate(right, SUITE, episodes=2)
    assert tuple(frame.columns) == COLUMNS
    assert len(frame) == 2 * 2 * 2
    assert frame["episode_return"].between(0, 50).all()
    assert frame["train_seed"].isna().all()


def test_it_equals_what_the_command_measures(tmp_path: Path) -> None:
    options = RunOptions(
        suite="harness.testing:SUITE", agent="tests.harness.test_api:right", episodes=2, device="cpu", runs=tmp_path
    )
    ran = {(r.task, r.setting, r.episode): r.episode_return for r in execute(make_plan(options), quiet=True).rows()}
    here = harness.evaluate(right, SUITE, episodes=2)
    assert {r.train_seed for r in RowStore(next(tmp_path.glob("*/rows"))).rows()} == {None}  # one policy, as here
    assert set(here["eval_seed"]) == {42}
    assert ran == {(r.task, r.setting, r.episode): r.episode_return for r in here.itertuples()}


def test_a_policy_is_told_the_same_in_every_setting(tmp_path: Path) -> None:
    frame = harness.evaluate(Recorder(tmp_path / "log", 2), SUITE, episodes=2)
    settings = dict(zip(frame["first_pixels"], frame["setting"], strict=True))
    told = told_by_setting(tmp_path / "log", settings)
    facts = [{"phase": "evaluation", "seed": 42, "episode": episode} for _task in SUITE.tasks for episode in range(2)]
    assert told == {"train": facts, "backdrop": facts}


def test_tasks_and_settings_can_be_chosen() -> None:
    frame = harness.evaluate(right, SUITE, tasks=["dot_stay"], settings=["backdrop"], eval_seed=7)
    assert frame[["task", "setting", "eval_seed"]].to_numpy().tolist() == [["dot_stay", "backdrop", 7]]


def test_two_calls_share_cells_only_if_they_say_so() -> None:
    def hashes(**changes: object) -> set[str]:
        return set(harness.evaluate(right, SUITE, tasks="dot_stay", settings="train", **changes)["config_hash"])

    assert hashes() != hashes()
    assert hashes(identity="v1") == hashes(identity="v1") != hashes(identity="v2")


class Says:
    """Says what it is, and reads a file at every step."""

    def __init__(self, said: str = "v1", reads: Path | None = None) -> None:
        self.said, self.reads = said, reads

    def identity(self) -> str:
        return self.said

    def act(self, observations: np.ndarray, *, explore: bool) -> np.ndarray:
        return np.full((1, 2), float(self.reads.read_text()) if self.reads else 0.5)


def test_what_a_policy_says_of_itself_and_files_that_are_named_tell_it_from_others(tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    weights.write_text("1")

    def told(said: str, **changes: Any) -> str:
        (found,) = set(
            harness.evaluate(Says(said), SUITE, tasks="dot_stay", settings="train", **changes)["config_hash"]
        )
        return found

    first = told("v1", agent_files=weights)
    assert told("v1") == told("v1") != told("v2")
    assert told("v1", agent_files=[str(weights)]) == first != told("v1")
    assert told("v1", identity="mine") != told("v2", identity="mine")
    assert told("", identity="mine", agent_files=weights) != told("", identity="mine")
    weights.write_text("2")
    assert told("v1", agent_files=weights) != first
    for wrong, words in (
        ({"agent_files": "nowhere", "identity": "v1"}, "given by agent_files="),
        ({"agent_files": weights}, "goes with identity="),
    ):
        with pytest.raises(UsageError, match=words):
            harness.evaluate(right, SUITE, **wrong)  # type: ignore[arg-type]


def test_what_a_policy_reads_while_it_acts_belongs_to_what_is_saved(tmp_path: Path) -> None:
    weights, call = tmp_path / "weights", {"tasks": "dot_stay", "settings": "train", "save": tmp_path / "kept"}
    weights.write_text("0.5")
    rows = harness.evaluate(Says(reads=weights), SUITE, **call)  # type: ignore[arg-type]
    assert measured(harness.evaluate(Says(reads=weights), SUITE, **call)) == measured(rows)  # type: ignore[arg-type]
    assert "reads weights" in rows["notes"][0]
    weights.write_text("0.25")
    with pytest.raises(UsageError, match=r"weights, which its policy read, has changed since"):
        harness.evaluate(Says(reads=weights), SUITE, **call)  # type: ignore[arg-type]
    named = {**call, "save": tmp_path / "named", "agent_files": weights}
    assert set(harness.evaluate(Says(reads=weights), SUITE, **named)["notes"]) == {""}  # type: ignore[arg-type]


@pytest.mark.render
def test_stand_ins_are_not_used_in_silence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("HARNESS_ASSETS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    suite = harness.registry.load_suite("color_hard")
    protocol = replace(suite.protocol, episode_frames=4)
    still = lambda observations: np.zeros((1, 1))  # noqa: E731
    with pytest.warns(UserWarning, match="'color_hard' is absent"):
        harness.evaluate(still, replace(suite, protocol=protocol), tasks="cartpole_swingup", settings="color_hard")


@pytest.mark.parametrize(
    "wrong",
    [
        {"episodes": 0},
        {"workers": 0},
        {"eval_seed": -1},
        {"tasks": ["walk"]},
        {"settings": ["dark"]},
        {"tasks": []},
        {"episodes": 2.0},
        {"episodes": "2"},
        {"episodes": True},
        {"eval_seed": 1.5},
        {"workers": 1.5},
        {"name": None},
        {"name": "\udc80"},
        {"identity": 3},
        {"settings": ()},
    ],
)
def test_wrong_arguments(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        harness.evaluate(right, SUITE, **wrong)  # type: ignore[arg-type]


def test_numpy_s_integers_and_paths_are_taken(tmp_path: Path) -> None:
    call = {"tasks": "dot_stay", "settings": "train", "assets": tmp_path}
    rows = harness.evaluate(right, SUITE, episodes=np.int64(2), eval_seed=np.int32(7), **call)  # type: ignore[arg-type]
    assert rows["eval_seed"].tolist() == [7, 7]
    with pytest.raises(UsageError, match="suite is a suite or its name, not a NoneType"):
        harness.evaluate(right, None)  # type: ignore[arg-type]


def test_environments_are_made_by_name() -> None:
    env = harness.make_env(SUITE, "dot_stay", "backdrop")
    observation, _ = env.reset(seed=1)
    assert observation.shape == (9, 24, 24)


def test_there_is_nothing_else_in_the_package() -> None:
    with pytest.raises(AttributeError):
        harness.evalute  # noqa: B018


def test_numbers_of_the_protocol_and_more_settings_stand_in_the_rows() -> None:
    rows = harness.evaluate(
        lambda observations: np.zeros((1, 1), np.float32),
        "color_hard",
        tasks="cartpole_swingup",
        settings="train",
        shifts="light=0.5",
        protocol={"image_size": 32, "action_repeat": 8, "episode_frames": 40},
        profile="fast",
    )
    assert rows["setting"].tolist() == ["train", "light=0.5"]
    assert set(rows["image_size"]) == {32}
    assert set(zip(rows["action_repeat"], rows["episode_frames"], rows["num_steps"], strict=True)) == {(8, 40, 5)}
    assert rows["first_pixels"].nunique() == 2
    with pytest.raises(UsageError, match="Unknown protocol setting 'size'"):
        harness.evaluate(lambda observations: observations, "color_hard", protocol={"size": 3})


class ThirdTimeFails:
    """A policy that fails in its third episode."""

    def __init__(self) -> None:
        self._episodes = 0

    def reset(self) -> None:
        self._episodes += 1

    def act(self, observations: np.ndarray, *, explore: bool) -> np.ndarray:
        if self._episodes == 3:
            raise ValueError("third time unlucky")
        return np.zeros((1, 2), np.float32)


def test_what_was_measured_before_a_failure_is_not_lost() -> None:
    with pytest.raises(AgentError, match=r"episode 2, step 0.*third time unlucky") as caught:
        harness.evaluate(ThirdTimeFails(), SUITE, tasks="dot_reach", settings="train", episodes=4)
    assert caught.value.rows["episode"].tolist() == [0, 1]


def test_a_failed_episode_is_listed_and_has_no_row() -> None:
    with pytest.warns(UserWarning, match="failed in 1 of 4 episodes"):
        rows = harness.evaluate(
            ThirdTimeFails(), SUITE, tasks="dot_reach", settings="train", episodes=4, on_error="record"
        )
    assert rows["episode"].tolist() == [0, 1, 3]
    (failed,) = rows.attrs["failed"]
    assert (failed["task"], failed["setting"], failed["episode"]) == ("dot_reach", "train", 2)
    assert "third time unlucky" in failed["error"]
    with pytest.raises(UsageError, match="on_error"):
        harness.evaluate(ThirdTimeFails(), SUITE, on_error="ignore")  # type: ignore[arg-type]


def test_whatever_ends_it_the_rows_before_are_told() -> None:
    def stop(observations: np.ndarray) -> np.ndarray:
        if stops.pop():
            raise KeyboardInterrupt
        return np.zeros((1, 2), np.float32)

    stops = [True] + [False] * 60  # in the third episode of 25 steps
    with pytest.raises(KeyboardInterrupt) as caught:
        harness.evaluate(stop, SUITE, tasks="dot_reach", settings="train", episodes=4)
    assert caught.value.rows["episode"].tolist() == [0, 1]  # type: ignore[attr-defined]


class Blind:
    """Acts by its step number alone, so that it fails only where it is told to."""

    def __init__(self, gain: float = 1.0, fails_in: int = -1) -> None:
        self.gain, self.fails_in, self.episode, self.steps = gain, fails_in, 0, 0

    def begin_episode(self, *, phase: str, seed: int, episode: int) -> None:
        self.episode, self.steps = episode, 0

    def act(self, observations: np.ndarray, *, explore: bool) -> np.ndarray:
        self.steps += 1
        if self.episode == self.fails_in and self.steps == 3:
            raise ValueError("told to")
        return np.full((1, 2), np.sin(self.gain * self.steps))


def measured(frame: pd.DataFrame) -> list[tuple[Any, ...]]:
    columns = ("task", "setting", "eval_seed", "episode", "episode_return", "trajectory", "config_hash", "compute")
    return [tuple(row) for row in frame[list(columns)].itertuples(index=False)]


def test_workers_measure_what_this_process_does() -> None:
    here = harness.evaluate(Blind(), SUITE, episodes=7, identity="v1")
    there = harness.evaluate(Blind(), SUITE, episodes=7, identity="v1", workers=2)
    assert measured(here) == measured(there)
    assert len(here) == 2 * 2 * 7


def test_a_failed_episode_of_a_worker_is_listed_too() -> None:
    with pytest.warns(UserWarning, match=r"failed in 2 of 12 episodes.*episode 4, step 2"):
        rows = harness.evaluate(Blind(fails_in=4), SUITE, tasks="dot_reach", episodes=6, workers=2, on_error="record")
    assert rows.groupby("setting")["episode"].agg(list).to_dict() == {
        setting: [0, 1, 2, 3, 5] for setting in ("train", "backdrop")
    }
    assert {(one["setting"], one["episode"]) for one in rows.attrs["failed"]} == {("train", 4), ("backdrop", 4)}
    with pytest.raises(
        AgentError, match=r"dot_reach, train: The agent raised ValueError in act\(\) \(episode 0, step 2"
    ):
        harness.evaluate(Blind(fails_in=0), SUITE, tasks="dot_reach", settings="train", workers=1)


def test_a_script_without_a_guard_may_have_workers(tmp_path: Path) -> None:
    """Its own class and function too, which no worker can import."""
    script = tmp_path / "script.py"
    script.write_text(
        "import numpy as np, harness\nfrom harness.testing import SUITE\n"
        "class Mine:\n    def act(self, observations, *, explore):\n        return halves(observations)\n"
        "def halves(observations):\n    return np.full((1, 2), 0.5)\n"
        "rows = harness.evaluate(Mine(), SUITE, episodes=2, workers=2)\nprint('rows', len(rows))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, env=environment, timeout=120)
    assert (done.returncode, done.stdout) == (0, "rows 8\n"), done.stderr


def test_what_is_saved_is_a_run_that_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    with pytest.raises(AgentError) as caught:
        harness.evaluate(Blind(fails_in=2), SUITE, tasks="dot_stay", episodes=4, identity="v1", save=folder)
    assert caught.value.rows["episode"].tolist() == [0, 1]
    assert json.loads((folder / "record.json").read_text())["status"] == "failed"
    before = RowStore(folder / "rows").rows()
    whole = harness.evaluate(Blind(), SUITE, tasks="dot_stay", episodes=4, identity="v1", save=folder)
    assert measured(whole) == measured(harness.evaluate(Blind(), SUITE, tasks="dot_stay", episodes=4, identity="v1"))
    assert RowStore(folder / "rows").rows("dot_stay", "train")[:2] == before  # not measured again
    assert json.loads((folder / "record.json").read_text())["status"] == "finished"
    stored = load_rows(folder)
    assert sorted(stored["episode"]) == sorted(whole["episode"])
    table = build_table(stored, expected_from_rows(stored))
    assert {line.status for line in table.lines} == {"complete"}
    files = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    again = harness.evaluate(np.zeros, SUITE, tasks="dot_stay", episodes=4, identity="v1", save=folder)  # never asked
    assert measured(again) == measured(whole)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == files
    more = harness.evaluate(Blind(), SUITE, episodes=5, identity="v1", save=folder, workers=2)
    assert len(more) == 20


def test_a_failed_episode_is_measured_again_where_it_is_saved(tmp_path: Path) -> None:
    call = {"tasks": "dot_stay", "settings": "train", "episodes": 4, "identity": "v1", "save": tmp_path / "kept"}
    with pytest.warns(UserWarning, match="failed in 1 of 4"):
        harness.evaluate(Blind(fails_in=1), SUITE, on_error="record", **call)  # type: ignore[arg-type]
    record = json.loads((tmp_path / "kept" / "record.json").read_text())
    assert (record["status"], [failure["episode"] for failure in record["failures"]]) == ("failed", [1])
    rows = harness.evaluate(Blind(), SUITE, on_error="record", **call)  # type: ignore[arg-type]
    assert rows["episode"].tolist() == [0, 1, 2, 3]
    assert rows.attrs["failed"] == []


@pytest.mark.parametrize(
    "changes",
    [{"identity": "v2"}, {"identity": None}, {"eval_seed": 7}, {"name": "other"}, {"protocol": {"image_size": 32}}],
)
def test_a_folder_of_another_run_is_refused(changes: dict[str, object], tmp_path: Path) -> None:
    call = {"tasks": "dot_stay", "settings": "train", "identity": "v1", "save": tmp_path / "kept"}
    harness.evaluate(Blind(), SUITE, **call)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="keeps another run"):
        harness.evaluate(Blind(), SUITE, **{**call, **changes})  # type: ignore[arg-type]


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(UsageError, match=r"has 'thesis\.tex' in it"):
        harness.evaluate(Blind(), SUITE, save=tmp_path)
    with pytest.raises(UsageError, match="is a file"):
        harness.evaluate(Blind(), SUITE, save=tmp_path / "thesis.tex")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
