"""A record is owed until it says that what was asked for is done; larger runs under way keep theirs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.errors import WorkError
from harness.running.plan import RunOptions, RunPlan
from harness.running.planning import make_plan
from harness.running.record import RECORD_FILE, RunRecord


def plan(runs: Path, **changes: object) -> RunPlan:
    asked = {"suite": "harness.testing:SUITE", "agent": "harness.testing:SEEKER", "device": "cpu", "runs": runs}
    return make_plan(RunOptions(**{**asked, "seeds": "0-1", "episodes": 3, **changes}))


def test_it_says_what_ran_and_is_owed_until_it_is_finished(tmp_path: Path) -> None:
    made = plan(tmp_path)
    made.folder.mkdir()
    record = RunRecord(made)
    assert record.is_owed()
    for status in ("running", "failed", "interrupted"):
        record.write(status, error="why")
        assert record.is_owed()
    record.write("finished")
    assert not record.is_owed()
    stored = json.loads((made.folder / RECORD_FILE).read_text())
    assert (stored["run_id"], stored["seeds"], stored["episodes"]) == (made.run_id, [0, 1], 3)
    assert [task["task"] for task in stored["tasks"]] == ["dot_reach", "dot_stay"]


@pytest.mark.parametrize("smaller", [{"seeds": "1"}, {"episodes": 2}, {"tasks": ["dot_stay"]}])
def test_a_smaller_request_does_not_close_a_larger_one(smaller: dict[str, object], tmp_path: Path) -> None:
    large, small = plan(tmp_path), plan(tmp_path, **smaller)
    assert large.folder == small.folder
    large.folder.mkdir()
    RunRecord(large).write("running")
    assert not RunRecord(small).is_owed()
    RunRecord(small).write("running")
    assert RunRecord(large).is_owed()


@pytest.mark.parametrize("damage", ["", "null", "{", '{"status": 3}', "[" * 100_000, '{"status": "finished"}'])
def test_a_damaged_record_is_owed(damage: str, tmp_path: Path) -> None:
    made = plan(tmp_path)
    made.folder.mkdir()
    (made.folder / RECORD_FILE).write_text(damage)
    assert RunRecord(made).is_owed()


def test_an_error_that_is_under_way_is_the_one_to_tell(tmp_path: Path) -> None:
    record = RunRecord(plan(tmp_path))  # its folder does not exist, so that nothing can be written
    record.try_to_write("failed")
    with pytest.raises(WorkError, match="Cannot write"):
        record.write("failed")
