"""`harness check`, `harness check --plan` and `harness baseline save` on runs as people have them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from harness import evaluate
from harness.testing import SUITE
from tests.harness.noisy import Noisy
from tests.harness.test_cli_leaderboard import rows_of, write

Harness = Callable[..., tuple[int, str, str]]
SHORT = {"episode_frames": 20}


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real evaluations of the dot suite: one policy twice, on other episodes, on one alone; and with noise."""
    root = tmp_path_factory.mktemp("measured")
    runs = {"first": (0, 12, 42), "second": (0, 12, 42), "noisy": (2, 12, 42), "short": (0, 1, 42), "other": (0, 30, 7)}
    for name, (noise, episodes, seed) in runs.items():
        identity = f"noise {noise}"
        told = {"episodes": episodes, "eval_seed": seed, "identity": identity, "save": root / name, "protocol": SHORT}
        evaluate(Noisy(noise), SUITE, **told)  # type: ignore[arg-type]
    return root


def test_a_policy_measured_again_passes(harness: Harness, measured: Path) -> None:
    status, out, err = harness("check", str(measured / "second"), "--baseline", str(measured / "first"))
    assert (status, err) == (0, "")
    assert out.startswith("Not worse: no task lost more than 5% of return.")
    assert "48 of 48 pairs of episodes went exactly as in the baseline" in out


def test_a_policy_measured_on_other_episodes_passes(harness: Harness, measured: Path) -> None:
    status, out, _ = harness("check", str(measured / "other"), "--baseline", str(measured / "first"), "--margin", "10%")
    assert status == 0
    assert "in pairs" not in out


def test_noise_on_the_actions_fails(harness: Harness, measured: Path) -> None:
    sides = (str(measured / "noisy"), "--baseline", str(measured / "first"))
    status, out, err = harness("check", *sides)
    assert (status, out) == (2, "")  # settings of the agent differ, and nobody said that they may
    assert "config_hash: baseline" in err
    assert "--across config_hash." in err
    status, out, err = harness("check", *sides, "--across", "config_hash")
    assert (status, err) == (1, "")
    assert out.startswith("Worse: more than 5% of return is lost on dot_reach")
    assert harness("check", *sides, "--across", "config_hash", "--margin", "100%")[0] == 0


def test_too_few_episodes_cannot_tell(harness: Harness, measured: Path) -> None:
    sides = ("check", str(measured / "short"), "--baseline", str(measured / "first"))
    status, out, err = harness(*sides)
    assert (status, err) == (3, "")
    assert "at least 2 are needed" in out
    assert harness(*sides, "--inconclusive", "pass")[0] == 0
    assert harness(*sides, "--inconclusive", "fail")[0] == 1


