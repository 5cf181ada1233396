"""Score against intensity: what policies keep along a shift, and where half of it is lost.

The interval of a point is Student's over training seeds (of one seed, over its episodes). That of the value at which
half is lost is the percentile interval of a bootstrap that draws seeds, then episodes, in all points together, as
episode i has the same start state in every setting. With few seeds it is narrow, as all such intervals are.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.reports import student
from harness.reports.escaping import in_csv
from harness.reports.statistics import LEVEL, NUM_RESAMPLES, Floats, Interval
from harness.results.comparison_key import COMPARISON_KEY
from harness.results.rows import shortened
from harness.results.text import escaped

if TYPE_CHECKING:
    import pandas as pd

METRICS = {"return": "episode_return", "success": "success"}
_MAY_DIFFER = (  # from setting to setting of one measurement, or from task to task
    "task",
    "setting",
    "config_hash",
    "training",
    "train_frames",
    "action_repeat",
    "episode_frames",
    "assets_json",
    "stand_ins",
    "notes",
)
Point = tuple[float, ...]


@dataclass(frozen=True)
class Curve:
    """One policy on one task.

    Attributes:
      label: of the policy.
      task: its name.
      points: what the others belong to, (P,).
      train: outcomes in the training setting, (seeds, episodes).
      values: outcomes at every point, (P, seeds, episodes).
      is_success: whether they are success rates.
    """

    label: str
    task: str
    points: tuple[Point, ...]
    train: Floats
    values: Floats
    is_success: bool

    def mean(self, index: int) -> float:
        """Over seeds and episodes, at a point."""
        return float(self.values[index].mean())

    def interval(self, index: int) -> Interval | None:
        """The 95 % interval at a point; None of one episode of one seed."""
        of = student.task_success_interval if self.is_success else student.task_mean_interval
        return of([list(self.values[index])])


@dataclass(frozen=True)
class HalfLoss:
    """Where half of what the training setting gives is lost, on one side of no change.

    Attributes:
      side: "above" or "below" the value that changes nothing.
      value: of the shift; None if it is not reached within the range.
      low, high: the interval; an end is None where it lies outside the range.
    """

    side: str
    value: float | None
    low: float | None
    high: float | None


def curves_of(
    rows: Mapping[str, pd.DataFrame], points: Mapping[str, Point], train_setting: str, metric: str
) -> list[Curve]:
    """The curves of some policies, one per task.

    Args:
      rows: by the policy's label, its episodes.
      points: setting -> point.
      train_setting: the setting that changes nothing.
      metric: "return" or "success".

    Raises:
      ValueError: if a task has no success, an episode is missing, or a curve was not measured alike throughout.
    """
    found = []
    for label, frame in rows.items():
        _check_alike(frame[frame["setting"].isin([train_setting, *points])], label)
        for task in dict.fromkeys(frame["task"].astype(str)):
            part = frame[frame["task"] == task]
            tables = [_table(part, setting, metric, task) for setting in (train_setting, *points)]
            if len({table.shape for table in tables}) > 1:
                raise ValueError(
                    f"{escaped(label)} lacks episodes of {escaped(task)}: the same command goes on with it."
                )
            stacked = np.stack(tables)
            found.append(Curve(label, task, tuple(points.values()), stacked[0], stacked[1:], metric == "success"))
    return found


def half_losses(curve: Curve, neutral: float, *, num_resamples: int = NUM_RESAMPLES, seed: int = 0) -> list[HalfLoss]:
    """Where half is lost, on each side of no change that the curve has points on; none if there is nothing to lose.

    Between two points the curve is straight, and at no change it is what the training setting gives.

    Args:
      curve: of one axis.
      neutral: the value that changes nothing.
      num_resamples: of the bootstrap.
      seed: likewise.
    """
    whole = float(curve.train.mean())
    if whole <= 0.0:
        return []
    values = np.array([point[0] for point in curve.points])
    means = np.array([curve.mean(i) for i in range(len(values))])
    draws = _draws(curve, num_resamples, seed)
    found = []
    for side, sign in (("below", -1), ("above", 1)):
        there = np.flatnonzero(sign * (values - neutral) > 0)
        order = there[np.argsort(np.abs(values[there] - neutral))]
        if len(order):
            places = np.concatenate([[neutral], values[order]])
            value = _crossing(places, np.concatenate([[whole], means[order]]))
            ends = [_crossing(places, draw[[0, *(order + 1)]]) for draw in draws]
            found.append(_with_interval(side, value, ends, sign))
    return found


def text_of(curves: Sequence[Curve], names: Sequence[str], neutral: float | None) -> str:
    """The curves as plain text: a line per point, a column per policy; below, where half is lost."""
    blocks = []
    for task in dict.fromkeys(curve.task for curve in curves):
        those = [curve for curve in curves if curve.task == task]
        body = [[escaped(task), *(escaped(curve.label) for curve in those)]]
        body.append(["train", *(f"{curve.train.mean():.4g}" for curve in those)])
        for index, point in enumerate(those[0].points):
            told = ", ".join(f"{name}={value:g}" for name, value in zip(names, point, strict=True))
            body.append([told, *(_shown(curve, index) for curve in those)])
        widths = [max(len(row[i]) for row in body) for i in range(len(body[0]))]
        blocks += ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in body]
        if neutral is not None:
            blocks += [sentence for curve in those for sentence in half_sentences(curve, names[0], neutral)]
        blocks.append("")
    return "\n".join(blocks).rstrip()


def half_sentences(curve: Curve, name: str, neutral: float) -> list[str]:
    """Where half is lost, in words."""
    found = half_losses(curve, neutral)
    if not found:
        return [f"{escaped(curve.label)}: the training setting gives nothing of which half could be lost."]
    return [f"{escaped(curve.label)}: {_told(each, name)}." for each in found]


def csv_of(curves: Sequence[Curve], names: Sequence[str], neutral: float | None) -> str:
    """The curves as CSV: a line per policy, task and point, and, of one axis, one wherever half is lost."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["policy", "task", "kind", *names, "seeds", "episodes", "mean", "low", "high", "share_of_training"])
    for curve in curves:
        label, task, (seeds, episodes) = in_csv(curve.label), in_csv(curve.task), curve.train.shape
        for index, point in enumerate(curve.points):
            low, high = curve.interval(index) or ("", "")
            share = curve.mean(index) / curve.train.mean() if curve.train.mean() > 0 else ""
            writer.writerow([label, task, "point", *point, seeds, episodes, curve.mean(index), low, high, share])
        for half in half_losses(curve, neutral) if neutral is not None else ():
            ends = ["" if end is None else end for end in (half.low, half.high)]
            value = "" if half.value is None else half.value
            writer.writerow([label, task, f"half_lost_{half.side}", value, seeds, episodes, "", *ends, 0.5])
    return text.getvalue()


