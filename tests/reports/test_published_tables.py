"""The papers' tables come out as the files have them, digit by digit."""

from __future__ import annotations

import csv
import re

import pytest

from harness.reports.published_tables import published_sheets
from harness.reports.sheets import show
from harness.results.published import FOLDER, SOURCES

SEED = ("pieg_workshop_table1_video", "pieg_workshop_table2_drawerworld", "pieg_workshop_table3_layers")


@pytest.mark.parametrize("stem", SOURCES)
def test_every_number_of_every_file_stands_in_its_cell(stem):
    sheet = next(s for s in published_sheets() if s.title == f"{SOURCES[stem]} †")
    shown: dict[tuple[str, ...], str] = {}
    for grid in sheet.grids:
        for setting, lines in grid.sections:
            for task, *cells in lines:
                for agent, cell in zip(grid.header[1:], cells, strict=True):
                    shown[grid.title, setting, task.text, agent] = cell.text
    with (FOLDER / f"{stem}.csv").open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            place = (
                f"{line['table']}: {line['suite']}, {line['metric']}",
                line["setting"],
                line["task"],
                line["agent"],
            )
            printed = line["mean"] + (f" ±{line['std']}" if line["std"] else "")
            assert (printed or "missing") in shown[place].split(" / ")


def test_the_video_table_of_the_workshop_paper_in_full():
    """Table 1, the block of video_hard, typed from the paper's text."""
    (sheet, *_) = published_sheets({"dmcgb": ("video_hard",)})
    lines = [re.split(r"\s{2,}", line.strip()) for line in show([sheet], "text").splitlines()]
    table = {line[0]: line[1:] for line in lines if len(line) == 6}
    assert table["task"] == ["DrQ", "DrQ-v2", "SVEA", "TLDA", "PIE-G"]
    assert table["cartpole_swingup"] == ["138 ±9", "130 ±3", "393 ±45", "286 ±47", "401 ±21"]
    assert table["walker_walk"] == ["104 ±22", "34 ±11", "377 ±93", "271 ±55", "600 ±28"]
    assert table["finger_spin"] == ["71 ±45", "21 ±4", "335 ±58", "241 ±29", "762 ±59"]
    assert len(table) == 7


def test_missing_cells_are_missing():
    sheets = published_sheets({"drawerworld": None})
    table = next(s for s in sheets if s.title.startswith(SOURCES[SEED[1]]))
    for _, lines in table.grids[0].sections:
        (_, *cells) = next(line for line in lines if line[0].text == "drawer-open")
        assert [cell.text for cell in cells] == ["missing"] * 3
    assert all("missing" not in cell.text for _, lines in table.grids[0].sections for cell in lines[0])


def test_only_what_was_asked_for():
    assert published_sheets({"nothing": None}) == []
    assert {grid.title.split(": ")[1] for s in published_sheets({"adroit": None}) for grid in s.grids} == {
        "adroit, return",
        "adroit, success",
    }
