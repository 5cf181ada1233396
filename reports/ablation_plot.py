"""An ablation as a curve: score against the first field that is varied, a panel per choice of the others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.reports.ablation import Point, metric_of, score, tasks_of
from harness.reports.table import MEAN
from harness.results.text import escaped

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANEL = (4.6, 3.6)  # inches
MOST_COLUMNS = 3
FEW = 8  # values that are all written at the axis
DOTS_PER_INCH = 150
# Without dates and the like, so that the same rows give the same file.
METADATA: dict[str, dict[str, Any]] = {
    ".png": {"Software": None},
    ".pdf": {"CreationDate": None},
    ".svg": {"Date": None},
}


def plot_ablation(points: Sequence[Point], path: Path) -> None:
    """Draws the scores with their intervals, a line per setting; of several tasks the mean.

    Args:
      points: runs of an ablation.
      path: the file, of a suffix in `METADATA`; its folder must exist.
    Raises:
      ValueError: for another suffix.
    """
    if path.suffix not in METADATA:
        raise ValueError(f"Pictures end in {', '.join(METADATA)}, not '{path.suffix}'.")
    from matplotlib.figure import Figure  # not pyplot: it would keep the figure and may ask for a display

    panels = _panels(points)
    columns = min(len(panels), MOST_COLUMNS)
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(PANEL[0] * columns, PANEL[1] * rows + 0.6), layout="constrained")
    for number, (title, chosen) in enumerate(panels.items(), start=1):
        axes = figure.add_subplot(rows, columns, number)
        draw_panel(axes, chosen)
        axes.set_title(_label(title), fontsize="small")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize="small")
    figure.savefig(path, dpi=DOTS_PER_INCH, metadata=METADATA[path.suffix])


def draw_panel(axes: Axes, points: Sequence[Point]) -> None:
    """One panel: runs that differ in the first field alone."""
    field, metric = next(iter(points[0].values)), metric_of(points)
    places, numeric = _positions([point.values[field] for point in points])
    task = MEAN if MEAN in tasks_of(points) else tasks_of(points)[0]
    for setting in points[0].table.expected.places:
        found = [(x, _score(point, task, setting, metric)) for x, point in zip(places, points, strict=True)]
        there = [(x, value) for x, value in found if value is not None]
        line = axes.plot([x for x, _ in there], [v.mean for _, v in there], "o-", label=_label(setting))[0]
        bars = [(x, v.low, v.high) for x, v in there if v.low is not None and v.high is not None]
        axes.vlines([b[0] for b in bars], [b[1] for b in bars], [b[2] for b in bars], color=line.get_color())
    if not numeric or len(places) <= FEW:
        axes.set_xticks(places, [_label(point.values[field]) for point in points])
    axes.set_xlabel(_label(field))
    axes.set_ylabel(f"{task}: {metric}" if task == MEAN else _label(f"{task}: {metric}"))
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def _score(point: Point, task: str, setting: str, metric: str) -> Any:
    """The number to draw; of several lines that may not share a cell, none."""
    lines = point.lines(task, setting)
    return score(lines[0], metric) if len(lines) == 1 else None


def _panels(points: Sequence[Point]) -> dict[str, list[Point]]:
    panels: dict[str, list[Point]] = {}
    for point in points:
        others = list(point.values.items())[1:]
        panels.setdefault(", ".join(f"{name}={value}" for name, value in others), []).append(point)
    return panels


def _positions(values: Sequence[str]) -> tuple[list[float], bool]:
    """Where values stand on the axis, and whether it is one of numbers."""
    try:
        return [float(value) for value in values], True
    except ValueError:
        return [float(index) for index in range(len(values))], False


def _label(text: str) -> str:
    """A name as it is: no mathematics."""
    return escaped(text).replace("$", r"\$")
