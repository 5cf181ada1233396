"""`harness leaderboard` on runs of every condition: whole, at work, torn, damaged, repeated, empty."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from harness.results.rows import Row
from harness.results.store import RowStore
from tests.results.test_store import ROW

Harness = Callable[..., tuple[int, str, str]]
TASKS = ("walker_walk", "cheetah_run")


def rows_of(agent: str, mean: float, *, seeds: int = 3, episodes: int = 4, **others: object) -> list[Row]:
    rng = np.random.default_rng(len(agent))
    return [
        replace(
            ROW,
            **{
                "agent": agent,
                "run_id": f"run-{agent}",
                "task": task,
                "setting": setting,
                "train_seed": seed,
                "eval_seed": seed + 42,
                "episode": episode,
                "episode_return": float(mean * share + rng.normal(0, 10)),
                "preset": "laptop",
                **others,
            },
        )
        for task in TASKS
        for setting, share in (("train", 1.0), ("video_hard", 0.5))
        for seed in range(seeds)
        for episode in range(episodes)
    ]


def write(folder: Path, rows: list[Row], *, complete: bool = True) -> RowStore:
    store = RowStore(folder / "rows")
    for row in rows:
        store.append(row)
    for cell in store.cells() if complete else ():
        store.complete(*cell)
    return store


def test_two_agents_side_by_side_with_published_numbers(harness: Harness, tmp_path: Path) -> None:
    write(tmp_path / "runs" / "a", rows_of("good", 800))
    write(tmp_path / "runs" / "b", rows_of("poor", 200))
    status, out, err = harness("leaderboard")
    assert (status, err) == (0, "")
    assert "Leaderboard: video_hard v1" in out
    line = next(text for text in out.splitlines() if text.startswith("  cheetah_run") and "154 ±17" in text)
    assert " * " in line  # good is better, and so in bold
    standing = next(text for text in out.splitlines() if text.startswith("good "))
    assert standing.split()[1:3] == ["1", "[1,"]
    status, out, _ = harness("leaderboard", "runs/a", "runs/b", "--format", "json", "--suite", "video_hard")
    assert status == 0
    rankings = json.loads(out)["boards"][0]["rankings"]
    assert {"good", "poor"} == set(rankings[0]["standings"])


@pytest.mark.parametrize("fmt", ["text", "md", "latex", "html", "csv"])
def test_every_format_names_the_agents(harness: Harness, tmp_path: Path, fmt: str) -> None:
    write(tmp_path / "a", rows_of("good", 800))
    status, out, _ = harness("leaderboard", "a", "--format", fmt, "--interval", "percentile")
    assert status == 0
    assert "good" in out


def test_what_keeps_two_runs_apart(harness: Harness, tmp_path: Path) -> None:
    write(tmp_path / "a", rows_of("pieg", 800))
    write(tmp_path / "b", rows_of("pieg", 800, code_revision="def", run_id="other"))
    status, out, _ = harness("leaderboard", "a", "b", "--why")
    assert (status, out) == (
        0,
        "pieg (a) and pieg (b) were not measured alike: code_revision: pieg (a) abc, pieg (b) def.\n",
    )
    assert "2 boards" in harness("leaderboard", "a", "b")[1]
    assert "2 boards" not in harness("leaderboard", "a", "b", "--across", "code_revision")[1]
    assert harness("leaderboard", "a", "--why")[1].startswith("Nothing is kept apart")


def test_stand_ins_are_counted_and_left_out(harness: Harness, tmp_path: Path) -> None:
    write(tmp_path / "a", rows_of("real", 800))
    write(tmp_path / "b", rows_of("fake", 900, stand_ins="videos"))
    _, out, _ = harness("leaderboard", "a", "b")
    assert "fake" not in out
    assert "Left out: 48 episodes measured with stand-ins" in out
    status, out, _ = harness("leaderboard", "b")
    assert (status, "Nothing to rank" in out) == (0, True)


def test_a_run_at_work_with_a_torn_line_is_partial(harness: Harness, tmp_path: Path) -> None:
    write(tmp_path / "a", rows_of("done", 800))
    store = write(tmp_path / "b", rows_of("busy", 500)[:-2], complete=False)
    with next(store.folder.glob("*seed2.jsonl")).open("a") as file:
        file.write('{"torn":')
    status, out, err = harness("leaderboard", "a", "b")
    assert (status, err) == (0, "")
    assert "(partial)" in out
    assert "busy has cells with fewer episodes" in out


def test_a_damaged_file_is_left_out_in_one_sentence(harness: Harness, tmp_path: Path) -> None:
    store = write(tmp_path / "a", rows_of("done", 800))
    path = next(store.folder.glob("*.parquet"))
    path.write_bytes(path.read_bytes()[:-9])
    status, out, err = harness("leaderboard", "a")
    assert status == 0
    assert err.startswith("Left out: ")
    assert len(err.splitlines()) == 1
    assert path.name in err
    assert "(partial)" in out or "missing" in out


def test_a_future_schema_is_left_out_in_one_sentence(harness: Harness, tmp_path: Path) -> None:
    store = write(tmp_path / "a", rows_of("done", 800))
    path = next(store.folder.glob("*.parquet"))
    pq.write_table(pq.read_table(path).replace_schema_metadata({"rows_schema_version": "99"}), path)
    _, _, err = harness("leaderboard", "a")
    assert "version 99" in err
    assert len(err.splitlines()) == 1


def test_repeated_episodes_count_once_and_contradictions_are_told(harness: Harness, tmp_path: Path) -> None:
    rows = rows_of("pieg", 800)
    write(tmp_path / "a", rows)
    write(tmp_path / "b", rows)
    once, twice = harness("leaderboard", "a")[1], harness("leaderboard", "a", "b")[1]
    assert once == twice
    write(tmp_path / "c", [replace(row, episode_return=0.0) for row in rows[:5]])
    assert "different outcomes: 5 episodes." in harness("leaderboard", "a", "c")[1]


def test_pictures_are_written_and_named(harness: Harness, tmp_path: Path) -> None:
    write(tmp_path / "a", rows_of("good", 800))
    _, _, err = harness("leaderboard", "a", "--plots", "pictures", "--plot-format", "svg")
    assert err.splitlines() == ["pictures/video_hard_intervals.svg", "pictures/video_hard_profiles.svg"]
    assert (tmp_path / "pictures" / "video_hard_profiles.svg").exists()


def test_the_papers_tables(harness: Harness, tmp_path: Path) -> None:
    status, out, _ = harness("leaderboard", "--published", "--suite", "video_hard")
    assert status == 0
    assert "600 ±28" in out
    assert "video_easy" not in out.split("PIE-G (NeurIPS)")[0]
    assert (
        "drawer-open   missing  missing  missing" in harness("leaderboard", "--published", "--suite", "drawerworld")[1]
    )
    everything = harness("leaderboard", "--published", "--format", "md")[1]
    assert "ResNet layer 2" in everything
    assert harness("leaderboard", "--published", "--suite", "robosuite")[0] == 0
    assert "RL-ViGen, bar charts, approximate" in harness("list", "published")[1]


WRONG = {
    "no such folder": (("leaderboard", "nowhere"), "No rows at nowhere"),
    "nothing there": (("leaderboard", "empty"), "nothing has been measured there yet"),
    "no runs at all": (("leaderboard",), "No rows at runs"),
    "a format that is none": (("leaderboard", "a", "--format", "word"), "Formats: terminal"),
    "an interval that is none": (("leaderboard", "a", "--interval", "bca"), "Kinds: student, percentile"),
    "a suite misspelt": (("leaderboard", "a", "--suite", "video_hrad"), "Did you mean 'video_hard'"),
    "a task that is not there": (("leaderboard", "a", "--task", "walker_run"), "Did you mean 'walker_walk'"),
    "across the agent": (("leaderboard", "a", "--across", "agent"), "Cannot compare across 'agent'"),
    "a picture that is none": (("leaderboard", "a", "--plots", "p", "--plot-format", "gif"), "Unknown picture format"),
    "published without numbers": (("leaderboard", "--published", "--suite", "dmcgb2"), "no published numbers"),
    "published misspelt": (("leaderboard", "--published", "--suite", "adriot"), "Did you mean 'adroit'"),
    "published as numbers": (("leaderboard", "--published", "--format", "csv"), "Unknown format 'csv'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_use_is_one_sentence_and_status_two(harness: Harness, tmp_path: Path, case: str) -> None:
    write(tmp_path / "a", rows_of("good", 800, seeds=1, episodes=1))
    (tmp_path / "empty").mkdir()
    arguments, told = WRONG[case]
    status, out, err = harness(*arguments)
    assert (status, out) == (2, "")
    assert told in err
    assert len(err.strip().splitlines()) == 1


def test_a_site_and_a_report(harness: Harness, tmp_path: Path) -> None:
    write(tmp_path / "runs" / "a", rows_of("good", 800))
    (tmp_path / "sent").mkdir()
    (tmp_path / "sent" / "bad.zip").write_bytes(b"PK")
    status, out, err = harness("leaderboard", "runs", "sent", "--html", "site")
    assert (status, out) == (0, "site/index.html  3 pages\n")
    assert err == "Refused: sent/bad.zip: it is no submission, or was cut short.\n"
    assert "video_hard (2 of 6 tasks): good reaches" in (tmp_path / "site" / "index.html").read_text()
    status, out, err = harness("report", "runs", "--out", "page.html", "--figures", "figures")
    assert (status, err) == (0, "")
    names = ["page.html", "figures/video_hard_intervals.png", "figures/video_hard_profiles.png"]
    assert out.split() == names
    assert all((tmp_path / name).is_file() for name in names)


def test_wrong_use_of_site_and_report_is_one_sentence(harness: Harness, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.zip").write_bytes(b"PK")
    for arguments, told in (
        (("leaderboard", "--html", "site", "--published"), "as they were printed: give it without --html"),
        (("leaderboard", "empty", "--published", "--across", "notes"), "give it without runs and --across"),
        (
            ("leaderboard", "empty", "--html", "site", "--why"),
            "--html makes a site of what was measured: give it without --why",
        ),
        (
            ("leaderboard", "empty", "--html", "site", "--write", "empty"),
            "--write makes Markdown: give it without --html",
        ),
        (("leaderboard", "empty", "--write", "empty", "--format", "csv"), "give it without --format csv"),
        (("leaderboard", "empty", "--plot-format", "pdf"), "--plot-format goes with --plots only"),
        (("leaderboard", "--published", "--plot-format", "svg"), "--plot-format goes with --plots only"),
        (("leaderboard", "bad.zip", "--html", "site"), "bad.zip is refused: it is no submission"),
        (("leaderboard", "empty", "--html", "site"), "nothing has been measured there yet"),
        (("leaderboard", "none.zip"), "none.zip"),
        (("report", "empty"), "nothing has been measured there yet"),
        (("report", "none"), "no such file or folder"),
        (("report", "empty", "--out", "a.pdf"), "--out takes a path that ends in .html"),
        (("report", "empty", "--figure-format", "bmp"), "Unknown picture format 'bmp'"),
    ):
        status, out, err = harness(*arguments)
        assert (status, out) == (2, ""), arguments
        assert told in err, arguments
        assert err.splitlines()[-1].startswith("error: ")
    assert not (tmp_path / "site").exists()


def test_a_path_that_leads_nowhere_is_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    """Else the sentence comes after a second and more."""
    commands = [["leaderboard", "none"], ["report", "none"], ["baseline", "save", "none", "b.json"]]
    commands += [["check", "none", "--baseline", "."], ["check", ".", "--baseline", "none"]]
    code = f"""
import sys
from harness.cli import main
for arguments in {commands}:
    sys.argv = ["harness", *arguments]
    try:
        main()
    except SystemExit as stop:
        loaded = [name for name in ("numpy", "pandas", "scipy", "pyarrow") if name in sys.modules]
        print(stop.code, loaded, file=open("told", "a"))
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert (tmp_path / "told").read_text().splitlines() == ["2 []"] * len(commands)
    assert run.stderr.splitlines() == ["error: No rows at none: no such file or folder."] * len(commands)
