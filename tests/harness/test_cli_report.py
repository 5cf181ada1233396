"""`harness report --videos`: episodes played again from a run's own policies, and what cannot be."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.results.store import RowStore

Harness = Callable[..., tuple[int, str, str]]
NAMES = ("--suite", "harness.testing:SUITE", "--agent", "tests.harness.learner:AGENT")
VIDEOS = ("report", "runs", "--videos", "--workers", "1", "--quiet")


@pytest.fixture
def run(harness: Harness, tmp_path: Path) -> Path:
    """A run of one task, two settings, three episodes."""
    options = ("--task", "dot_reach", "--frames", "300", "--episodes", "3", "--workers", "1", "--quiet")
    status, _, err = harness("run", *NAMES, *options, "--set", "protocol.image_size=16")
    assert status == 0, err
    (found,) = (tmp_path / "runs").iterdir()
    return found


def test_a_page_holds_what_the_agent_saw(harness: Harness, run: Path) -> None:
    status, out, err = harness(*VIDEOS)
    assert (status, out) == (0, "report.html\n"), err
    page = Path("report.html").read_text()
    assert page.count("data:image/webp;base64,UklGR") == 6
    captions = re.findall(r"<figcaption>(\w+: \w+ of 3)[^<]*the same when played again\.", page)
    assert captions == [f"{s}: {k} of 3" for s in ("backdrop", "train") for k in ("best", "median", "worst")]
    store = RowStore(run / "rows")
    for cell in store.cells():  # another outcome in the rows is told
        store.replace(*cell, [replace(row, episode_return=row.episode_return + 1) for row in store.rows(*cell)])
    assert harness(*VIDEOS)[0] == 0
    page = Path("report.html").read_text()
    assert page.count("when played again for this page, so it was not the same episode") == 6


def test_what_cannot_be_played_again_is_told(harness: Harness, run: Path) -> None:
    record = run / "record.json"
    kept = record.read_text()
    record.write_text(json.dumps({**json.loads(kept), "status": "running"}))
    status, _, err = harness(*VIDEOS)
    assert status == 2
    assert re.search(rf"Not played again: {run.name}: .*/{run.name} is not finished \(running\)", err)
    assert "No episode could be played again: give the report without --videos." in err
    record.write_text(kept)
    shutil.rmtree(run / "train" / "dot_reach-seed0" / "policy")
    status, _, err = harness(*VIDEOS)
    assert status == 2
    assert "has no policy of dot_reach, seed 0" in err
    (rows,) = (run / "rows").glob("*train*.parquet")
    status, _, err = harness("report", str(rows), "--videos")
    assert status == 2
    assert "there are rows of it, and no folder with its record and policies" in err
    assert harness("report", "runs", "--workers", "2")[0] == 2


def test_a_policy_handed_over_from_python_is_not_there_to_be_played_again(harness: Harness) -> None:
    import harness as package
    from harness.testing import SUITE

    package.evaluate(
        lambda seen: np.zeros((1, 2), np.float32), SUITE, tasks="dot_reach", episodes=1, save="mine", identity="x"
    )
    for command in (("report", "mine", "--videos"), ("submit", "mine", "--policies")):
        status, _, err = harness(*command)
        assert status == 2
        assert "was handed over from Python and is not kept" in err
    assert harness("submit", "mine")[0] == 0


def test_a_format_of_pictures_that_nobody_wants_is_refused(harness: Harness, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    status, _, err = harness("report", "empty", "--figure-format", "pdf")
    assert status == 2
    assert "--figure-format goes with --figures only." in err
