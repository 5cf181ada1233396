"""Whole learning curves that were published: RRL's released logs on the hand, mean returns over three seeds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import NamedTuple

from harness.results.published import load_published_texts

FILE = "rrl_adroit_logs"
MANNERS = ("evaluation", "sampling")  # mean actions after an update; the stochastic policy's own episodes


class Point(NamedTuple):
    """Mean and population standard deviation over seeds, after so many frames."""

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
    for line in load_published_texts():
        task, manner = line["task"].partition("-")[0], line["setting"].rpartition("; ")[2]
        wanted = line["file"] == FILE and line["suite"] == suite and task in tasks and manner in MANNERS
        if wanted and line["metric"] == "return":
            point = Point(int(line["frames"]), float(line["mean"]), float(line["std"]))
            curves[f"published RRL, {task}, {manner}"].append(point)
    return {name: sorted(points) for name, points in curves.items()}
