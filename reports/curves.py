"""Learning curves: what training episodes returned, and what evaluations during training did, against frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZE, SIZE_WITH_SUCCESS = (6.0, 4.0), (7.5, 6.0)  # inches; the latter has a long legend
DOTS_PER_INCH = 150
EPISODE: dict[str, Any] = {"marker": "o", "markersize": 2.2, "linestyle": "none", "markeredgewidth": 0, "zorder": 1}
EVALUATION: dict[str, Any] = {
    "marker": "o",
    "markersize": 5.0,
    "linewidth": 1.6,
    "markeredgecolor": "white",
    "zorder": 3,
}

Log = Sequence[Mapping[str, Any]]
SUCCESS: dict[str, Any] = {"marker": "s", "markersize": 3.5, "linestyle": ":", "linewidth": 1.2}

Published = Mapping[str, Sequence[tuple[int, float, float]]]  # name -> frames, mean, deviation


def plot_curves(
    logs: Mapping[str, Log], path: Path, published: Published | None = None, successes: Published | None = None
) -> None:
    """Draws learning curves, one colour per training, as a PNG of 6 x 4 inches (7.5 x 6 with `successes`).

    A dot is the return of one training episode, acting with exploration; joined discs are evaluations in the training
    setting, the mean over their episodes, with a bar from the lowest to the highest of them.

    Args:
      logs: by the name in the legend, the parsed lines of a `train.jsonl`: each has `num_frames` and either
        `episode_return` or `curve_returns`, a list.
      path: the file to write; its folder must exist.
      published: returns of papers, drawn dashed with a band of one standard deviation.
      successes: success rates of papers, 0 to 1, drawn dotted against an axis of their own on the right, with those of
        our evaluations (`curve_success_rate`) where the logs have them.

    Raises:
      ValueError: if no log has a line.
    """
    if not any(logs.values()):
        raise ValueError("There is no learning curve to draw: the training logs are empty.")
    # Not pyplot: it would keep the figure and may ask for a display. Saved as PNG, a bare figure is drawn by Agg.
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE_WITH_SUCCESS if successes else SIZE, layout="constrained")
    draw_curves(logs, figure.add_subplot(), published or {}, successes or {})
    figure.savefig(path, dpi=DOTS_PER_INCH, format="png")


def draw_curves(
    logs: Mapping[str, Log], axes: Axes, published: Published | None = None, successes: Published | None = None
) -> None:
    """Draws the curves of `plot_curves` into axes: per log the line of its episodes, then that of its evaluations."""
    from matplotlib import colormaps
    from matplotlib.ticker import EngFormatter

    colours = colormaps["tab10"] if len(logs) <= 10 else colormaps["turbo"].resampled(len(logs))
    for number, log in enumerate(logs.values()):
        _draw_curve(axes, log, colours(number))
    _draw_published(axes, published or {})
    axes.set_xlabel("training (environment frames)")
    axes.set_ylabel("episode return (sum of rewards)")
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    by_name = {name: colours(number) for number, name in enumerate(logs)}
    further = _draw_successes(axes, logs, by_name, successes) if successes else {}
    _add_legend(axes, by_name, published or {}, further)


def _draw_published(axes: Axes, published: Published) -> None:
    for number, points in enumerate(published.values()):
        frames, mean, std = np.array(list(points)).T
        grey = _grey(number, published)
        axes.plot(frames, mean, color=grey, linestyle="--", linewidth=1.2, zorder=0)
        axes.fill_between(frames, mean - std, mean + std, color=grey, alpha=0.12, linewidth=0, zorder=0)


def _draw_successes(
    axes: Axes, logs: Mapping[str, Log], colours: Mapping[str, Any], published: Published
) -> dict[str, Any]:
    """Success rates against a second axis; returns what the legend shows of them."""
    from matplotlib import colormaps
    from matplotlib.lines import Line2D

    right, shades = axes.twinx(), colormaps["Dark2"]
    right.set_ylabel("success rate")
    right.set_ylim(-0.02, 1.02)
    for name, log in logs.items():
        rates = [(line["num_frames"], line["curve_success_rate"]) for line in log if "curve_success_rate" in line]
        right.plot([x for x, _ in rates], [y for _, y in rates], color=colours[name], **SUCCESS)
    handles = {"success of evaluations (right)": Line2D([], [], color="0.3", **SUCCESS)}
    for number, (name, points) in enumerate(published.items()):
        frames, mean, _ = np.array(list(points)).T
        (line,) = right.plot(frames, mean, color=shades(number), linestyle=":", linewidth=1.5)
        handles[f"{name} (right)"] = line
    return handles


def _grey(number: int, published: Published) -> str:
    return f"{0.6 * number / max(1, len(published) - 1):.2f}"


def _draw_curve(axes: Axes, log: Log, colour: Any) -> None:
    episodes = [(line["num_frames"], line["episode_return"]) for line in log if "episode_return" in line]
    evaluations = [(line["num_frames"], line["curve_returns"]) for line in log if "curve_returns" in line]
    alpha = 0.7 if len(episodes) < 200 else 0.3  # where dots lie on each other
    axes.plot([x for x, _ in episodes], [y for _, y in episodes], color=colour, alpha=alpha, **EPISODE)
    frames = [x for x, _ in evaluations]
    axes.plot(frames, [float(np.mean(returns)) for _, returns in evaluations], color=colour, **EVALUATION)
    lowest, highest = ([limit(returns) for _, returns in evaluations] for limit in (min, max))
    axes.vlines(frames, lowest, highest, color=colour, linewidth=1.0, zorder=2)


def _add_legend(axes: Axes, colours: Mapping[str, Any], published: Published, further: Mapping[str, Any]) -> None:
    """The trainings by colour, then what the two kinds of marks are; below the axes, where it hides no data."""
    from matplotlib.lines import Line2D

    handles = {name: Line2D([], [], color=colour, linewidth=4) for name, colour in colours.items()}
    handles["training episodes, exploring"] = Line2D([], [], color="0.3", **EPISODE)
    handles["evaluations (mean, lowest to highest)"] = Line2D([], [], color="0.3", **EVALUATION)
    for number, name in enumerate(published):
        handles[name] = Line2D([], [], color=_grey(number, published), linestyle="--")
    handles |= further
    ncols = 2 if len(colours) <= 12 else 4
    axes.figure.legend(
        handles.values(), handles, fontsize="x-small", loc="outside lower center", ncols=ncols, frameon=False
    )