def _check_alike(rows: pd.DataFrame, label: str) -> None:
    """Points of one curve that were measured by two versions of anything say nothing together."""
    for name in (field for field in COMPARISON_KEY if field not in _MAY_DIFFER):
        values = sorted(set(map(str, rows[name])))
        if len(values) > 1:
            told = " and ".join(shortened(value, 40) or "(empty)" for value in values[:2])
            raise ValueError(
                f"The points of {escaped(label)} were not measured alike, {name}: {escaped(told)}; measure them into "
                f"another folder with --runs."
            )


def _table(rows: pd.DataFrame, setting: str, metric: str, task: str) -> Floats:
    """(seeds, episodes) of one setting."""
    part = rows[rows["setting"] == setting].sort_values(["train_seed", "eval_seed", "episode"])
    values = part[METRICS[metric]].to_numpy(np.float64, na_value=np.nan)
    if np.isnan(values).any():
        raise ValueError(f"{escaped(task)} has no success: draw it --on return.")
    seeds = max(1, part["train_seed"].nunique())
    if len(values) == 0 or len(values) % seeds:
        raise ValueError(f"Episodes of {escaped(task)} are missing in {escaped(setting)}.")
    return values.reshape(seeds, -1)


def _draws(curve: Curve, num_resamples: int, seed: int) -> NDArray[np.float64]:
    """Means of the training setting and of all points in each resample, (num_resamples, 1 + P)."""
    rng = np.random.default_rng(seed)
    whole = np.concatenate([curve.train[None], curve.values]).astype(np.float64)
    num_points, num_seeds, num_episodes = (int(size) for size in whole.shape)
    draws = np.empty((num_resamples, num_points))
    for index in range(num_resamples):
        seeds: NDArray[np.int64] = rng.integers(num_seeds, size=(num_seeds, 1))
        episodes: NDArray[np.int64] = rng.integers(num_episodes, size=(num_seeds, num_episodes))
        draws[index] = whole[:, seeds, episodes].mean(axis=(1, 2))
    return draws


def _crossing(places: Floats, means: Floats) -> float:
    """Where a curve falls to half of its first point; infinite if nowhere, or if there is nothing to lose."""
    half = means[0] / 2
    below = np.flatnonzero(means <= half)
    if means[0] <= 0.0 or not len(below):
        return float("inf")
    last = int(below[0])
    share = (means[last - 1] - half) / (means[last - 1] - means[last])
    return float(places[last - 1] + share * (places[last] - places[last - 1]))


def _with_interval(side: str, value: float, ends: Sequence[float], sign: int) -> HalfLoss:
    away = np.sort([sign * end if np.isfinite(end) else np.inf for end in ends])
    near, far = (
        float(np.quantile(away, q, method="lower" if q < 0.5 else "higher")) for q in ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
    )
    limits = [sign * end if np.isfinite(end) else None for end in (near, far)]
    low, high = limits if sign > 0 else limits[::-1]
    return HalfLoss(side, value if np.isfinite(value) else None, low, high)


def _shown(curve: Curve, index: int) -> str:
    interval = curve.interval(index)
    limits = f" [{interval[0]:.4g}, {interval[1]:.4g}]" if interval else ""
    return f"{curve.mean(index):.4g}{limits}"


def _told(half: HalfLoss, name: str) -> str:
    ends = ["beyond the range" if end is None else f"{end:.3g}" for end in (half.low, half.high)]
    where = f"{half.side} no change"
    if half.value is None:
        near = half.low if half.side == "above" else half.high
        least = "" if near is None else f" (in some resamples from {name}={near:.3g} on)"
        return f"{where}, less than half of the training setting is lost within the range{least}"
    return f"{where}, half of the training setting is lost at {name}={half.value:.3g} [{ends[0]}, {ends[1]}]"
