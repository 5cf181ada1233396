"""Files that a policy reads only while it is made or plays are named, and change a run where they change."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from harness.errors import UsageError, WorkError
from harness.results.store import RowStore
from harness.running.late_files import LATE_FILE, LateFiles, recorded
from harness.running.plan import RunOptions, RunPlan
from harness.running.planning import make_plan
from harness.running.run import execute

DOTS = "harness.testing:SUITE"
LATE = """
import numpy as np
class policy:
    def __init__(self, context):
        self.action = np.load("weights.npy")
        self.episode = -1
    def begin_episode(self, *, phase, seed, episode):
        self.episode = episode
    def act(self, observations, *, explore):
        if self.episode == 1:
            import importlib
            return [[float(open("late.txt").read()), importlib.import_module("{module}_lazy").x]]
        return self.action[None]
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of the current folder whose policy reads two files and a module late."""
    import numpy as np

    name = f"late_{tmp_path.name}".replace("-", "_")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    Path(f"{name}.py").write_text(LATE.format(module=name))
    Path(f"{name}_lazy.py").write_text("x = 0.0")
    Path("late.txt").write_text("0.5")
    np.save("weights.npy", np.array([0.5, 0.0]))
    return name


def plan(own: str, *named: str) -> RunPlan:
    options = RunOptions(DOTS, f"{own}:policy", ["dot_stay"], episodes=2, workers=1, device="cpu", agent_files=named)
    return make_plan(options)


def measured(of: RunPlan) -> dict[int, float]:
    """Returns by episode, in one setting."""
    return {row.episode: row.episode_return for row in execute(of, quiet=True).rows(setting="train")}


def test_late_files_are_named_and_make_another_run_where_they_change(own: str) -> None:
    first = plan(own)
    before = measured(first)
    names = ["late.txt", f"{own}_lazy.py", "weights.npy"]
    assert {path.name for path in recorded(first.folder)} == set(names)
    notes = {row.notes for row in RowStore(first.folder / "rows").rows()}
    assert len(notes) == 1  # of all rows, whichever episode read what
    told = notes.pop().split("; ")
    assert [text.split()[1] for text in told] == names
    assert all("no --agent-file makes part of its identity" in text for text in told)

    stamps = {path: path.stat().st_mtime_ns for path in first.folder.rglob("*")}
    assert measured(plan(own)) == before
    assert {path: path.stat().st_mtime_ns for path in first.folder.rglob("*")} == stamps

    Path("late.txt").write_text("-0.5")
    second = plan(own)
    assert second.folder != first.folder
    assert second.tasks[0].config_hash != first.tasks[0].config_hash  # never in one cell of a table
    after = measured(second)
    assert after[0] == before[0]
    assert after[1] != before[1]
    assert plan(own).folder == second.folder

    Path(f"{own}_lazy.py").write_text("x = 0.25")
    assert plan(own).folder not in (first.folder, second.folder)
    Path(f"{own}_lazy.py").unlink()
    assert plan(own).folder not in (first.folder, second.folder)
    Path(f"{own}_lazy.py").write_text("x = 0.0")
    Path("late.txt").write_text("0.5")
    assert plan(own).folder == first.folder  # all as it was: its rows are true again


def test_named_files_are_part_of_the_identity_and_need_no_note(own: str) -> None:
    named = plan(own, "weights.npy", "late.txt", f"{own}_lazy.py")
    measured(named)
    assert not (named.folder / LATE_FILE).exists()
    assert {row.notes for row in RowStore(named.folder / "rows").rows()} == {""}
    Path("late.txt").write_text("0.75")
    assert plan(own, "weights.npy", "late.txt", f"{own}_lazy.py").folder != named.folder


def test_a_file_that_changes_under_way_ends_the_run(tmp_path: Path) -> None:
    one, two = "1" * 64, "2" * 64
    late = LateFiles(tmp_path, {Path("/expected"): one})
    late.add({Path("/expected"): one, Path("/new"): one})
    late.add({Path("/new"): one})
    for name in ("/expected", "/new"):
        with pytest.raises(WorkError, match=f"^{name}, which the policy reads, changed while the run was at work"):
            late.add({Path(name): two})
    assert recorded(tmp_path) == {Path("/expected"): one, Path("/new"): one}


@pytest.mark.parametrize(
    "text", ['{"files": {"/a": 3}}', '{"files": []}', "{}", "[" * 100_000, '{"files": {"/a": "x"}}']
)
def test_a_damaged_record_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / LATE_FILE).write_text(text)
    with pytest.raises(UsageError, match=f"{LATE_FILE} is damaged"):
        recorded(tmp_path)


def test_a_run_from_before_the_record_is_whole(own: str) -> None:
    found = plan(own)
    assert recorded(found.folder) == {}
    found.folder.mkdir(parents=True)
    (found.folder / LATE_FILE).write_text(json.dumps({"files": {str(Path("late.txt").resolve()): "0" * 64}}))
    assert plan(own).folder != found.folder
