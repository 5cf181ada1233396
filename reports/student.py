"""Intervals that keep their level with few training seeds: Student's t in place of the percentile bootstrap.

The percentile bootstrap of five seeds is too narrow twice over: its variance lacks a factor n/(n-1), and it takes the
spread of five numbers for known. Here the variance is the sample variance of the seeds' means, the degrees of freedom
are counted (Welch-Satterthwaite over tasks), and the quantile is Student's. Seeds that are normally distributed are
covered exactly; docs/statistics.md has the measured coverage for others.

Samples and pairs are those of `harness.reports.statistics`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from harness.reports import statistics
from harness.reports.statistics import LEVEL, NUM_RESAMPLES, Floats, Interval, Pair, Samples

_NUM_HALVINGS = 60  # of an interval of about 1: beyond float64
_LARGEST_QUANTILE = 1e4  # standard errors: no rate of any number of episodes lies that far from another


class Moments(NamedTuple):
    """An estimate, the variance of that estimate, and the degrees of freedom its variance was estimated with."""

    estimate: float
    variance: float
    freedom: float


def t_quantile(probability: float, freedom: float) -> float:
    """The quantile of Student's distribution; with infinite freedom the normal one."""
    from scipy.special import stdtrit

    return NormalDist().inv_cdf(probability) if np.isinf(freedom) else float(stdtrit(freedom, probability))


def t_chance(value: float, freedom: float) -> float:
    """The chance that Student's t is at most `value`."""
    from scipy.special import stdtr

    return NormalDist().cdf(value) if np.isinf(freedom) else float(stdtr(freedom, value))


def moments(samples: Samples) -> Moments | None:
    """Of the mean over training seeds; with one seed, over its episodes; None for one episode of one seed.

    Raises:
      ValueError: as `statistics.mean`.
    """
    estimate = statistics.mean(samples)
    arrays = [np.asarray(values, dtype=np.float64) for values in samples]
    values = np.array([x.mean() for x in arrays]) if len(arrays) > 1 else arrays[0]
    if len(values) < 2:
        return None
    variance = float(values.var(ddof=1)) if np.ptp(values) else 0.0  # of equal numbers it may round to a little
    return Moments(estimate, variance / len(values), len(values) - 1)


def gap_moments(pair: Pair) -> Moments | None:
    """Of the gap of one task: seeds are paired; with one seed its episodes, in pairs where both settings have them."""
    train, shifted, same = pair
    statistics.gap(train, shifted)  # checks
    if len(train) > 1 or all(same):
        differences = [
            np.subtract(x, y) if alike else np.array([np.asarray(x).mean() - np.asarray(y).mean()])
            for x, y, alike in zip(train, shifted, same, strict=True)
        ]
        return moments(differences)
    sides = [moments(train), moments(shifted)]
    return combined([side for side in sides if side is not None], [1.0, -1.0]) if None not in sides else None


def combined(parts: Sequence[Moments], weights: Sequence[float]) -> Moments:
    """Of a weighted sum of independent estimates; F. E. Satterthwaite 1946, Biometrics Bulletin 2, 110-114."""
    shares = [weight**2 * part.variance for part, weight in zip(parts, weights, strict=True)]
    spread = sum(share**2 / part.freedom for share, part in zip(shares, parts, strict=True))
    freedom = sum(shares) ** 2 / spread if spread > 0 else float("inf")
    return Moments(sum(w * part.estimate for part, w in zip(parts, weights, strict=True)), sum(shares), freedom)


def task_moments(tasks: Sequence[Samples]) -> Moments | None:
    """Of the mean over tasks; None as soon as one task has none."""
    return _meant([moments(samples) for samples in tasks])


def task_gap_moments(pairs: Sequence[Pair]) -> Moments | None:
    """Of the mean over tasks of the gap; None as soon as one task has none."""
    return _meant([gap_moments(pair) for pair in pairs])


def task_mean_interval(tasks: Sequence[Samples], *, level: float = LEVEL) -> Interval | None:
    """The interval of `statistics.task_mean`; None as soon as one task has no spread to tell.

    Raises:
      ValueError: as `statistics.task_mean`.
    """
    statistics.task_mean(tasks)  # checks
    return _interval(task_moments(tasks), level)


