"""Score against intensity as a picture: curves with intervals and where half is lost, or a grid of two shifts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.reports.sensitivity import Curve, half_losses
from harness.results.text import escaped

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH, HEIGHT, STRIP = 7.2, 3.4, 1.0  # inches: of a panel, and of the strip of pictures below it
MOST_PICTURES = 9
DOTS_PER_INCH = 150
# Without dates and the like, so that the same rows give the same file.
METADATA: dict[str, dict[str, Any]] = {".png": {"Software": None}, ".pdf": {"CreationDate": None}}

Pictures = Mapping[str, Mapping[float, NDArray[np.uint8]]]  # task -> value -> (H, W, 3)


def shown_values(values: Sequence[float]) -> list[float]:
    """Of which values a strip has pictures: all, or a few that are spread evenly."""
    few = np.linspace(0, len(values) - 1, min(len(values), MOST_PICTURES)).round().astype(int)
    return [values[index] for index in few]


def plot_curves(
    curves: Sequence[Curve], name: str, unit: str, neutral: float, metric: str, pictures: Pictures, path: Path
) -> None:
    """Draws one panel per task, with all policies in it and a strip of pictures below.

    Args:
      curves: of one axis.
      name, unit, neutral: of the axis.
      metric: what is drawn.
      pictures: by task and value, as the agent sees them.
      path: a file of a suffix in `METADATA`.
    """
    from matplotlib.figure import Figure  # not pyplot: it would keep the figure and may ask for a display

    tasks = list(dict.fromkeys(curve.task for curve in curves))
    figure = Figure(figsize=(WIDTH, (HEIGHT + STRIP) * len(tasks)), layout="constrained")
    grid = figure.add_gridspec(2 * len(tasks), 1, height_ratios=[HEIGHT, STRIP] * len(tasks))
    for number, task in enumerate(tasks):
        axes = figure.add_subplot(grid[2 * number])
        for index, curve in enumerate(curve for curve in curves if curve.task == task):
            _draw(axes, curve, neutral, f"C{index % 10}")
        axes.set_title(_label(task), fontsize="medium")
        axes.set_xlabel(f"{_label(name)} ({unit}); no change at {neutral:g}")
        axes.set_ylabel(metric)
        axes.legend(frameon=False, fontsize="small")
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        _strip(figure.add_subplot(grid[2 * number + 1]), pictures.get(task, {}), axes.get_xlim())
    figure.savefig(path, dpi=DOTS_PER_INCH, metadata=METADATA[path.suffix])


def plot_grids(curves: Sequence[Curve], names: Sequence[str], metric: str, path: Path) -> None:
    """Draws a map per task and policy over two axes, with a line where half of the training setting is lost."""
    from matplotlib.figure import Figure

    tasks = list(dict.fromkeys(curve.task for curve in curves))
    labels = list(dict.fromkeys(curve.label for curve in curves))
    figure = Figure(figsize=(4.6 * len(labels), 3.6 * len(tasks)), layout="constrained")
    panels = figure.subplots(len(tasks), len(labels), squeeze=False)
    for curve in curves:
        axes = panels[tasks.index(curve.task)][labels.index(curve.label)]
        _draw_map(axes, curve, metric)
        axes.set_title(f"{_label(curve.task)}, {_label(curve.label)}", fontsize="medium")
        axes.set_xlabel(_label(names[0]))
        axes.set_ylabel(_label(names[1]))
    figure.savefig(path, dpi=DOTS_PER_INCH, metadata=METADATA[path.suffix])


def _draw(axes: Axes, curve: Curve, neutral: float, colour: str) -> None:
    """One curve, its band, half of the training setting as a dotted line, and where the curve falls to it."""
    values = [point[0] for point in curve.points]
    limits = [curve.interval(i) or (np.nan, np.nan) for i in range(len(values))]
    axes.fill_between(values, [low for low, _ in limits], [high for _, high in limits], color=colour, alpha=0.15, lw=0)
    axes.plot(values, [curve.mean(i) for i in range(len(values))], "o-", color=colour, label=_label(curve.label))
    half = float(curve.train.mean()) / 2
    axes.axhline(half, color=colour, linestyle=":", linewidth=1)
    for each in half_losses(curve, neutral):
        if each.value is not None:
            low = min(values) if each.low is None else each.low
            high = max(values) if each.high is None else each.high
            axes.hlines(half, low, high, color=colour, linewidth=4, alpha=0.5)
            axes.plot([each.value], [half], "D", color=colour, markeredgecolor="white")


def _draw_map(axes: Axes, curve: Curve, metric: str) -> None:
    xs, ys = (sorted({point[axis] for point in curve.points}) for axis in (0, 1))
    table = np.full((len(ys), len(xs)), np.nan)
    for index, (x, y) in enumerate(curve.points):
        table[ys.index(y), xs.index(x)] = curve.mean(index)
    shown = axes.pcolormesh(xs, ys, table, shading="nearest", cmap="viridis")
    axes.figure.colorbar(shown, ax=axes, label=metric)
    half = float(curve.train.mean()) / 2
    if np.nanmin(table) < half < np.nanmax(table):
        axes.contour(xs, ys, table, levels=[half], colors="white", linestyles="dashed")
    for index, (x, y) in enumerate(curve.points):
        box = {"facecolor": "black", "alpha": 0.4, "linewidth": 0, "pad": 1.5}
        axes.text(x, y, f"{curve.mean(index):.3g}", ha="center", va="center", fontsize="x-small", color="w", bbox=box)


def _strip(axes: Axes, pictures: Mapping[float, NDArray[np.uint8]], limits: tuple[float, float]) -> None:
    """Pictures side by side, each below its value."""
    axes.axis("off")
    width = 0.9 / max(1, len(pictures))
    for value, picture in pictures.items():
        middle = (value - limits[0]) / (limits[1] - limits[0])
        place = axes.inset_axes((middle - width / 2, 0.0, width, 0.85))
        place.imshow(picture, interpolation="nearest")
        place.set_title(f"{value:g}", fontsize="x-small", pad=2)
        place.axis("off")


def _label(text: str) -> str:
    """A name as matplotlib shows it: no mathematics, no escape, and not longer than fits."""
    shown = escaped(text).replace("$", r"\$")
    return shown if len(shown) <= 40 else shown[:39] + "…"
