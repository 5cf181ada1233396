"""The leaderboards that are kept in the repository are those of the rows that are kept there."""

from __future__ import annotations

from pathlib import Path

from harness.cli import suite_facts
from harness.reports.boards import measured_boards, published_boards, write_boards
from harness.reports.leaderboard_command import load_selected
from tests.reports.test_ranking import FACTS, made

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "reports" / "generated"
MEASURED = ROOT / "results" / "laptop"


def test_making_them_again_changes_nothing():
    boards = published_boards()
    if MEASURED.is_dir():
        rows = load_selected([MEASURED], {})
        facts = suite_facts(map(str, rows["suite"].unique()), ())
        boards |= measured_boards(rows, facts, across=["code_revision"])
    kept = {path.name: path.read_text(encoding="utf-8") for path in KEPT.glob("*.md") if path.name != "README.md"}
    assert kept == {name: text + "\n" for name, text in boards.items()}


def test_a_file_per_suite_whatever_its_name(cell, tmp_path):
    rows = made(cell, {"pieg": 500.0}, suite="../a b")
    paths = write_boards(measured_boards(rows, FACTS), tmp_path)
    assert [path.name for path in paths] == ["a_b.md"]
    assert "pieg" in paths[0].read_text()
    assert list(published_boards({"adroit": None})) == ["published_adroit.md"]
