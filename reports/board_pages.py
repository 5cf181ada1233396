"""A leaderboard as sections of a page: what may be claimed, tables, pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from harness.reports.board_plots import board_figures
from harness.reports.board_sheets import leaderboard_sheets
from harness.reports.intervals import METHODS
from harness.reports.leaderboard import Board, Leaderboard, Ranking
from harness.reports.pages import Block, Notes, Picture, Section, Table, Text, picture_of
from harness.reports.render import format_estimate
from harness.reports.sheets import Cell, Grid
from harness.reports.table import Estimate

PageOf = Callable[[str], str]  # the page of an entrant, by its label; "" for none
_CAPTIONS = {
    "intervals": "mean with its 95 % interval",
    "profiles": "performance profile: the share of trainings and tasks that reach more than a value",
    "improvement": "probability that a training of the first reaches more than one of the second",
}


def verdict(found: Leaderboard, agent: str | None = None) -> Iterator[str]:
    """What a reader takes away: of each suite who is ahead, and whether that may be claimed.

    Args:
      agent: only where one of this agent's is ahead.
    """
    for number, board in enumerate(found.boards, start=1):
        lead = f"Board {number}, " if len(found.boards) > 1 else ""
        for ranking in board.heads:
            if agent not in (None, _leader(board, ranking)):
                continue
            if text := _standing_sentence(board, ranking):
                part = f" ({ranking.place.part})" if ranking.place.part else ""
                yield f"{lead}{ranking.place.suite or ranking.place.name}{part}: {text}"


def _leader(board: Board, ranking: Ranking) -> str | None:
    """The agent with the highest mean."""
    there = [i for i in ranking.order() if ranking.standings[i].score is not None]
    return board.entrants[there[0]].agent if there else None


def _standing_sentence(board: Board, ranking: Ranking) -> str:
    there = [i for i in ranking.order() if ranking.standings[i].score is not None]
    if not there:
        return ""
    first, decimals = there[0], None if ranking.metric == "return" else 2
    best = ranking.standings[first]
    name = board.entrants[first].label
    told = f"{name} reaches {format_estimate(best.score, decimals=decimals)} ({ranking.metric})"
    if best.gap is not None:
        told += f", {_gap(best.gap, decimals)}"
    if len(there) == 1:
        return f"{told}."
    if best.is_best:
        return f"{told}: better than every other agent."
    tied = [board.entrants[i].label for i in there[1:] if set(ranking.standings[i].group) & set(best.group)]
    if tied:
        return f"{told}, the highest mean; it cannot be told apart from {', '.join(tied)}."
    return f"{told}, the highest mean; nothing more can be claimed."


def _gap(gap: Estimate, decimals: int | None) -> str:
    if gap.low is not None and gap.high is not None and gap.low <= 0 <= gap.high:
        return f"no clear difference to the training setting (gap {format_estimate(gap, decimals=decimals)})"
    more = "more" if gap.mean >= 0 else "less"
    size = gap if gap.mean >= 0 else Estimate(-gap.mean, _minus(gap.high), _minus(gap.low), 0, 0)
    return f"and {format_estimate(size, decimals=decimals)} {more} in the training setting"


def _minus(value: float | None) -> float | None:
    return None if value is None else -value


def board_sections(found: Leaderboard, page_of: PageOf = lambda label: "") -> list[Section]:
    """The tables and pictures of every board, each under its own heading."""
    sections = []
    sheets = leaderboard_sheets(found)
    for board, sheet in zip(found.boards, sheets, strict=False):
        pictures = list(_pictures(board, found.method))
        standings = [Table(_linked(grid, page_of)) for grid in sheet.grids[: len(board.heads)]]
        scores = [Table(grid) for grid in sheet.grids[len(board.heads) :]]
        above = [Text(line) for line in sheet.lines]
        blocks: list[Block] = [*above, *standings, *pictures, *scores, Notes(sheet.notes)]
        sections.append(Section(sheet.title, tuple(blocks)))
    if not found.boards:
        sections = [Section(sheets[0].title, (Text("Nothing to rank."), Notes(sheets[0].notes)))]
    return [*sections, Section("Kept apart", tuple(Text(text) for text in found.why))]


def _linked(grid: Grid, page_of: PageOf) -> Grid:
    def linked(line: tuple[Cell, ...]) -> tuple[Cell, ...]:
        return (replace(line[0], href=page_of(line[0].text)), *line[1:])

    return replace(grid, sections=tuple((name, tuple(map(linked, lines))) for name, lines in grid.sections))


def _pictures(board: Board, method: str) -> Iterator[Picture]:
    for name, figure in board_figures(board, METHODS[method]):
        suite, _, kind = name.rpartition("_")
        yield picture_of(figure, f"{suite}: {_CAPTIONS[kind]}")