def task_gap_interval(pairs: Sequence[Pair], *, level: float = LEVEL) -> Interval | None:
    """The interval of `statistics.task_gap`."""
    statistics.task_gap(pairs)  # checks
    return _interval(task_gap_moments(pairs), level)


def task_success_interval(tasks: Sequence[Samples], *, level: float = LEVEL) -> Interval | None:
    """The interval of a success rate meant over tasks: Wilson's, with the effective number of episodes.

    Episodes of one training are alike, so n of them say as much as p(1-p)/v independent ones, where v is the variance
    of the rate over seeds; the normal quantile becomes Student's (C. Franco et al. 2019, Journal of Survey Statistics
    and Methodology 7, 334-364). Where all seeds gave the same rate, every episode counts. Tasks are added as in
    `statistics.wilson_sum_interval`.

    Raises:
      ValueError: as `statistics.task_success_interval`.
    """
    statistics.task_success_interval(tasks, num_resamples=1)  # checks
    if any(moments(samples) is None for samples in tasks):
        return None
    rates = [_rate(samples) for samples in tasks]
    total = combined([part for part, _ in rates], [1.0] * len(rates))
    freedom = total.freedom if total.variance else sum(part.freedom for part, _ in rates)
    proportions = [(part.estimate, number) for part, number in rates]
    return _wilson_sum(proportions, [1 / len(rates)] * len(rates), t_quantile((1 + level) / 2, freedom))


def success_difference_chance(ours: Sequence[Samples], theirs: Sequence[Samples]) -> float:
    """The two-sided p value of a difference of two success rates, each meant over tasks, whose seeds all agree.

    The level at which the difference of Wilson's margins (R. G. Newcombe 1998, method 10) just reaches zero.
    """
    sides = [[_rate(samples) for samples in tasks] for tasks in (ours, theirs)]
    weights = [sign / len(side) for sign, side in zip((1, -1), sides, strict=True) for _ in side]
    proportions = [(part.estimate, number) for side in sides for part, number in side]
    freedom = sum(part.freedom for side in sides for part, _ in side)

    def excludes_zero(quantile: float) -> bool:
        low, high = _wilson_sum(proportions, weights, quantile)
        return low > 0.0 or high < 0.0

    quantile = _edge(lambda z: not excludes_zero(z), 0.0, _LARGEST_QUANTILE)
    return 2 * t_chance(-quantile, freedom) if excludes_zero(0.0) else 1.0


def task_success_gap_interval(pairs: Sequence[Pair], *, level: float = LEVEL) -> Interval | None:
    """The interval of `statistics.task_gap` for successes, inside [-1, 1].

    Where all seeds lost the same, `statistics.task_success_gap_interval`, which keeps a width.

    Raises:
      ValueError: as `statistics.task_success_gap_interval`.
    """
    without_width = statistics.task_success_gap_interval(pairs, level=level, num_resamples=1)
    total = task_gap_moments(pairs)
    if total is None:
        return None
    if total.variance == 0.0:
        return without_width
    low, high = _interval(total, level) or (0.0, 0.0)
    return max(-1.0, low), min(1.0, high)


