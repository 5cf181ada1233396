"""`harness sweep` on the dot suite with a shift that hides the dots."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from harness.results.store import load_rows

Harness = Callable[..., tuple[int, str, str]]
SUITE = ("--suite", "tests.harness.hazy:SUITE")
SEEKER = ("--agent", "harness.testing:SEEKER")
SWEEP = ("sweep", *SUITE, *SEEKER, "--task", "dot_reach", "--episodes", "3", "--workers", "1", "--quiet")


def test_two_policies_along_a_shift_resumed_and_repeated(harness: Harness, tmp_path: Path) -> None:
    told = (*SWEEP, "--agent", "zero", "--shift", "haze=0:1:3", "--out", "a.png", "--out", "a.csv")
    status, out, err = harness(*told)
    assert status == 0
    assert err.splitlines() == ["a.png", "a.csv"]
    assert "half of the training setting is lost at haze=" in out
    rows = load_rows(tmp_path / "runs")
    assert set(rows["setting"]) == {"train", "haze=0", "haze=0.5", "haze=1"}
    assert len(rows) == 2 * 4 * 3
    points = [row for row in csv.DictReader((tmp_path / "a.csv").open()) if row["kind"] == "point"]
    mean = rows[(rows["setting"] == "haze=0.5") & (rows["agent"] == "seeker")]["episode_return"].mean()
    assert float(points[1]["mean"]) == pytest.approx(mean)
    with Image.open(tmp_path / "a.png") as picture:
        colours = picture.convert("RGB").getcolors(1 << 20)
    assert colours is not None
    assert len(colours) > 50
    files = {path: path.read_bytes() for path in (tmp_path / "runs").glob("*/rows/*")}
    assert harness(*told) == (status, out, err)  # nothing is measured again
    assert {path: path.read_bytes() for path in (tmp_path / "runs").glob("*/rows/*")} == files


def test_a_grid_of_two_shifts(harness: Harness, tmp_path: Path) -> None:
    told = (*SWEEP, "--shift", "haze=0:1:2", "--shift", "glow=0:1:2", "--episodes", "1", "--out", "g.pdf")
    status, out, _ = harness(*told)
    assert status == 0
    assert [line.split("  ")[0] for line in out.splitlines()[2:]] == [
        f"haze={x}, glow={y}" for x in (0, 1) for y in (0, 1)
    ]
    assert (tmp_path / "g.pdf").read_bytes().startswith(b"%PDF")


WRONG = {
    "no such shift": (("--shift", "hase=0:1:3"), "Did you mean 'haze'"),
    "beyond the range": (("--shift", "haze=0:2:3"), "goes from 0 to 1"),
    "no range": (("--shift", "haze=0.5"), "NAME=LOW:HIGH:COUNT"),
    "no numbers": (("--shift", "haze=a:b:3"), "NAME=LOW:HIGH:COUNT"),
    "falling": (("--shift", "haze=1:0:3"), "from a low value to a higher one"),
    "one value": (("--shift", "haze=0:1:1"), "2 to 101 values"),
    "no end": (("--shift", "haze=0:inf:3"), "with a number"),
    "three shifts": (("--shift", "haze=0:1:3", "--shift", "glow=0:1:3", "--shift", "haze=0:1:2"), "one shift or two"),
    "one shift twice": (("--shift", "haze=0:1:3", "--shift", "haze=0:1:2"), "one shift or two"),
    "too many points": (("--shift", "haze=0:1:50", "--shift", "glow=0:1:50"), "at most 1000 points"),
    "untrained": (("--shift", "haze=0:1:3", "--agent", "tests.harness.learner:AGENT"), "A sweep trains nothing"),
    "a picture that is none": (("--shift", "haze=0:1:3", "--out", "a.gif"), ".png, .pdf, .csv"),
    "a file of the agent that is not there": (
        ("--shift", "haze=0:1:3", "--agent-file", "no.npz"),
        "no no.npz (given by",
    ),
    "an outcome that is none": (("--shift", "haze=0:1:3", "--on", "length"), "Unknown outcome 'length'"),
    "a checkpoint of what does not learn": (
        ("--shift", "haze=0:1:3", "--checkpoint", "nowhere"),
        "--checkpoint makes no sense",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_use_is_one_sentence_before_any_work(harness: Harness, tmp_path: Path, case: str) -> None:
    arguments, words = WRONG[case]
    started = time.monotonic()
    status, out, err = harness(*SWEEP, *arguments)
    assert (status, out) == (2, "")
    assert words in err
    assert len(err.strip().splitlines()) == 1
    assert time.monotonic() - started < 10
    assert not (tmp_path / "runs").exists()


def test_a_suite_without_shifts_has_none_to_go_along(harness: Harness) -> None:
    status, _, err = harness("sweep", "--suite", "harness.testing:SUITE", *SEEKER, "--shift", "haze=0:1:3")
    assert status == 2
    assert "haze" in err
