"""Several suites and agents in one command: each policy is trained once, rows are those of commands one by one."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UsageError, WorkError
from harness.results.rows import Row, to_dict
from harness.results.store import RowStore
from harness.running import campaign, campaign_work
from harness.running.campaign import all_failures, run_campaign
from harness.running.campaign_planning import make_plans
from harness.running.campaign_work import Part
from harness.running.cells import missing_cells
from harness.running.equal_trainings import training_key
from harness.running.failures import Failed, read_failures, still_failed
from harness.running.node_task import carry_out
from harness.running.plan import RunOptions, RunPlan
from harness.running.planning import make_plan
from harness.running.policies import load_policy_source
from harness.running.run import execute
from harness.running.workers import Event, Job
from harness.testing import SUITE
from tests.campaigns.suites import EASY, HARD, NOISY_TRAINING

HERE = "tests.campaigns.suites:"
SUITES = (f"{HERE}EASY", f"{HERE}HARD")
AGENTS = ("tests.harness.learner:AGENT", f"{HERE}SECOND")
ROOT = Path(__file__).resolve().parents[2]


def plans(runs: Path, suites: Sequence[str] = SUITES, agents: Sequence[str] = AGENTS, **more: object) -> list[RunPlan]:
    asked = {"device": "cpu", "frames": 100, "episodes": 2, "tasks": ["dot_reach"], "workers": 2, "runs": runs, **more}
    return make_plans(RunOptions(suite="", agent="", **asked), suites, agents)  # type: ignore[arg-type]


def rows(plan: RunPlan) -> list[Row]:
    return RowStore(plan.folder / "rows").rows()


def trainings(said: Sequence[str]) -> list[str]:
    return [text for text in said if ": training " in text]


def test_a_campaign_trains_once_and_leaves_what_single_commands_would_leave(tmp_path: Path) -> None:
    said: list[str] = []
    together = plans(tmp_path / "together", seeds="0-1")
    assert run_campaign(together, quiet=True, say=said.append) == {}
    assert len(trainings(said)) == 2 * 2  # agents, seeds; not suites
    assert all("also for dots_hard-" in text for text in trainings(said))
    for plan in together:
        alone = make_plan(
            RunOptions(
                suite=plan.suite_name,
                agent=plan.agent_name,
                device="cpu",
                frames=100,
                episodes=2,
                tasks=["dot_reach"],
                seeds="0-1",
                runs=tmp_path / "alone",
            )
        )
        assert alone.run_id == plan.run_id
        execute(alone, quiet=True)
        assert rows(alone) == rows(plan)
        assert len(rows(plan)) == 2 * 2 * 2  # settings, seeds, episodes
        for seed in (0, 1):
            policy = Path("train") / f"dot_reach-seed{seed}" / "policy"
            names = sorted(path.name for path in (plan.folder / policy).iterdir())
            for name in names:
                assert (plan.folder / policy / name).read_bytes() == (alone.folder / policy / name).read_bytes()
        assert json.loads((plan.folder / "record.json").read_text())["status"] == "finished"
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    run_campaign(plans(tmp_path / "together", seeds="0-1"), quiet=True, say=said.append)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == before
    assert len(trainings(said)) == 4


def test_trainings_are_equal_where_what_they_see_is(tmp_path: Path) -> None:
    def key(suite: str, **changes: object) -> str:
        (plan,) = plans(tmp_path, [f"{HERE}{suite}"], AGENTS[:1], **changes)
        return training_key(plan, plan.tasks[0])

    assert key("EASY") == key("HARD") == key("HARD", episodes=5, seeds="3")
    others = [
        key("NOISY_TRAINING"),
        key("EASY", frames=200),
        key("EASY", settings=["rate=0.02"]),
        key("EASY", settings=["protocol.action_repeat=1"]),
        key("EASY", settings=["protocol.image_size=30"]),
        key("EASY", threads=2),
        key("EASY", profile="fast"),
        key("EASY", preset="laptop"),
        key("EASY", tasks=["dot_stay"]),
    ]
    assert len({key("EASY"), *others}) == 1 + len(others)
    assert EASY.version != HARD.version
    assert NOISY_TRAINING.domain == SUITE.domain


def test_dmcgbs_suites_share_their_trainings(tmp_path: Path) -> None:
    names = ["video_easy", "video_hard", "color_easy", "color_hard", "distracting_cs", "dmcgb2", "jaco_deformed"]
    more = {"tasks": (), "frames": 3000}
    keys = {name: plans(tmp_path, [name], ["drqv2"], **more)[0] for name in names}
    found = Counter(training_key(plan, plan.tasks[0]) for plan in keys.values())
    assert sorted(found.values()) == [1, 6]


def test_policies_of_a_run_that_is_there_are_taken(tmp_path: Path) -> None:
    """As of a suite of this project; one from a file can say nothing of another file."""
    small = ["protocol.image_size=24", "protocol.episode_frames=20", "protocol.action_repeat=4"]
    more = {"tasks": ["walker_walk"], "settings": small, "profile": "fast", "frames": 40, "episodes": 1}
    (first,) = plans(tmp_path, ["video_easy"], AGENTS[:1], **more)
    execute(first, quiet=True)
    said: list[str] = []
    run_campaign(plans(tmp_path, ["color_easy", "color_hard"], AGENTS[:1], **more), quiet=True, say=said.append)
    assert not trainings(said)
    assert [text.partition(", by ")[2] for text in said] == [f"{first.run_id}."] * 2
    said.clear()
    other = plans(tmp_path, ["color_easy", "color_hard"], AGENTS[:1], **{**more, "settings": [*small, "rate=0.5"]})
    run_campaign(other, quiet=True, say=said.append)
    assert len(trainings(said)) == 1
    (weights,) = first.folder.glob("train/*/policy/*.safetensors")
    data = weights.read_bytes()
    weights.unlink()
    weights.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))  # whoever asks for that run is told, and nobody else
    said.clear()
    shutil.rmtree(other[0].folder.parent / run_ids(tmp_path, "color_easy", more))
    run_campaign(plans(tmp_path, ["color_easy"], AGENTS[:1], **more), quiet=True, say=said.append)
    assert [text.partition(", by ")[2].startswith("color_hard-") for text in said] == [True]


def test_a_run_of_the_command_that_is_finished_serves_the_others(tmp_path: Path) -> None:
    easy, hard = plans(tmp_path, agents=AGENTS[:1])
    execute(hard, checkpoint_sec=0.0, quiet=True)
    whole = load_policy_source(hard.folder / "train" / "dot_reach-seed0" / "policy").digest
    said: list[str] = []
    run_campaign([easy, hard], quiet=True, say=said.append)
    assert said == [f"{easy.run_id}: dot_reach, seed 0 is trained already, by {hard.run_id}."]
    assert load_policy_source(easy.folder / "train" / "dot_reach-seed0" / "policy").digest == whole
    assert {row.suite for row in rows(easy)} == {"dots_easy"}


def run_ids(runs: Path, suite: str, more: dict[str, Any]) -> str:
    (plan,) = plans(runs, [suite], AGENTS[:1], **more)
    return plan.run_id


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_episode_that_cannot_be_played_again_stops_nothing_else(
    when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a run that was finished before, and of one that is measured now."""

    def fail(plan: RunPlan, *_: object, **__: object) -> None:
        if plan.run_id == easy.run_id:
            raise WorkError("it fell over")

    easy, hard = plans(tmp_path, agents=AGENTS[:1])
    if when == "before":
        execute(easy, quiet=True)
    monkeypatch.setattr(campaign, "execute" if when == "before" else "play_again", fail)
    failed = run_campaign([easy, hard], quiet=True)
    assert all_failures(failed) == [f"{easy.run_id}: playing finished episodes again: it fell over"]
    assert (len(rows(easy)), len(rows(hard))) == (4, 4)
    status = [json.loads((plan.folder / "record.json").read_text())["status"] for plan in (easy, hard)]
    assert status == ["finished" if when == "before" else "failed", "finished"]
    monkeypatch.undo()
    assert run_campaign([easy, hard], quiet=True) == {}