def score_interval(
    scores: ArrayLike,
    statistic: Callable[[Floats], ArrayLike] = statistics.interquartile_mean,
    *,
    level: float = LEVEL,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> Interval | None:
    """The interval of an aggregate of (seeds, tasks) scores: the bootstrap's variance, n/(n-1) times, and Student's t.

    Args:
      scores: finite, (seeds, tasks).
      statistic: as for `statistics.score_interval`.

    Returns:
      None for one seed.
    """
    array = np.asarray(scores, dtype=np.float64)
    draws = statistics.score_draws(array, statistic, num_resamples=num_resamples, seed=seed)
    if draws is None:
        return None
    num_seeds, num_tasks = array.shape
    centre = float(np.asarray(statistic(array[None]), dtype=np.float64)[0])
    variance = float(draws.var()) * num_seeds / (num_seeds - 1)
    return _interval(Moments(centre, variance, num_tasks * (num_seeds - 1)), level)


def improvement_interval(ours: ArrayLike, theirs: ArrayLike, *, level: float = LEVEL) -> Interval | None:
    """The interval of `statistics.probability_of_improvement`; has a width where every seed of ours beats theirs.

    R. G. Newcombe 2006, Statistics in Medicine 25, 559-573, method 5, for each task; the squares of the tasks' margins
    are added (G. Y. Zou and A. Donner 2008, Statistics in Medicine 27, 1693-1702).

    Returns:
      None unless both have at least two seeds.
    """
    x, y = np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
    whole = statistics.probability_of_improvement(x, y)
    if min(len(x), len(y)) < 2:
        return None
    quantile = NormalDist().inv_cdf((1 + level) / 2)
    columns = range(x.shape[1])
    chances = [statistics.probability_of_improvement(x[:, [t]], y[:, [t]]) for t in columns]
    limits = [_improvement_limits(chance, len(x), len(y), quantile) for chance in chances]
    below = sum((chance - low) ** 2 for chance, (low, _) in zip(chances, limits, strict=True))
    above = sum((high - chance) ** 2 for chance, (_, high) in zip(chances, limits, strict=True))
    return whole - float(np.sqrt(below)) / len(chances), whole + float(np.sqrt(above)) / len(chances)


def _meant(parts: Sequence[Moments | None]) -> Moments | None:
    there = [part for part in parts if part is not None]
    return combined(there, [1 / len(parts)] * len(parts)) if len(there) == len(parts) else None


def _interval(found: Moments | None, level: float) -> Interval | None:
    if found is None:
        return None
    half = t_quantile((1 + level) / 2, found.freedom) * float(np.sqrt(found.variance)) if found.variance else 0.0
    return found.estimate - half, found.estimate + half


def _rate(samples: Samples) -> tuple[Moments, float]:
    """A success rate and the effective number of its episodes; those of one seed are a plain binomial."""
    number = float(sum(np.size(values) for values in samples))
    rate = min(max(statistics.mean(samples), 0.0), 1.0)
    found = moments(samples) if len(samples) > 1 else None
    if found is None:
        return Moments(rate, rate * (1 - rate) / number, float("inf")), number
    if found.variance == 0.0 or not 0.0 < rate < 1.0:
        return found._replace(estimate=rate), number
    return found._replace(estimate=rate), rate * (1 - rate) / found.variance


def _wilson_sum(proportions: Sequence[tuple[float, float]], weights: Sequence[float], quantile: float) -> Interval:
    """`statistics.wilson_sum_interval` of (rate, number of trials) pairs, at a given quantile."""
    centre = below = above = 0.0
    for (rate, number), weight in zip(proportions, weights, strict=True):
        margins = sorted(weight * (limit - rate) for limit in statistics.wilson_limits(rate, number, quantile))
        centre, below, above = centre + weight * rate, below + margins[0] ** 2, above + margins[1] ** 2
    return centre - float(np.sqrt(below)), centre + float(np.sqrt(above))


def _improvement_limits(chance: float, num_ours: int, num_theirs: int, quantile: float) -> Interval:
    """Where the chance that was seen lies just `quantile` standard errors from the chance that is true."""

    def too_far(true: float) -> bool:
        mean = (num_ours + num_theirs) / 2 - 1
        spread = 1 + mean * ((1 - true) / (2 - true) + true / (1 + true))
        variance = true * (1 - true) * spread / (num_ours * num_theirs)
        return bool((chance - true) ** 2 > quantile**2 * variance)

    return _edge(too_far, chance, 0.0), _edge(too_far, chance, 1.0)


def _edge(too_far: Callable[[float], bool], near: float, far: float) -> float:
    """Between a point inside and a bound: where inside ends, by halving."""
    if not too_far(far):
        return far
    for _ in range(_NUM_HALVINGS):
        middle = (near + far) / 2
        near, far = (near, middle) if too_far(middle) else (middle, far)
    return near
