"""One page about some runs: what came out, then tables, pictures, learning curves, conditions, how to repeat it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.reports.board_pages import board_sections, verdict
from harness.reports.board_plots import drawn, write_plots
from harness.reports.leaderboard import Leaderboard, SuiteFacts
from harness.reports.pages import Block, Notes, Page, Section, Table, Texts, render_page
from harness.reports.render import as_sheet, format_estimate
from harness.reports.run_pages import conditions, curves_figure, curves_of, how_to, logs_of
from harness.reports.run_sources import RunSource
from harness.reports.suite_tables import suite_tables
from harness.reports.table import MEAN, MISSING
from harness.reports.table import Table as FilledTable

if TYPE_CHECKING:
    import pandas as pd


def build_report(
    rows: pd.DataFrame,
    found: Leaderboard,
    facts: Mapping[str, SuiteFacts],
    sources: Sequence[RunSource],
    episodes: Sequence[Section] = (),
) -> str:
    """The page, as HTML that needs nothing else.

    Args:
      rows: as from `harness.results.store.load_rows`.
      found: their leaderboard.
      facts: by suite.
      sources: where they are from.
      episodes: pictures of some of them.
    """
    tables = suite_tables(rows, facts)
    told = list(verdict(found)) or [text for suite, table in tables.items() for text in _told(suite, table)]
    sections = [
        Section("Before you use these numbers", tuple(_warnings(rows))),
        *(_results(suite, table) for suite, table in tables.items()),
        *(board_sections(found) if found.boards else ()),
        Section("Learning curves", tuple(picture for source in sources for picture in curves_of(source))),
        *episodes,
        *(_conditions(source, rows) for source in sources),
        *(Section(f"How to reproduce: {source.run_id}", tuple(how_to(source))) for source in sources),
    ]
    agents = ", ".join(sorted(map(str, rows["agent"].unique())))
    return render_page(Page(f"{agents} on {', '.join(tables)}", tuple(told), tuple(sections)))


def write_figures(found: Leaderboard, sources: Sequence[RunSource], folder: Path, suffix: str) -> list[Path]:
    """Every picture of a report as a file of its own.

    Args:
      folder: is made if absent.
      suffix: one of `board_plots.SUFFIXES`.
    """
    paths = write_plots(found, folder, suffix)
    for source in sources:
        for number, figure in enumerate(map(curves_figure, logs_of(source)), start=1):
            plain = "".join(c if (c.isalnum() and c.isascii()) or c in "-_." else "_" for c in source.run_id)[:100]
            paths.append(folder / f"{plain}_curves{number}{suffix}")
            paths[-1].write_bytes(drawn(figure, suffix))
    return paths


def _told(suite: str, table: FilledTable) -> Iterator[str]:
    """What a table says in a sentence per agent and shifted setting, where no leaderboard counts the rows."""
    expected = table.expected
    wanted = MEAN if len(expected.tasks) > 1 else expected.tasks[0]
    for line in table.lines:
        if line.task != wanted or line.setting == expected.train_setting or line.status == MISSING:
            continue
        estimate = line.success if expected.metric == "success" else line.episode_return
        decimals = 2 if expected.metric == "success" else None
        gap = f"; gap {format_estimate(line.gap, decimals=decimals)}" if line.gap is not None else ""
        reached = f"{format_estimate(estimate, decimals=decimals)} ({expected.metric})"
        yield f"{suite}, {line.setting}: {line.agent} {reached}{gap}."


def _results(suite: str, table: FilledTable) -> Section:
    sheet = as_sheet(table)
    return Section(f"Results: {suite}", (*(Table(grid) for grid in sheet.grids), Notes(sheet.notes)))


def _warnings(rows: pd.DataFrame) -> Iterator[Block]:
    """What nobody may overlook: stand-ins, presets that prove nothing, what rows note of themselves."""
    stand_ins = sorted({str(text) for text in rows["stand_ins"].unique()} - {""})
    told = [f"Made with stand-ins for real files ({text}): these are no measurements." for text in stand_ins]
    if ((rows["preset"] == "quick") & (rows["train_frames"] > 0)).any():
        told.append("Preset quick shows that everything works; its numbers say nothing about an agent.")
    told += [f"Note: {text}." for text in sorted({str(text) for text in rows["notes"].unique()} - {""})]
    if told:
        yield Notes(tuple(told), "warning")


def _conditions(source: RunSource, rows: pd.DataFrame) -> Section:
    mine = rows[(rows["run_id"] == source.run_id).to_numpy()]
    return Section(f"Conditions: {source.run_id}", (Texts(("field", "value"), conditions(mine)),))
