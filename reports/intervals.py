"""Two kinds of intervals for the same numbers, by name: the field's percentile bootstrap, or Student's t.

`percentile` is what the field prints (Agarwal et al. 2021, arXiv 2108.13264); with three or five training seeds it is
too narrow. `student` keeps its level there. docs/statistics.md has the measured coverage of both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from harness.reports import statistics, student
from harness.reports.statistics import Floats, Interval, Pair, Samples


class TaskInterval(Protocol):
    """The interval of a mean over tasks; None where one episode of one seed is all there is of a task."""

    def __call__(self, tasks: Sequence[Samples], *, level: float = ...) -> Interval | None: ...


class GapInterval(Protocol):
    """The interval of a gap meant over tasks, one pair per task."""

    def __call__(self, pairs: Sequence[Pair], *, level: float = ...) -> Interval | None: ...


class ScoreInterval(Protocol):
    """The interval of an aggregate of (seeds, tasks) scores; None for one seed."""

    def __call__(
        self, scores: ArrayLike, statistic: Callable[[Floats], ArrayLike] = ..., *, level: float = ...
    ) -> Interval | None: ...


class ImprovementInterval(Protocol):
    """The interval of a probability of improvement; None unless both sides have at least two seeds."""

    def __call__(self, ours: ArrayLike, theirs: ArrayLike, *, level: float = ...) -> Interval | None: ...


@dataclass(frozen=True)
class Method:
    """One kind of interval for everything that is reported.

    Attributes:
      name: as asked for with `--interval`.
      description: for a footnote.
    """

    name: str
    description: str
    of_mean: TaskInterval
    of_success: TaskInterval
    of_gap: GapInterval
    of_success_gap: GapInterval
    of_scores: ScoreInterval
    of_improvement: ImprovementInterval


STUDENT = Method(
    "student",
    "Student's t over seeds; over tasks with Welch-Satterthwaite degrees of freedom",
    student.task_mean_interval,
    student.task_success_interval,
    student.task_gap_interval,
    student.task_success_gap_interval,
    student.score_interval,
    student.improvement_interval,
)
PERCENTILE = Method(
    "percentile",
    f"percentile bootstrap over seeds, then episodes ({statistics.NUM_RESAMPLES:,} draws)",
    statistics.task_mean_interval,
    statistics.task_success_interval,
    statistics.task_gap_interval,
    statistics.task_success_gap_interval,
    statistics.score_interval,
    statistics.improvement_interval,
)
METHODS = {method.name: method for method in (STUDENT, PERCENTILE)}


def optimality_gap(scores: ArrayLike, best: float) -> Floats | float:
    """How far scores fall short of the best that is possible, on average; better than `best` counts as `best`.

    Agarwal et al. 2021, section 4.3.

    Args:
      scores: finite, (..., seeds, tasks); leading axes are a batch.
      best: the most a task can give, in the unit of the scores.

    Returns:
      float64, (...); a float without leading axes.
    """
    short = best - np.minimum(np.asarray(scores, dtype=np.float64), best).mean(axis=(-2, -1))
    return float(short) if short.ndim == 0 else short


def profile_band(
    scores: ArrayLike, thresholds: ArrayLike, method: Method = STUDENT, *, level: float = statistics.LEVEL
) -> list[Interval | None]:
    """The interval of `statistics.performance_profile` at each threshold alone; None for one seed.

    Args:
      scores: finite, (seeds, tasks).
      thresholds: (k,).
    """
    array = np.asarray(scores, dtype=np.float64)
    if len(array) < 2:
        return [None] * np.size(thresholds)
    above = (array[..., None] > np.asarray(thresholds, dtype=np.float64)).astype(np.float64)
    return [
        method.of_success([list(above[:, task, k, None]) for task in range(array.shape[1])], level=level)
        for k in range(above.shape[2])
    ]
