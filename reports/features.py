"""What `harness diagnose features` shows: a table of differences, and a picture with a line per setting."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.reports import statistics
from harness.reports.render import format_estimate
from harness.reports.sheets import Cell, Grid, Sheet
from harness.reports.table import Estimate
from harness.results.feature_rows import NORMALISATION, FeatureRow
from harness.results.text import escaped

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIDE = 1.5  # inches of a picture
DOTS_PER_INCH = 120
COLUMNS = ("training", "its features", "shifted", "its features", "|difference|")
HEADER = ("setting", "difference", "between states", "pixels", "seeds", "states")
SUFFIXES = (".png", ".pdf", ".svg")


def feature_sheet(rows: Sequence[FeatureRow]) -> Sheet:
    """The table: per task a line per setting; intervals are over seeds, then episodes."""
    tasks = dict.fromkeys(row.columns["task"] for row in rows)
    grids = tuple(_grid(task, [row for row in rows if row.columns["task"] == task]) for task in tasks)
    first = rows[0]
    title = f"{first.columns['suite']} · {first.columns['agent']}: features of the same states in two looks"
    return Sheet(title, (), grids, tuple(_notes(rows)))


def plot_features(rows: Sequence[FeatureRow], path: Path) -> None:
    """Draws one state per task and setting, of the first seed: pictures, features and their difference.

    Args:
      rows: what was measured.
      path: the file, of a suffix in `SUFFIXES`; its folder must exist.
    """
    from matplotlib.figure import Figure  # not pyplot: it would keep the figure and may ask for a display

    first = {(row.columns["task"], row.columns["setting"]): row for row in reversed(rows)}
    shown = list(reversed(first.values()))
    figure = Figure(figsize=(SIDE * len(COLUMNS) + 1.2, SIDE * len(shown) + 0.5), layout="constrained")
    axes = figure.subplots(len(shown), len(COLUMNS), squeeze=False)
    for line, row in zip(axes, shown, strict=True):
        _draw(line, row)
    for place, name in zip(axes[0], COLUMNS, strict=True):
        place.set_title(name, fontsize="small")
    metadata = {".png": {"Software": None}, ".pdf": {"CreationDate": None}, ".svg": {"Date": None}}[path.suffix]
    figure.savefig(path, dpi=DOTS_PER_INCH, metadata=metadata)


def _draw(line: Sequence[Axes], row: FeatureRow) -> None:
    view = row.view
    top = max(float(view.train_map.max()), float(view.shifted_map.max()), 1e-12)
    images: list[tuple[Any, dict[str, Any]]] = [
        (view.train_pixels, {}),
        (view.train_map, {"vmin": 0.0, "vmax": top}),
        (view.shifted_pixels, {}),
        (view.shifted_map, {"vmin": 0.0, "vmax": top}),
        (view.difference, {"vmin": 0.0, "vmax": top}),
    ]
    for axes, (image, scale) in zip(line, images, strict=True):
        axes.imshow(image, cmap="viridis", **scale)
        axes.set_xticks([])
        axes.set_yticks([])
    label = f"{row.columns['task']}\n{row.columns['setting']}\n{row.measured['difference']:.4f}"
    line[0].set_ylabel(escaped(label, keep="\n").replace("$", r"\$"), fontsize="x-small")


def _grid(task: str, rows: Sequence[FeatureRow]) -> Grid:
    lines = []
    for setting in dict.fromkeys(row.columns["setting"] for row in rows):
        seeds = [row for row in rows if row.columns["setting"] == setting]
        states = sum(row.measured["states"] for row in seeds)
        told = [setting, format_estimate(_estimate(seeds), decimals=4)]
        told += [
            f"{np.mean([row.measured[name] for row in seeds]):.4f}" for name in ("between_states", "pixel_difference")
        ]
        lines.append(tuple(map(Cell, (*told, str(len(seeds)), str(states)))))
    return Grid(task, HEADER, (("", tuple(lines)),), len(HEADER))


def _estimate(rows: Sequence[FeatureRow]) -> Estimate:
    samples = [np.asarray(row.by_episode) for row in rows]
    low, high = statistics.mean_interval(samples) or (None, None)
    return Estimate(statistics.mean(samples), low, high, len(rows), sum(map(len, samples)))


def _notes(rows: Sequence[FeatureRow]) -> Sequence[str]:
    """How to read it, then what the rows themselves say."""
    every = rows[0].measured["every_steps"]
    notes = [
        "Difference: mean absolute difference of the normalised features of a state in training and in this setting "
        f"({NORMALISATION}), {rows[0].measured['feature_shape']} of an observation; 95 % interval over seeds, then "
        "episodes.",
        f"Between states: the same for two states of the training setting, {every} steps apart; features that never "
        "move have 0 in both.",
        "Pixels: mean absolute difference of the pictures, of 1.",
    ]
    stand_ins = dict.fromkeys(row.columns["stand_ins"] for row in rows if row.columns["stand_ins"])
    notes += [f"Made with stand-ins ({text})." for text in stand_ins]
    told = dict.fromkeys(row.columns["notes"] for row in rows if row.columns["notes"])
    return [*notes, *(f"{text[:1].upper()}{text[1:]}." for text in told)]
