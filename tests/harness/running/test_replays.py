"""An episode played again tells whether a policy depends on what ran before."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from harness.cli import _run_table
from harness.errors import UsageError
from harness.results.rows import Row
from harness.running import replays, run
from harness.running.plan import RunOptions, RunPlan
from harness.running.planning import make_plan
from harness.running.replays import NOTE, REPLAY_FILE
from harness.running.run import execute

DOTS = "harness.testing:SUITE"
POLICIES = """
import numpy as np
class Counting:
    steps = 0
    def act(self, observations, *, explore):
        self.steps += 1
        return [[np.sin(self.steps), 0.0]]
class Reset(Counting):
    def reset(self):
        self.steps = 0
class Failing(Counting):
    def act(self, observations, *, explore):
        if not self.steps and not open("fine").read():
            raise ValueError
        return super().act(observations, explore=explore)
class Chosen:
    def act(self, observations, *, explore):
        import glob
        name = sorted(glob.glob("ckpt_*"))[-1]
        return [[float(open(name).read()), 0.0]]
class Told:
    import os
    speed = float(os.environ.get("SPEED", "0.1"))
    def act(self, observations, *, explore):
        return [[self.speed, 0.0]]
counting, clean, failing, chosen, told = Counting(), Reset(), Failing(), Chosen(), Told()
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"replayed_{tmp_path.name}".replace("-", "_")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    Path(f"{name}.py").write_text(POLICIES)
    return name


def plan(agent: str, **options: object) -> RunPlan:
    given = {"tasks": ["dot_stay"], "episodes": 2, "workers": 1, "device": "cpu", **options}
    return make_plan(RunOptions(DOTS, agent, **given))  # type: ignore[arg-type]


def rows(of: RunPlan) -> list[Row]:
    return execute(of, quiet=True).rows()


def test_a_policy_that_keeps_its_count_is_told_of(own: str, capsys: pytest.CaptureFixture[str]) -> None:
    made = plan(f"{own}:counting")
    found = execute(made).rows()
    told = r"Played 3 finished episodes again, out of order and in another worker: otherwise in 2 of 2 cells \(it took"
    assert re.search(told, capsys.readouterr().err)
    assert len(found) == 4
    assert {row.notes for row in found} == {NOTE}
    assert "[1] An episode played again came out otherwise" in _run_table(made, "terminal")
    assert make_plan_again(made) == found
    grown = rows(plan(f"{own}:counting", episodes=3))
    assert {(row.setting, row.episode) for row in grown} == {(s, e) for s in ("train", "backdrop") for e in range(3)}
    assert {row.notes for row in grown} == {NOTE}  # those of before and the new ones share a line


def test_two_workers_tell_the_same(own: str) -> None:
    assert {row.notes for row in rows(plan(f"{own}:counting", workers=2))} == {NOTE}


def make_plan_again(made: RunPlan) -> list[Row]:
    """Gives the same command again; nothing may be played."""
    before = {path: path.stat().st_mtime_ns for path in made.folder.rglob("*")}
    again = rows(made)
    assert {path: path.stat().st_mtime_ns for path in made.folder.rglob("*")} == before
    return again


def test_a_policy_that_starts_afresh_gets_no_note(own: str) -> None:
    made = plan(f"{own}:clean")
    assert {row.notes for row in rows(made)} == {""}
    assert len(replays.replays(made.folder)) == 2
    assert all(done.same for done in replays.replays(made.folder))


def test_a_policy_that_fails_in_its_replay_depends_on_something(own: str) -> None:
    Path("fine").write_text("yes")
    made = replace(plan(f"{own}:failing", agent_files=["fine"]), replays=False)
    found = rows(made)
    Path("fine").write_text("")
    remade = replace(made, outside=replace(made.outside, files={}), replays=True)  # type: ignore[type-var]
    assert [row.episode_return for row in rows(remade)] == [row.episode_return for row in found]
    assert not any(done.same for done in replays.replays(made.folder))


@pytest.mark.parametrize("name", ["chosen", "told"])
def test_what_cannot_be_known_of_a_policy_is_played_not_believed(
    name: str, own: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is chosen at run time, and the environment, are no part of its identity."""
    Path("ckpt_1").write_text("0.1")
    made = plan(f"{own}:{name}")
    found = rows(made)
    assert make_plan_again(plan(f"{own}:{name}")) == found
    Path("ckpt_2").write_text("0.9")
    monkeypatch.setenv("SPEED", "0.9")
    again = plan(f"{own}:{name}")
    assert again.folder == made.folder
    with pytest.raises(UsageError, match=r"Episode 0 of dot_stay, train in .* comes out otherwise now"):
        rows(again)
    assert rows(plan(f"{own}:{name}", replay=False)) == found


def test_by_default_only_code_from_outside_is_played_again(own: str) -> None:
    assert plan(f"{own}:clean").replays
    assert not plan(f"{own}:clean", replay=False).replays
    assert not plan("harness.testing:SEEKER").replays
    assert not plan("zero").replays
    assert plan("zero", replay=True).replays
    made = plan(f"{own}:counting", replay=False)
    assert {row.notes for row in rows(made)} == {""}
    assert not (made.folder / REPLAY_FILE).exists()


def test_a_kill_before_the_replay_leaves_it_to_the_next_command(own: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    made = plan(f"{own}:counting")
    with monkeypatch.context() as patch:
        patch.setattr(run, "play_again", killed)
        with pytest.raises(KeyboardInterrupt):
            execute(made, quiet=True)
    assert {row.notes for row in run.RowStore(made.folder / "rows").rows()} == {""}
    with monkeypatch.context() as patch:
        patch.setattr(run, "write_notes", killed)
        with pytest.raises(KeyboardInterrupt):
            execute(made, quiet=True)
    assert len(replays.replays(made.folder)) == 2
    assert {row.notes for row in rows(made)} == {NOTE}


def test_a_damaged_record_is_refused(own: str) -> None:
    made = plan(f"{own}:clean")
    made.folder.mkdir(parents=True)
    (made.folder / REPLAY_FILE).write_text('{"replayed": [{"task": 1}]}')
    with pytest.raises(UsageError, match=r"replays\.json is damaged: 'replayed\.0\.task' should be a valid string"):
        replays.replays(made.folder)
