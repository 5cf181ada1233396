"""How far runs are: counted from their folders, whatever has happened to them."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from harness.errors import AgentError, UsageError
from harness.results.row_files import to_line
from harness.results.store import RowStore
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


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that is not to be changed."""
    return run(tmp_path_factory.mktemp("finished"))


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    """Its copy, alone in a folder."""
    return Path(shutil.copytree(finished, tmp_path / finished.name))


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


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def make_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def as_open_folder(file: Path) -> None:
    file.unlink()
    file.with_suffix(".jsonl").mkdir()


def as_altered_lines(file: Path) -> None:
    rows = RowStore(file.parent).rows()
    file.unlink()
    lines = b"".join(to_line(row) for row in rows if (row.task, row.setting, row.train_seed) == CELL)
    file.with_suffix(".jsonl").write_bytes(lines.replace(b'"episode_frames":', b'"episode_frames":9', 1))


def loop(file: Path) -> None:
    file.unlink()
    file.symlink_to(file)


def pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


CELL = ("dot_reach", "train", 0)
DAMAGE = {
    "a bit": (flip, "its bytes do not match its digest"),
    "a folder": (make_folder, "is not a file of rows"),
    "a folder for lines": (as_open_folder, "Cannot use"),
    "altered lines": (as_altered_lines, "line 1 is not a row"),
    "a loop of links": (loop, "links lead in a circle"),
    "a pipe": (pipe, "no plain file"),
    "nothing": (lambda file: file.write_bytes(b""), "is not a file of rows"),
}


@pytest.mark.parametrize("recorded", ["finished", "running"])
@pytest.mark.parametrize("case", DAMAGE)
def test_a_cell_that_is_damaged_is_named_whatever_the_record_says(case: str, recorded: str, copied: Path) -> None:
    record = json.loads((copied / "record.json").read_text())
    (copied / "record.json").write_text(json.dumps({**record, "status": recorded}))
    damage, words = DAMAGE[case]
    damage(copied / "rows" / "dot_reach+train+seed0.parquet")
    status = only(copied)
    assert counts(status) == ("damaged", 7, 0, 0, 1)
    assert words in status.note
    assert "dot_reach+train+seed0" in status.note
    assert status.note.count("\n") == 0


def test_what_a_finished_run_has_lost_is_left_again(copied: Path) -> None:
    (copied / "rows" / "dot_reach+train+seed0.parquet").unlink()
    link = copied / "rows" / "dot_stay+train+seed1.parquet"
    link.unlink()
    link.symlink_to("nowhere")
    status = only(copied)
    assert (status.state, status.done) == ("stopped", 6)
    assert status.note == (
        "dot_reach, train, seed 0 lacks episodes, although the run was finished: the same command goes on. "
        "So it is with 1 more."
    )
    shutil.rmtree(copied / "rows")
    assert only(copied).done == 0
    (copied / "rows").write_text("")
    assert (only(copied).state, only(copied).done) == ("damaged", 0)
    assert "is not a folder" in only(copied).note


def test_a_closed_cell_of_an_earlier_version_counts_what_it_holds(copied: Path) -> None:
    path = copied / "rows" / "dot_reach+train+seed0.parquet"
    pq.write_table(pq.read_table(path).replace_schema_metadata(None), path)
    assert counts(only(copied)) == ("done", 8, 0, 0, 0)
    pq.write_table(pq.read_table(path).slice(1), path)
    assert counts(only(copied)) == ("stopped", 7, 1, 0, 0)


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