def test_thousands_of_failures_are_not_written_thousands_of_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (plan,) = plans(tmp_path, SUITES[:1], AGENTS[:1], seeds="0-2999")
    part = Part(plan, RowStore(plan.folder / "rows"), missing_cells(plan, RowStore(plan.folder / "rows")), [])
    written: list[int] = []
    monkeypatch.setattr(campaign_work, "write_failures", lambda folder, failures: written.append(len(failures)))
    for seed in range(3000):
        part.fail(("dot_reach", seed), None, "it fell over")
        part.fail(("dot_reach", seed), None, "it fell over")
    part.write_failures()
    assert len(written) < 200
    assert (len(part.failures), written[-1], written[:3]) == (3000, 3000, [1, 2, 3])
    assert not [
        cell for cell in part.cells if not Failed(part.failures).has("dot_reach", cell.setting, cell.train_seed)
    ]
    left = still_failed(part.failures, part.cells[:2])
    assert {failure.train_seed for failure in left} == {cell.train_seed for cell in part.cells[:2]}


def test_a_failure_stops_nothing_else_and_is_tried_again_when_asked(tmp_path: Path) -> None:
    agents = [AGENTS[0], "harness.testing:RAISING"]
    asked = {"seeds": "0", "settings": (), "episodes": 3}
    failed = run_campaign(plans(tmp_path, agents=agents, **asked), quiet=True)
    assert len(failed) == 2
    assert {(f.task, f.setting, f.train_seed) for f in failed[min(failed)]} == {
        ("dot_reach", "train", 0),
        ("dot_reach", "noisy", 0),
    }
    for plan in plans(tmp_path, agents=agents, **asked):
        good = plan.agent.name == "learner"
        assert len(rows(plan)) == (6 if good else 2)  # episode 0 of both settings; it raises in episode 1
        assert json.loads((plan.folder / "record.json").read_text())["status"] == ("finished" if good else "failed")
        assert len(read_failures(plan.folder)) == (0 if good else 2)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert run_campaign(plans(tmp_path, agents=agents, **asked), quiet=True) == failed  # told again, not tried again
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == before
    again = run_campaign(plans(tmp_path, agents=agents, **asked), quiet=True, retry_failed=True)
    assert again == failed
    assert {path for path in before if path.stat().st_mtime_ns != before[path]}


