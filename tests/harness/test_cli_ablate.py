"""`harness ablate`: ordinary runs over values of a setting, one table, one curve."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from harness.errors import UsageError
from harness.reports.ablation import ablation_sheet
from harness.running.ablation import parse_axes, plan_ablation
from harness.running.plan import RunOptions

Harness = Callable[..., tuple[int, str, str]]
DOTS = ("--suite", "harness.testing:SUITE", "--agent", "tests.harness.learner:AGENT", "--task", "dot_reach", "--quiet")
SMALL = (*DOTS, "--frames", "100", "--episodes", "2", "--workers", "1")
ABLATE = ("ablate", *SMALL)

WRONG = {
    "a field that does not exist": (("--over", "raet=0.1,0.2"), "Did you mean 'rate'"),
    "a field that the protocol lacks": (
        ("--over", "protocol.image_sise=24,32"),
        "Did you mean 'image_size'",
    ),
    "a value that is refused": (("--over", "rate=0.1,-1"), "greater than 0"),
    "a value of the wrong type": (("--over", "rate=0.1,quick"), "rate"),
    "no values": (("--over", "rate"), "two values or more"),
    "one value": (("--over", "rate=0.1"), "two values or more"),
    "an empty value": (("--over", "rate=0.1, "), "two values or more"),
    "a value twice": (("--over", "rate=0.1,0.1"), "names a value twice"),
    "a value in two spellings": (("--over", "rate=0.1,0.10"), "are the same run"),
    "a field twice": (("--over", "rate=0.1,0.2", "--over", "rate=0.3,0.4"), "given twice"),
    "a field that is set too": (("--over", "rate=0.1,0.2", "--set", "rate=0.3"), "one of the two"),
    "too many runs": (("--over", f"rate={','.join(str(n / 2000) for n in range(1, 1500))}"), "more than 1,000"),
    "nothing to vary": ((), "--over"),
    "a picture of no kind": (("--over", "rate=0.1,0.2", "--out", "x.txt"), "ends in .png, .pdf, .svg"),
    "a picture into nowhere": (("--over", "rate=0.1,0.2", "--out", "no/such/x.png"), "no folder"),
    "a file of the agent that is not there": (
        ("--over", "rate=0.1,0.2", "--agent-file", "no.npz"),
        "no no.npz (given by",
    ),
    "a format of no kind": (("--over", "rate=0.1,0.2", "--format", "xls"), "Unknown format 'xls'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_use_ends_before_any_work(case: str, harness: Harness) -> None:
    arguments, words = WRONG[case]
    status, out, err = harness(*ABLATE, *arguments)
    assert (status, out) == (2, "")
    assert words in err
    assert not Path("runs").exists()


def test_axes_of_lists_and_texts() -> None:
    assert parse_axes(["a=[1, 2],[3]", 'b="x,y",z', "c={},1"]) == {
        "a": ("[1, 2]", "[3]"),
        "b": ('"x,y"', "z"),
        "c": ("{}", "1"),
    }
    with pytest.raises(UsageError, match="at least one --over"):
        parse_axes([])


def test_the_runs_are_ordinary_ones_and_shared(harness: Harness) -> None:
    status, _, _ = harness("run", *SMALL, "--set", "rate=0.02")
    assert status == 0
    (known,) = Path("runs").iterdir()
    before = {path: path.stat().st_mtime_ns for path in known.rglob("*.parquet")}
    arguments = (*ABLATE, "--over", "rate=0.01,0.02", "--over", "protocol.image_size=24,32", "--format", "json")
    status, out, err = harness(*arguments)
    assert status == 0
    told = json.loads(out)
    assert [run["values"] for run in told["runs"]] == [
        {"rate": rate, "protocol.image_size": size} for rate in ("0.01", "0.02") for size in ("24", "32")
    ]
    folders = {path.name for path in Path("runs").iterdir() if path.is_dir()}
    assert {run["run_id"] for run in told["runs"]} == folders
    assert known.name == told["runs"][2]["run_id"]
    assert {path: path.stat().st_mtime_ns for path in known.rglob("*.parquet")} == before
    picture = Path("runs/ablate-dots-learner-rate-protocol.image_size.png")
    assert str(picture) in err
    with Image.open(picture) as image:
        assert image.width > image.height  # two panels, one per size
    lines = [line for line in told["runs"][0]["lines"] if line["setting"] == "train"]
    assert lines[0]["status"] == "complete"
    assert lines[0]["episode_return"]["low"] <= lines[0]["episode_return"]["mean"] <= lines[0]["episode_return"]["high"]
    assert not any("not of one measurement" in note for note in told["notes"])
    # Again, now as text: nothing is measured anew, and a PDF is written where it is asked for.
    stamps = {path: path.stat().st_mtime_ns for path in Path("runs").rglob("*.parquet")}
    status, out, _ = harness(*ABLATE, "--over", "rate=0.01,0.02", "--out", "x.pdf")
    assert status == 0
    assert {path: path.stat().st_mtime_ns for path in Path("runs").rglob("*.parquet")} == stamps
    assert Path("x.pdf").read_bytes().startswith(b"%PDF")
    table = [line.split() for line in out.splitlines()]
    assert ["rate", "train", "dark", "gap", "dark"] in table or any(row[:2] == ["rate", "train"] for row in table)
    assert {"0.01", "0.02"} <= {row[0] for row in table if row}


def test_values_that_act_at_evaluation_vary_with_a_checkpoint(harness: Harness) -> None:
    assert harness("run", *SMALL)[0] == 0
    (trained,) = Path("runs").iterdir()
    evaluation = (
        "ablate",
        *DOTS,
        "--episodes",
        "2",
        "--workers",
        "1",
        "--checkpoint",
        str(trained),
        "--format",
        "json",
    )
    status, out, _ = harness(*evaluation, "--over", "gain=0,1", "--format", "json")
    assert status == 0
    still, moving = (
        [line["episode_return"]["mean"] for line in run["lines"] if line["setting"] == "train"]
        for run in json.loads(out)["runs"]
    )
    assert still != moving


def test_what_is_not_there_and_what_differs_is_told(harness: Harness) -> None:
    from harness.cli import _ablation_table
    from harness.reports.ablation import Point
    from harness.running.ablation import plan_ablation

    assert harness("run", *SMALL, "--set", "rate=0.02")[0] == 0
    options = RunOptions(
        suite="harness.testing:SUITE",
        agent="tests.harness.learner:AGENT",
        tasks=("dot_reach",),
        frames=100,
        episodes=2,
        settings=(),
    )
    text, points = _ablation_table(plan_ablation(options, ["rate=0.01,0.02"]), "text")
    assert "missing" in text
    there = points[1]
    other = Point({"rate": "0.03"}, "x", there.table, {**there.shared, "gl_renderer": "another"})
    (note,) = [n for n in ablation_sheet([there, other], "t").notes if "not of one measurement" in n]
    assert "gl_renderer" in note


def test_files_of_the_agent_make_other_runs(tmp_path: Path) -> None:
    (tmp_path / "weights").write_text("1")
    options = RunOptions("harness.testing:SUITE", "tests.harness.learner:AGENT", device="cpu", runs=tmp_path)
    named = replace(options, agent_files=[str(tmp_path / "weights")])

    def runs(options: RunOptions) -> list[str]:
        return [each.plan.run_id for each in plan_ablation(options, ["rate=0.1,0.2"])]

    first = runs(named)
    assert first == runs(named)
    (tmp_path / "weights").write_text("2")
    assert len({*first, *runs(named), *runs(options)}) == 6
