"""Evaluating from Python gives the rows that the command gives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import harness
import harness.registry
from harness.errors import AgentError, UsageError
from harness.results.rows import COLUMNS
from harness.results.store import RowStore
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


@pytest.mark.render
def test_stand_ins_are_not_used_in_silence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("HARNESS_ASSETS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    suite = harness.registry.load_suite("color_hard")
    protocol = replace(suite.protocol, episode_frames=4)
    still = lambda observations: np.zeros((1, 1))  # noqa: E731
    with pytest.warns(UserWarning, match="'color_hard' is absent"):
        harness.evaluate(still, replace(suite, protocol=protocol), tasks="cartpole_swingup", settings="color_hard")


@pytest.mark.parametrize("wrong", [{"episodes": 0}, {"eval_seed": -1}, {"tasks": ["walk"]}, {"settings": ["dark"]}])
def test_wrong_arguments(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        harness.evaluate(right, SUITE, **wrong)  # type: ignore[arg-type]


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
    rows = harness.evaluate(ThirdTimeFails(), SUITE, tasks="dot_reach", settings="train", episodes=4, on_error="record")
    assert rows["episode"].tolist() == [0, 1, 3]
    (failed,) = rows.attrs["failed"]
    assert (failed["task"], failed["setting"], failed["episode"]) == ("dot_reach", "train", 2)
    assert "third time unlucky" in failed["error"]
    with pytest.raises(UsageError, match="on_error"):
        harness.evaluate(ThirdTimeFails(), SUITE, on_error="ignore")  # type: ignore[arg-type]
