"""A leaderboard as pictures: intervals of the scores, performance profiles, probability of improvement."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.reports import statistics
from harness.reports.intervals import METHODS, Method, profile_band
from harness.reports.leaderboard import Board, Leaderboard, Ranking, Scores
from harness.results.text import escaped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 6.4  # inches
LINE_HEIGHT = 0.3  # inches per agent or pair
DOTS_PER_INCH = 150
NUM_THRESHOLDS = 101
SUFFIXES = (".png", ".pdf", ".svg")
_LONGEST = 40  # characters of a label


def write_plots(found: Leaderboard, folder: Path, suffix: str = ".png") -> list[Path]:
    """Draws every picture of a leaderboard.

    Args:
      found: what to draw.
      folder: is made if absent.
      suffix: one of `SUFFIXES`.

    Returns:
      The files, in order: for each board the intervals of its standings, then for each suite the performance profiles
      and the probabilities of improvement (of two or more agents).

    Raises:
      ValueError: if there is no such suffix.
    """
    if suffix not in SUFFIXES:
        raise ValueError(f"Pictures end in {', '.join(SUFFIXES)}, not '{suffix}'.")
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, board in enumerate(found.boards, start=1):
        for name, figure in board_figures(board, METHODS[found.method]):
            lead = f"board{number}_" if len(found.boards) > 1 else ""
            path = folder / f"{lead}{_file_name(name)}{suffix}"
            path.write_bytes(drawn(figure, suffix))
            paths.append(path)
    return paths


def drawn(figure: Figure, suffix: str) -> bytes:
    """A picture in a format of `SUFFIXES`, without dates and the like, so that the same rows give the same bytes."""
    from matplotlib import rc_context

    metadata = {".png": {"Software": None}, ".pdf": {"CreationDate": None}, ".svg": {"Date": None}}[suffix]
    buffer = io.BytesIO()
    with rc_context({"svg.hashsalt": "harness"}):  # which else is drawn at random
        figure.savefig(buffer, format=suffix[1:], dpi=DOTS_PER_INCH, metadata=metadata)
    return buffer.getvalue()


def draw_intervals(axes: Axes, board: Board, ranking: Ranking) -> None:
    """The scores of a ranking, best on top, as dots with their intervals."""
    there = [i for i in reversed(ranking.order()) if ranking.standings[i].score is not None]
    for height, index in enumerate(there):
        score = ranking.standings[index].score
        if score is not None and score.low is not None and score.high is not None:
            axes.hlines(height, score.low, score.high, color=_colour(index), linewidth=3)
        axes.plot([score.mean if score else np.nan], [height], "o", color=_colour(index), markeredgecolor="white")
    axes.set_yticks(range(len(there)), [_label(board.entrants[i].label) for i in there])
    axes.set_ylim(-0.6, len(there) - 0.4)
    axes.set_xlabel(f"{_label(ranking.place.suite or ranking.place.name)}: {ranking.metric}")
    _tidy(axes)


def draw_profiles(axes: Axes, board: Board, scores: Scores, method: Method) -> None:
    """The share of all trainings and tasks that reach more than a threshold, with an interval at each threshold."""
    thresholds = _thresholds(scores)
    for index, matrix in scores.of.items():
        label = _label(board.entrants[index].label)
        shares = statistics.performance_profile(matrix, thresholds)
        axes.step(thresholds, shares, where="post", color=_colour(index), label=label)
        band = profile_band(matrix, thresholds, method)
        limits = np.array([limit if limit is not None else (np.nan, np.nan) for limit in band])
        axes.fill_between(thresholds, limits[:, 0], limits[:, 1], step="post", color=_colour(index), alpha=0.15, lw=0)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel(f"{_label(scores.suite)}: {scores.metric} of a training on a task")
    axes.set_ylabel("share above")
    axes.figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize="small")
    _tidy(axes)


def draw_improvement(axes: Axes, board: Board, scores: Scores, method: Method) -> None:
    """For each pair of agents, the chance that a training of the first beats one of the second on a task."""
    pairs = list(improvement_pairs(scores))
    for height, (i, j) in enumerate(reversed(pairs)):
        chance = statistics.probability_of_improvement(scores.of[i], scores.of[j])
        interval = method.of_improvement(scores.of[i], scores.of[j])
        if interval is not None:
            axes.hlines(height, *interval, color=_colour(i), linewidth=3)
        axes.plot([chance], [height], "o", color=_colour(i), markeredgecolor="white")
    labels = [_label(board.entrants[i].label) for i in range(len(board.entrants))]
    axes.set_yticks(range(len(pairs)), [f"{labels[i]} over {labels[j]}" for i, j in reversed(pairs)])
    axes.axvline(0.5, color="0.6", linewidth=0.8, zorder=0)
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.6, len(pairs) - 0.4)
    axes.set_xlabel(f"{_label(scores.suite)}: probability of improvement", loc="right")
    _tidy(axes)


def improvement_pairs(scores: Scores) -> Iterator[tuple[int, int]]:
    """Each pair of agents once, the better one first."""
    order = sorted(scores.of, key=lambda i: -float(np.mean(scores.of[i])))
    return ((i, j) for n, i in enumerate(order) for j in order[n + 1 :])


def board_figures(board: Board, method: Method) -> Iterator[tuple[str, Figure]]:
    """Every picture of a board with its name: what `write_plots` writes."""
    for ranking in board.heads:
        figure, axes = _figure(len(board.entrants))
        draw_intervals(axes, board, ranking)
        yield f"{ranking.place.suite or 'all_suites'}_intervals", figure
    for scores in board.scores:
        figure, axes = _figure(None)
        draw_profiles(axes, board, scores, method)
        yield f"{scores.suite}_profiles", figure
        if len(scores.of) > 1:
            figure, axes = _figure(len(scores.of) * (len(scores.of) - 1) // 2)
            draw_improvement(axes, board, scores, method)
            yield f"{scores.suite}_improvement", figure


def _figure(num_lines: int | None) -> tuple[Figure, Axes]:
    # Not pyplot: it would keep the figure and may ask for a display.
    from matplotlib.figure import Figure

    height = 4.0 if num_lines is None else 1.2 + LINE_HEIGHT * num_lines
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, figure.add_subplot()


def _thresholds(scores: Scores) -> statistics.Floats:
    found = np.concatenate([np.ravel(matrix) for matrix in scores.of.values()])
    top = scores.best if scores.best is not None else float(found.max())
    return np.linspace(min(0.0, float(found.min())), max(top, float(found.max())), NUM_THRESHOLDS)


def _tidy(axes: Axes) -> None:
    axes.grid(alpha=0.25, axis="x")
    axes.spines[["top", "right"]].set_visible(False)


def _colour(index: int) -> Any:
    from matplotlib import colormaps

    return colormaps["tab10"](index % 10)


def _label(text: str) -> str:
    """A name as it is: no mathematics, nothing that would push the picture aside."""
    shown = escaped(text)
    if len(shown) > _LONGEST:
        shown = f"{shown[: _LONGEST // 2]}…{shown[-(_LONGEST // 2 - 1) :]}"
    return shown.replace("$", r"\$")


def _file_name(text: str) -> str:
    return re.sub(r"[^\w.=-]+", "_", text)[:100]