def test_a_frozen_baseline_says_the_same_and_is_refused_when_altered(
    harness: Harness, measured: Path, tmp_path: Path
) -> None:
    assert harness("baseline", "save", str(measured / "first"), "b.json") == (0, "b.json: 48 episodes\n", "")
    live = harness("check", str(measured / "noisy"), "--baseline", str(measured / "first"), "--across", "config_hash")
    assert harness("check", str(measured / "noisy"), "--baseline", "b.json", "--across", "config_hash") == live
    path = tmp_path / "b.json"
    path.write_text(path.read_text().replace('"episode":1,', '"episode":2,', 1))
    status, out, err = harness("check", str(measured / "second"), "--baseline", "b.json")
    assert (status, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert "altered" in err


def test_every_format_goes_into_a_file(harness: Harness, measured: Path, tmp_path: Path) -> None:
    for fmt in ("text", "markdown", "junit", "json"):
        sides = ("check", str(measured / "second"), "--baseline", str(measured / "first"))
        status, out, _ = harness(*sides, "--format", fmt, "--out", f"answer.{fmt}")
        assert status == 0
        assert out.startswith("Not worse")
    assert json.loads((tmp_path / "answer.json").read_text())["verdict"] == "not worse"
    assert ElementTree.parse(tmp_path / "answer.junit").getroot()[0].get("tests") == "2"
    assert "✅" in (tmp_path / "answer.markdown").read_text()


def test_each_setting_may_be_a_line(harness: Harness, measured: Path) -> None:
    sides = ("check", str(measured / "second"), "--baseline", str(measured / "first"), "--format", "json")
    assert len(json.loads(harness(*sides)[1])["lines"]) == 2
    lines = json.loads(harness(*sides, "--each-setting")[1])["lines"]
    assert [line["settings"] for line in lines] == [["backdrop"], ["train"]] * 2
    assert [line["task"] for line in json.loads(harness(*sides, "--task", "dot_stay")[1])["lines"]] == ["dot_stay"]


def test_the_plan_says_what_a_gate_would_see(harness: Harness, tmp_path: Path) -> None:
    write(tmp_path / "a", rows_of("pieg", 800, seeds=4, episodes=5))
    status, out, err = harness("check", "--plan", "--baseline", "a", "--episodes", "5,500", "--seeds", "4,40")
    assert (status, err) == (0, "")
    lines = [line.split() for line in out.splitlines()]
    assert lines[0][:4] == ["task", "chance", "is", "in"]
    sizes = {tuple(line[1:4]) for line in lines[1:]}
    assert {("episodes", "4", "5"), ("episodes", "4", "500"), ("seeds", "40", "5"), ("seeds", "4", "500")} <= sizes
    found = json.loads(harness("check", "--plan", "--baseline", "a", "--format", "json", "--episodes", "5,500")[1])
    few, many = (line for line in found["lines"] if line["noise"] == "episodes" and line["name"] == "walker_walk")
    assert few["drop_seen"] > many["drop_seen"] > few["margin"]
    assert few["unchanged_passes"] <= many["unchanged_passes"]
    assert " ".join(lines[-1]).startswith("all seeds, others 40 5")
    several = [line for line in found["lines"] if (line["noise"], line["seeds"], line["episodes"]) == ("seeds", 4, 5)]
    same, others = (line for line in several if line["name"] == "walker_walk")
    assert (same["same_seeds"], others["same_seeds"]) == (True, False)
    assert others["drop_seen"] < same["drop_seen"]


def test_a_run_that_is_not_finished_is_no_candidate(harness: Harness, tmp_path: Path) -> None:
    write(tmp_path / "a", rows_of("pieg", 800))
    write(tmp_path / "b", rows_of("pieg", 800))
    (tmp_path / "b" / "record.json").write_text(json.dumps({"run_id": "r", "status": "interrupted"}))
    status, out, err = harness("check", "b", "--baseline", "a")
    assert (status, out) == (2, "")
    assert "Run r is interrupted" in err
    assert harness("baseline", "save", "b", "b.json")[0] == 2
    (tmp_path / "b" / "record.json").write_text(json.dumps({"run_id": "r", "status": "finished"}))
    assert harness("check", "b", "--baseline", "a")[0] == 0


def test_a_damaged_file_is_no_verdict(harness: Harness, tmp_path: Path) -> None:
    write(tmp_path / "a", rows_of("pieg", 800))
    store = write(tmp_path / "b", rows_of("pieg", 800))
    path = next(store.folder.glob("*.parquet"))
    path.write_bytes(path.read_bytes()[:-9])
    status, out, err = harness("check", "b", "--baseline", "a")
    assert (status, out, len(err.splitlines())) == (2, "", 1)
    assert path.name in err


WRONG = {
    "no baseline": (("check", "a"), "--baseline RUN_OR_FILE"),
    "no candidate": (("check", "--baseline", "a"), "Name the run to check"),
    "nothing there": (("check", "nowhere", "--baseline", "a"), "No rows at nowhere"),
    "no such baseline": (("check", "a", "--baseline", "nowhere.json"), "nowhere.json"),
    "a margin that is none": (("check", "a", "--baseline", "a", "--margin", "much"), "--margin is a share"),
    "another outcome": (("check", "a", "--baseline", "a", "--on", "length"), "--on is return or success"),
    "an alpha that is none": (("check", "a", "--baseline", "a", "--alpha", "5"), "--alpha is above 0"),
    "a noise that is none": (("check", "a", "--baseline", "a", "--noise", "tasks"), "--noise is auto"),
    "across the task": (("check", "a", "--baseline", "a", "--across", "task"), "Cannot compare across 'task'"),
    "a format that is none": (("check", "a", "--baseline", "a", "--format", "html"), "Unknown format 'html'"),
    "junit of a plan": (("check", "--plan", "--baseline", "a", "--format", "junit"), "Unknown format 'junit'"),
    "a task misspelt": (("check", "a", "--baseline", "a", "--task", "walker_wlk"), "Did you mean 'walker_walk'"),
    "half a plan": (("check", "a", "--baseline", "a", "--episodes", "5"), "go with --plan only"),
    "a plan of a run": (("check", "a", "--plan", "--baseline", "a"), "name no run"),
    "a plan of no episodes": (("check", "--plan", "--baseline", "a", "--episodes", "0"), "--episodes takes numbers"),
    "inconclusive as what": (("check", "a", "--baseline", "a", "--inconclusive", "skip"), "pass or fail"),
    "a folder that is not there": (("check", "a", "--baseline", "a", "--out", "x/y.xml"), "There is no folder x"),
    "two baselines, one frozen": (("check", "a", "--baseline", "a", "--baseline", "frozen.json"), "is compared alone"),
    "frozen into what": (("baseline", "save", "a", "b.txt"), "ends in .json"),
    "frozen from nothing": (("baseline", "save", "nowhere", "b.json"), "No rows at nowhere"),
    "two ways of measuring": (("check", "both", "--baseline", "a"), "measured in two ways: code_revision"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_use_is_one_sentence_and_never_a_verdict(harness: Harness, tmp_path: Path, case: str) -> None:
    write(tmp_path / "a", rows_of("pieg", 800, seeds=1, episodes=2))
    (tmp_path / "frozen.json").write_text("{}")
    write(tmp_path / "both" / "x", rows_of("pieg", 800, seeds=1, episodes=2))
    write(tmp_path / "both" / "y", [replace(row, code_revision="def") for row in rows_of("pieg", 800, seeds=1)])
    arguments, told = WRONG[case]
    status, out, err = harness(*arguments)
    assert (status, out) == (2, "")
    assert told in err
    assert len(err.strip().splitlines()) == 1


def test_a_fault_of_the_gate_is_no_verdict(harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.reports import gate

    def fail(*_: object) -> None:
        raise ZeroDivisionError("made up")

    write(tmp_path / "a", rows_of("pieg", 800))
    monkeypatch.setattr(gate, "judge", fail)
    status, out, err = harness("check", "a", "--baseline", "a")
    assert (status, out) == (2, "")
    assert "no verdict: ZeroDivisionError: made up" in err
