"""Leaderboards as Markdown files that are kept: one per suite that was measured, one per suite that papers measured."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.reports.board_sheets import leaderboard_sheets
from harness.reports.intervals import STUDENT, Method
from harness.reports.leaderboard import SuiteFacts
from harness.reports.published_tables import published_sheets
from harness.reports.ranking import build_leaderboard
from harness.reports.sheets import show
from harness.results.published import load_published_texts

if TYPE_CHECKING:
    import pandas as pd


def measured_boards(
    rows: pd.DataFrame, facts: Mapping[str, SuiteFacts], *, method: Method = STUDENT, across: Sequence[str] = ()
) -> dict[str, str]:
    """By file name, the leaderboard of each suite in some rows; options as those of `build_leaderboard`."""
    boards = {}
    for suite in sorted(map(str, rows["suite"].unique())):
        here = rows[(rows["suite"] == suite).to_numpy()]
        found = build_leaderboard(here, facts, method=method, across=across)
        boards[f"{_file_name(suite)}.md"] = show(leaderboard_sheets(found), "md")
    return boards


def published_boards(wanted: Mapping[str, Sequence[str] | None] | None = None) -> dict[str, str]:
    """By file name, what papers published of each of their suites."""
    suites = dict.fromkeys(line["suite"] for line in load_published_texts())
    chosen = dict.fromkeys(suites) if wanted is None else dict(wanted)
    return {
        f"published_{_file_name(suite)}.md": show(published_sheets({suite: settings}), "md")
        for suite, settings in sorted(chosen.items())
    }


def write_boards(boards: Mapping[str, str], folder: Path) -> list[Path]:
    """Writes the texts, each with a newline at its end."""
    for name, text in boards.items():
        (folder / name).write_text(text + "\n", encoding="utf-8")
    return [folder / name for name in boards]


def _file_name(suite: str) -> str:
    return re.sub(r"\W+", "_", suite).strip("_") or "suite"