def test_a_training_that_fails_is_told_of_every_suite(tmp_path: Path) -> None:
    more = {"settings": ["fail_at_step=20"]}
    failed = run_campaign(plans(tmp_path, agents=AGENTS[:1], **more), quiet=True)
    assert len(failed) == 2
    assert {(f.task, f.setting, f.train_seed) for some in failed.values() for f in some} == {("dot_reach", None, 0)}
    assert all("told to fail" in f.error for some in failed.values() for f in some)


class OnNodes:
    """A launcher whose jobs keep their rows themselves; of some nothing is to be seen when they are done."""

    chunk, keeps_rows = None, True

    def __init__(self, lost: str) -> None:
        self._lost, self._jobs = lost, list[Job]()

    def submit(self, job: Job) -> None:
        self._jobs.append(job)

    def events(self) -> Iterator[Event]:
        while self._jobs:
            job = self._jobs.pop(0)
            if job.group != self._lost:
                assert carry_out(job).status == "done"
            yield Event(job, "done")

    def __enter__(self) -> OnNodes:
        return self

    def __exit__(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(
    ("lost", "runs", "lacking", "said"),
    [
        ("evaluation of dot_reach, noisy, seed 0", 1, 1, "were played and are not in"),
        ("training of dot_reach, seed 0", 2, 4, "is not a policy"),  # one for both runs: in two settings each
    ],
)
def test_what_another_machine_did_and_nobody_sees_fails_alone(
    lost: str, runs: int, lacking: int, said: str, tmp_path: Path
) -> None:
    both = plans(tmp_path, agents=AGENTS[:1], seeds="0-1", replay=False)
    failures = run_campaign(both, quiet=True, launch=lambda workers, goes_on: OnNodes(lost))  # type: ignore[arg-type,return-value]
    assert [said in line for line in all_failures(failures)] == [True] * runs
    missing = [cell for plan in both for cell in missing_cells(plan, RowStore(plan.folder / "rows"))]
    assert [cell.seed for cell in missing] == [0] * lacking


def test_what_cannot_be_one_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^--suite .*EASY is given twice"):
        plans(tmp_path, [SUITES[0], SUITES[0]])
    with pytest.raises(UsageError, match="--agent names 2"):
        plans(tmp_path, checkpoint=tmp_path)
    with pytest.raises(UsageError, match="both called second on dots_easy"):
        plans(tmp_path, SUITES[:1], [AGENTS[1], f"{HERE}SECOND_AGAIN"])
    with pytest.raises(UsageError, match="Unknown task"):
        plans(tmp_path, [SUITES[0], "video_easy"], tasks=["walker_walk"])
    assert not list(tmp_path.iterdir())


def test_an_agent_without_seeds_stands_beside_one_that_has_some(tmp_path: Path) -> None:
    made = plans(tmp_path, SUITES[:1], ["random", AGENTS[0]], seeds="0-1")
    assert [plan.seeds for plan in made] == [(None,), (0, 1)]
    with pytest.raises(UsageError, match="one policy whatever the seed"):
        plans(tmp_path, SUITES, ["random", "zero"], seeds="0-1", frames=None)


CONFIG = """\
suites: [tests.campaigns.suites:EASY, tests.campaigns.suites:HARD]
agents: [tests.harness.learner:AGENT, tests.campaigns.suites:SECOND]
tasks: [dot_reach]
seeds: 0-1
frames: 300
episodes: 3
device: cpu
workers: 2
checkpoint_sec: 0
set:
  delay_sec: 1e-3
"""


def start(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "harness", "run", "--config", "table.yaml", "--json"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=folder, env=environment, text=True, start_new_session=True, **pipes)


@pytest.mark.slow
def test_killed_at_ten_random_moments_a_campaign_ends_as_if_nothing_had_happened(tmp_path: Path) -> None:
    outs, logs, moments = [], [], random.Random(20261126)
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "table.yaml").write_text(CONFIG)
    kills = 0
    while kills < 10:
        process, began = start(tmp_path / "killed"), time.monotonic()
        first_file = _newest(tmp_path / "killed")
        while process.poll() is None and _newest(tmp_path / "killed") == first_file and time.monotonic() - began < 60:
            time.sleep(0.01)
        time.sleep(moments.uniform(0, 1.0))
        if process.poll() is None:
            kills += 1
        else:  # it had finished before: a kill needs something to interrupt
            shutil.rmtree(tmp_path / "killed" / "runs")
        _end(process)
    for name in ("killed", "whole", "whole"):
        process = start(tmp_path / name)
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        outs.append(json.loads(out))
        logs.append(err)
    assert outs[0] == outs[1] == outs[2]
    assert list(outs[0]["suites"]) == ["dots_easy", "dots_hard"]
    assert len(trainings(logs[1].splitlines())) == 4
    assert "training" not in logs[2]
    assert _all_rows(tmp_path / "killed") == _all_rows(tmp_path / "whole")
    assert len(_all_rows(tmp_path / "whole")) == 2 * 2 * 2 * 2 * 3


