"""`harness import` and `harness export`: what was not measured here is marked wherever it is shown."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.results.row_files import write_parquet
from harness.results.store import load_rows
from tests.results.test_foreign import MONITOR
from tests.results.test_store import ROW

Harness = Callable[..., tuple[int, str, str]]
PLACE = ("--suite", "video_hard", "--task", "walker_walk", "--setting", "video_hard", "--agent", "pieg")


@pytest.fixture
def imported(harness: Harness, tmp_path: Path) -> Path:
    """The folder of an imported run, beside a file of measured rows of the same agent and place."""
    (tmp_path / "m.csv").write_text(MONITOR)
    status, out, err = harness("import", "m.csv", "--format", "monitor", *PLACE, "--train-seed", "0")
    assert (status, err) == (0, "")
    assert "2 episodes, m.csv (a monitor.csv of Stable-Baselines3; imported, checked by nobody)" in out
    named = {"suite": "video_hard", "setting": "video_hard", "agent": "pieg", "train_seed": 0, "stand_ins": ""}
    write_parquet([replace(ROW, **named, episode=n) for n in range(2)], tmp_path / "measured.parquet")
    return tmp_path / "runs"


def test_imported_rows_never_meet_measured_ones_unmarked(harness: Harness, imported: Path) -> None:
    for fmt in ("text", "md", "html", "latex", "csv", "json"):
        status, out, _ = harness("leaderboard", "runs", "measured.parquet", "--format", fmt)
        assert status == 0
        assert "pieg (a) ‡" in out or "pieg (a) $^\\ddagger$" in out or "pieg (a) \\u2021" in out
        assert "imported, checked by nobody" in out
    _, out, _ = harness("leaderboard", "runs", "measured.parquet", "--why")
    assert "origin: pieg (a) ‡ m.csv" in out
    status, _, err = harness("check", "measured.parquet", "--baseline", "runs", "--across", "suite_version")
    assert status == 2
    assert "not measured alike" in err
    harness("report", "runs", "measured.parquet", "--out", "page.html")
    page = (imported.parent / "page.html").read_text()
    assert "pieg (a) ‡" in page
    assert "ot measured here, but from m.csv" in page


def test_what_is_exported_is_loaded_equal(harness: Harness, imported: Path) -> None:
    for name in ("rows.csv", "rows.parquet"):
        status, out, _ = harness("export", "runs", "measured.parquet", "--to", name)
        assert (status, out) == (0, f"{name}  4 episodes\n")
        assert load_rows(imported.parent / name).equals(load_rows(imported, imported.parent / "measured.parquet"))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("import", "m.csv", "--format", "monitr", *PLACE), "Did you mean 'monitor'?"),
        (("import", "no.csv", "--format", "monitor", *PLACE), "There is no file no.csv."),
        (("import", "m.csv", "--format", "monitor"), "give --suite"),
        (("import", "m.csv", "--format", "monitor", *PLACE, "--suite", "vido_hard"), "Did you mean 'video_hard'?"),
        (("import", "m.csv", "--format", "monitor", *PLACE, "--task", "walk"), "Unknown task 'walk'"),
        (("import", "m.csv", "--format", "monitor", *PLACE, "--last", "0"), "--last is a number from 1 up, not 0."),
        (("import", "m.csv", "--format", "monitor", *PLACE, "--tag", "x"), "--tag names the scalar"),
        (("import", "m.csv", "--format", "tensorboard", *PLACE), "--tag names the scalar"),
        (("export", "runs", "--to", "rows.xls"), "a file that ends in .csv or .parquet"),
        (("export", "runs", "--to", "no/rows.csv"), "There is no folder no"),
        (("export", "none", "--to", "rows.csv"), "No rows at none"),
        (("export", "runs", "--to", "rows.csv", "--folder", "x"), "--folder goes with"),
    ],
)
def test_wrong_use_is_one_sentence(harness: Harness, imported: Path, arguments: tuple[str, ...], told: str) -> None:
    status, out, err = harness(*arguments)
    assert (status, out) == (2, "")
    assert told in err
    assert len(err.splitlines()) == 1


def test_a_suite_of_others_is_taken_where_asked_for(harness: Harness, imported: Path) -> None:
    others = ("--suite", "theirs", "--task", "t", "--setting", "s", "--agent", "a", "--other-suite")
    status, out, _ = harness("import", "m.csv", "--format", "monitor", *others)
    assert (status, out.count("2 episodes")) == (0, 1)


def test_trackers_that_are_not_there_are_named(
    harness: Harness, imported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for name in ("wandb", "mlflow"):
        status, _, err = harness("export", "runs", "--to", name)
        assert status == 2
        assert f"pip install 'visual-rl-harness[{name}]'" in err


def test_weights_and_biases_offline(harness: Harness, imported: Path) -> None:
    pytest.importorskip("wandb", reason="needs visual-rl-harness[wandb]")
    status, out, err = harness("export", "runs", "--to", "wandb", "--folder", "kept")
    assert status == 0, err
    folder = Path(out.split("  ")[0])
    assert list(folder.glob("*.wandb"))
    (table,) = folder.glob("files/media/table/*.json")
    kept = json.loads(table.read_text())
    at = kept["columns"].index("episode_return")
    assert [line[at] for line in kept["data"]] == [1.5, -2.25]


def test_mlflow_on_disk(harness: Harness, imported: Path) -> None:
    mlflow = pytest.importorskip("mlflow", reason="needs visual-rl-harness[mlflow]")
    status, _, err = harness("export", "runs", "--to", "mlflow", "--folder", "kept", "--project", "p")
    assert status == 0, err
    client = mlflow.MlflowClient(f"sqlite:///{imported.parent / 'kept' / 'mlflow.db'}")
    (run,) = client.search_runs([client.get_experiment_by_name("p").experiment_id])
    assert run.data.metrics["walker_walk/video_hard/return"] == pytest.approx(-0.375)
    assert "imported" in run.data.params["origin"]
