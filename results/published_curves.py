"""Whole learning curves that were published: of RRL on the hand, its released logs and its Figure 4."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from harness.results.published import load_published_texts

LOGS, FIGURE = "rrl_adroit_logs", "rrl_figure4_digitised"
MANNERS = ("evaluation", "sampling")  # mean actions after an update; the stochastic policy's own episodes
PERCENT = 0.01


class Point(NamedTuple):
    """Mean and population standard deviation over seeds, after so many frames; no deviation where none was printed."""

    frames: int
    mean: float
    std: float


def published_curves(suite: str, tasks: Collection[str]) -> dict[str, list[Point]]:
    """Returns against frames, by what a legend says, those of a task in the order of frames.

    Args:
      suite: its name in results/published, such as "adroit".
      tasks: such as "door"; a task without a curve has none here.
    """
    curves: dict[str, list[Point]] = defaultdict(list)
    for task, line in _lines(LOGS, "return", suite, tasks):
        manner = line["setting"].rpartition("; ")[2]
        if manner in MANNERS:
            point = Point(int(line["frames"]), float(line["mean"]), float(line["std"]))
            curves[f"published RRL, {task}, {manner}"].append(point)
    return {name: sorted(points) for name, points in curves.items()}


def published_successes(suite: str, tasks: Collection[str]) -> dict[str, list[Point]]:
    """Success rates, 0 to 1, of RRL's Figure 4 against frames, for each of its methods; arguments as above.

    Read from pixels to a hundredth, smoothed, and without samples where another curve hides them.
    """
    curves: dict[str, list[Point]] = defaultdict(list)
    for task, line in _lines(FIGURE, "success", suite, tasks):
        point = Point(int(line["frames"]), PERCENT * float(line["mean"]), 0.0)
        curves[f"Figure 4 of RRL, {line['agent']}, {task}"].append(point)
    return {name: sorted(points) for name, points in curves.items()}


def _lines(file: str, metric: str, suite: str, tasks: Collection[str]) -> Iterator[tuple[str, Mapping[str, str]]]:
    """The lines of one published file that are of these tasks, each with its task."""
    for line in load_published_texts():
        task = line["task"].partition("-")[0]
        if (line["file"], line["metric"], line["suite"]) == (file, metric, suite) and task in tasks:
            yield task, line