def _newest(folder: Path) -> int:
    found = [0]
    for path in folder.glob("runs/*/*/*"):
        try:
            found.append(path.stat().st_mtime_ns)
        except FileNotFoundError:
            continue
    return max(found)


def _end(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def _all_rows(folder: Path) -> list[dict[str, object]]:
    stores = [RowStore(path) for path in sorted(folder.glob("runs/*/rows"))]
    return [to_dict(replace(row, code_revision="", training="")) for store in stores for row in store.rows()]


def test_half_a_training_goes_on_where_it_is(tmp_path: Path) -> None:
    easy, hard = plans(tmp_path, agents=AGENTS[:1])
    execute(easy, quiet=True)
    training = easy.folder / "train" / "dot_reach-seed0"
    (hard.folder / "train").mkdir(parents=True)
    shutil.copytree(training, hard.folder / "train" / training.name)
    shutil.rmtree(hard.folder / "train" / training.name / "policy")
    (hard.folder / "train" / training.name / "checkpoints" / "000000000050").mkdir(parents=True)
    shutil.rmtree(easy.folder)
    said: list[str] = []
    with pytest.raises(UsageError, match=r"000000000050 has no progress\.json"):  # it is looked at before any work
        run_campaign([easy, hard], quiet=True, say=said.append)
    shutil.rmtree(hard.folder / "train" / training.name / "checkpoints")
    run_campaign([easy, hard], quiet=True, say=said.append)
    assert trainings(said) == [f"{easy.run_id}: training dot_reach, seed 0, also for {hard.run_id}."]
