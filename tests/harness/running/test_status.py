"""How far runs are: counted from their folders, whatever has happened to them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from harness.errors import AgentError, UsageError
from harness.running.plan import RunOptions
from harness.running.planning import make_plan
from harness.running.run import execute
from harness.running.run_folder import locked
from harness.running.status import RunStatus, statuses, total

SEEKER = {"suite": "harness.testing:SUITE", "agent": "harness.testing:SEEKER", "device": "cpu", "workers": 1}


def run(folder: Path, **changes: object) -> Path:
    plan = make_plan(RunOptions(**{**SEEKER, "episodes": 2, "seeds": "0-1", "runs": folder, **changes}))  # type: ignore[arg-type]
    execute(plan, quiet=True)
    return plan.folder


def only(folder: Path) -> RunStatus:
    (status,) = statuses(folder)
    return status


def counts(status: RunStatus) -> tuple[str, int, int, int, int]:
    return (status.state, status.done, status.running, status.failed, status.left)


def test_a_finished_run_is_done(tmp_path: Path) -> None:
    folder = run(tmp_path)
    assert counts(only(tmp_path)) == counts(only(folder)) == ("done", 8, 0, 0, 0)
    assert only(tmp_path).left_sec == 0.0


def test_what_is_left_is_counted_and_its_time_told(tmp_path: Path) -> None:
    folder = run(tmp_path)
    record = json.loads((folder / "record.json").read_text())
    (folder / "record.json").write_text(json.dumps({**record, "status": "running", "seeds": [0, 1, 2]}))
    assert counts(only(folder)) == ("stopped", 8, 0, 0, 4)
    files = sorted((folder / "rows").iterdir())
    for number, file in enumerate(files):  # one every 10 seconds, but for a pause of an hour
        moment = 1_000_000 + 10 * number + 3_600 * (number > 3)
        os.utime(file, (moment, moment))
    assert only(folder).left_sec == pytest.approx(4 * 10.0)
    with locked(folder):
        assert only(folder).state == "running"
    (folder / "record.json").write_text(json.dumps({**record, "status": "running", "episodes": 3}))
    assert counts(only(folder)) == ("stopped", 0, 8, 0, 0)  # each cell has two of three episodes
    for file in files[1:]:
        file.unlink()
    assert counts(only(folder)) == ("stopped", 0, 1, 0, 7)
    assert only(folder).left_sec is None


def test_failures_are_told(tmp_path: Path) -> None:
    with pytest.raises(AgentError):
        run(tmp_path, agent="harness.testing:RAISING", tasks=["dot_reach"], settings=["episode=1"])
    assert only(tmp_path).state == "failed"  # of a single run, which tries again by itself
    (folder,) = tmp_path.iterdir()
    failure = {"task": "dot_reach", "setting": "train", "train_seed": 0, "error": "it fell"}
    (folder / "failed.json").write_text(json.dumps({"failures": [failure, {**failure, "setting": None}]}))
    assert only(tmp_path).failed == 2
    assert only(tmp_path).note == "it fell"
    (folder / "failed.json").write_text(json.dumps({"failures": [{**failure, "train_seed": 1}]}))
    assert only(tmp_path).failed == 1


def test_training_left_is_told_by_its_log(tmp_path: Path) -> None:
    folder = run(tmp_path, agent="tests.harness.learner:AGENT", frames=100, tasks=["dot_reach"])
    record = json.loads((folder / "record.json").read_text())
    assert (only(folder).trained, only(folder).trainings) == (2, 2)
    tasks = [{**task, "train_frames": 1000} for task in record["tasks"]]
    (folder / "record.json").write_text(
        json.dumps({**record, "status": "interrupted", "tasks": tasks, "seeds": [0, 3]})
    )
    log = {"num_frames": 500, "num_steps": 250, "num_episodes": 10, "elapsed_sec": 50.0}
    (folder / "train" / "dot_reach-seed3").mkdir()
    (folder / "train" / "dot_reach-seed3" / "train.jsonl").write_text(json.dumps(log) + "\n" + '{"torn')
    for number, file in enumerate(sorted((folder / "rows").iterdir())):
        os.utime(file, (1_000_000 + 7 * number,) * 2)
    (folder / "train" / "dot_reach-seed0" / "train.jsonl").write_text("")
    status = only(folder)
    assert (status.state, status.trained, status.trainings, status.left) == ("stopped", 1, 2, 2)
    assert status.left_sec == pytest.approx(500 / 10.0 + 2 * 7.0)


def test_a_damaged_record_hides_no_other_run(tmp_path: Path) -> None:
    run(tmp_path)
    (tmp_path / "another").mkdir()
    (tmp_path / "another" / "record.json").write_text("{}")
    damaged, good = statuses(tmp_path)
    assert (damaged.state, good.state) == ("damaged", "done")
    assert "is missing" in damaged.note
    assert total([damaged, good])["done"] == 8
    with pytest.raises(UsageError, match="There are no runs in"):
        statuses(tmp_path / "another" / "nothing")
