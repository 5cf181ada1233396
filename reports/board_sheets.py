"""A leaderboard for readers: standings of every suite, then all scores, agents side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.reports.intervals import METHODS
from harness.reports.leaderboard import Board, Leaderboard, Ranking, Standing
from harness.reports.render import NOTHING, format_estimate
from harness.reports.sheets import Cell, Grid, Lines, Sheet
from harness.reports.statistics import LEVEL
from harness.reports.table import MISSING, PARTIAL, Estimate, Published

_SHOWN_CONDITIONS = {  # in the line above a board
    "preset": "preset",
    "image_size": "pixels",
    "frame_stack": "stacked frames",
    "action_repeat": "action repeat",
    "train_frames": "training frames",
    "render_profile": "render profile",
    "gl_renderer": "drawn by",
    "compute": "on",
    "code_revision": "code",
}


def leaderboard_sheets(found: Leaderboard) -> list[Sheet]:
    """One sheet per board, and what belongs to all of them under the last one."""
    sheets = [_sheet(board, number, found) for number, board in enumerate(found.boards, start=1)]
    if not sheets:
        return [Sheet("Leaderboard", ("Nothing to rank.",), (), found.notes)]
    last = sheets[-1]
    notes = (*last.notes, *_reading(found), *found.notes)
    return [*sheets[:-1], Sheet(last.title, last.lines, last.grids, notes)]


def _sheet(board: Board, number: int, found: Leaderboard) -> Sheet:
    suites = ", ".join(_with_version(board, suite) for suite in board.suites())
    title = f"Leaderboard: {suites}" if len(found.boards) == 1 else f"Leaderboard {number}: {suites}"
    told = [f"{words} {_condition(board, name)}" for name, words in _SHOWN_CONDITIONS.items()]
    grids = [*_standings(board), *(_scores(board, suite) for suite in board.suites())]
    return Sheet(title, ("Measured alike: " + "; ".join(told) + ".",), tuple(grids), board.notes)


def _condition(board: Board, name: str) -> str:
    """What all entrants share; imported rows do not say how large their pictures were."""
    value = board.conditions[name]
    return NOTHING if value in ("", *(("0",) if name in ("image_size", "frame_stack") else ())) else value


def _with_version(board: Board, suite: str) -> str:
    versions = {
        str(v) for e in board.entrants if suite in e.variants for v in e.variants[suite].values("suite_version")
    }
    return f"{suite} v{'/'.join(sorted(versions))}"


def _standings(board: Board) -> Iterator[Grid]:
    """A grid for all suites together and for each suite: who stands where, and how sure that is."""
    for ranking in board.heads:
        part = f" ({ranking.place.part})" if ranking.place.part else ""
        title = f"{ranking.place.suite or ranking.place.name}{part}: {ranking.metric}"
        yield Grid(title, _STANDING_HEADER, (("", _standing_lines(board, ranking)),), len(_STANDING_HEADER))


_STANDING_HEADER = ("agent", "rank", "mean", "interquartile mean", "optimality gap", "gap", "best", "group", "seeds")


def _standing_lines(board: Board, ranking: Ranking) -> Lines:
    lines = []
    for index in ranking.order():
        standing, decimals = ranking.standings[index], _decimals(ranking)
        texts = [
            board.entrants[index].label,
            _rank(standing),
            _estimate(standing, standing.score, decimals),
            *(_optional(estimate, decimals) for estimate in (standing.middle, standing.shortfall, standing.gap)),
            NOTHING if standing.best_chance is None else f"{standing.best_chance:.2f}",
            standing.group or NOTHING,
            NOTHING if standing.score is None else str(standing.score.num_seeds),
        ]
        lines.append(tuple(Cell(text, standing.is_best and i == 2) for i, text in enumerate(texts)))
    return tuple(lines)


def _rank(standing: Standing) -> str:
    if standing.rank is None:
        return NOTHING
    if standing.ranks is None:
        return f"{standing.rank}"
    low, high = standing.ranks
    return f"{standing.rank} [{low}, {high}]"


def _scores(board: Board, suite: str) -> Grid:
    """Everything measured in a suite: a section per setting, agents in columns, published ones behind."""
    mine = [ranking for ranking in board.rankings if ranking.place.suite == suite]
    there = [i for i, entrant in enumerate(board.entrants) if suite in entrant.variants]
    papers = [agent for agent in board.published_agents if any(agent in ranking.published for ranking in mine)]
    header = ("", *(board.entrants[i].label for i in there), *(f"{agent} †" for agent in papers))
    sections: dict[str, list[tuple[Cell, ...]]] = {}
    for ranking in mine:
        sections.setdefault(_section(ranking), []).append(_score_line(ranking, there, papers))
    named = tuple((name, tuple(lines)) for name, lines in sections.items())
    return Grid(f"{suite}: {mine[0].metric} by task and setting", header, named, 1 + len(there))


def _section(ranking: Ranking) -> str:
    place = ranking.place
    if place.kind in ("suite", "task"):
        return "all shifted settings"
    return place.settings[0] if place.kind in ("setting", "cell") else "axes of the shift"


def _score_line(ranking: Ranking, there: Sequence[int], papers: Sequence[str]) -> tuple[Cell, ...]:
    decimals = _decimals(ranking)
    cells = [Cell(ranking.place.name)]
    for index in there:
        standing = ranking.standings[index]
        cells.append(Cell(_estimate(standing, standing.score, decimals), standing.is_best))
    return (*cells, *(Cell(_beside(ranking.published.get(agent), decimals)) for agent in papers))


def _estimate(standing: Standing, estimate: Estimate | None, decimals: int | None) -> str:
    if standing.status == MISSING:
        return MISSING
    text = format_estimate(estimate, decimals=decimals)
    return f"{text} (partial)" if standing.status == PARTIAL else text


def _optional(estimate: Estimate | None, decimals: int | None) -> str:
    return format_estimate(estimate, decimals=decimals)


def _beside(number: Published | None, decimals: int | None) -> str:
    if number is None:
        return NOTHING
    digits = decimals or 0
    return f"{number.mean:.{digits}f}" + (f" ±{number.std:.{digits}f}" if number.std is not None else "")


def _decimals(ranking: Ranking) -> int | None:
    """Rates and shares have two; returns as many as their size asks for."""
    return None if ranking.metric == "return" else 2


def _reading(found: Leaderboard) -> Iterator[str]:
    level = f"{LEVEL:.0%}".replace("%", " %")
    yield f"Cells: mean over training seeds [{level} interval]; {METHODS[found.method].description}."
    yield (
        "Bold (*): better than every other agent of the line, and none where one was trained once. "
        "Claims are Welch's tests, corrected by Holm for the pairs of a line and for the tasks of a setting together; "
        "agents of one group cannot be told apart; the rank's bounds and the group follow from the claims. "
        "best: probability that the mean is the highest; of none beside one that claims nothing."
    )
    if any(standing.gap for board in found.boards for ranking in board.rankings for standing in ranking.standings):
        yield "gap: training setting minus shifted, in pairs of seed and episode; optimality gap: distance to the best."
