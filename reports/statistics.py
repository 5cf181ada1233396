"""Means, intervals and aggregates as pure functions of arrays, in float64; nothing is skipped and nothing is guessed.

*Samples* are a sequence with one 1-D array per training seed: what the evaluated episodes of that seed gave. Arrays may
differ in length; every seed weighs the same.

**The interval** is the percentile interval of a two-stage bootstrap: training seeds are drawn with replacement, then
episodes within each drawn seed. Seeds come first because two trainings differ by far more than two episodes of one:
pooling all episodes would claim a precision that no repetition has. With one seed only episodes are drawn, and the
interval says nothing about training again. Means over tasks draw seeds and episodes within each task (tasks are strata,
they are not a sample). A gap between two settings draws seeds in pairs, and episodes too where both settings have the
same ones: episode i of an evaluation seed starts from the same state in every setting.

With few seeds a percentile bootstrap is narrow (its variance lacks a factor n/(n-1)): with normally distributed seeds,
a nominal 95 % covers about 86 % for five of them and 91 % for ten. That is stated rather than corrected, to stay
comparable with the intervals of the field (Agarwal et al. 2021, arXiv 2108.13264).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Samples = Sequence[ArrayLike]
Interval = tuple[float, float]


class Pair(NamedTuple):
    """What the same training seeds gave on one task in two settings.

    Attributes:
      train: samples in the training setting.
      shifted: samples of the same seeds, in the same order, in the shifted setting.
      same_episodes: per seed, whether both settings hold the same episodes in the same order; if so they are drawn in
        pairs, else each on their own.
    """

    train: Samples
    shifted: Samples
    same_episodes: Sequence[bool]


LEVEL = 0.95
NUM_RESAMPLES = 2000
_DRAWN_AT_ONCE = 1 << 20  # episodes; eight bytes each


def mean(samples: Samples) -> float:
    """The mean over training seeds of each seed's mean over episodes.

    Raises:
      ValueError: if there is no seed, a seed has no episode, or a value is not finite.
    """
    return float(np.mean([values.mean() for values in _checked(samples)]))


def mean_interval(
    samples: Samples, *, level: float = LEVEL, num_resamples: int = NUM_RESAMPLES, seed: int = 0
) -> Interval | None:
    """The interval of `mean`; None where one episode of one seed is all there is.

    Raises:
      ValueError: as `mean`.
    """
    return task_mean_interval([samples], level=level, num_resamples=num_resamples, seed=seed)


def success_interval(
    samples: Samples, *, level: float = LEVEL, num_resamples: int = NUM_RESAMPLES, seed: int = 0
) -> Interval | None:
    """The interval of a success rate, the `mean` of zeros and ones.

    With one seed, Wilson's interval of the binomial. With several, the bootstrap, unless it has no width because all
    episodes came out alike: then Wilson's interval of all episodes together.

    An episode's outcome may also be a share, the fraction of several settings in which it succeeded. Its spread is at
    most that of zeros and ones with the same mean, so the bootstrap is taken for one seed too, and Wilson's interval,
    where it has no width, is the wider choice.

    Raises:
      ValueError: as `mean`, or if a value is not in [0, 1].
    """
    return task_success_interval([samples], level=level, num_resamples=num_resamples, seed=seed)


def task_success_interval(
    tasks: Sequence[Samples], *, level: float = LEVEL, num_resamples: int = NUM_RESAMPLES, seed: int = 0
) -> Interval | None:
    """The interval of a success rate meant over tasks; for one task, `success_interval`.

    The bootstrap over tasks as strata, but for one task with one seed, and where the bootstrap has no width because the
    episodes of each task came out alike, `wilson_sum_interval` of the tasks.

    Raises:
      ValueError: as `mean`, or if a value is not in [0, 1].
    """
    arrays = [_checked(samples) for samples in _nonempty(tasks)]
    is_binary = _is_binary(values for samples in arrays for values in samples)
    interval = task_mean_interval(arrays, level=level, num_resamples=num_resamples, seed=seed)
    is_binomial = is_binary and len(arrays) == len(arrays[0]) == 1
    if interval is None or (interval[0] < interval[1] and not is_binomial):
        return interval
    return wilson_sum_interval(
        [_proportion(samples) for samples in arrays], [1 / len(arrays)] * len(arrays), level=level
    )


def wilson_interval(num_successes: float, num_trials: int, *, level: float = LEVEL) -> Interval:
    """Wilson's score interval of a proportion (E. B. Wilson 1927); stays inside [0, 1] and has a width at 0 and 1."""
    if not 0 <= num_successes <= num_trials or num_trials < 1:
        raise ValueError(f"{num_successes} successes of {num_trials} trials is no proportion.")
    return wilson_limits(num_successes / num_trials, num_trials, NormalDist().inv_cdf((1 + level) / 2))


def wilson_limits(rate: float, number: float, quantile: float) -> Interval:
    """Wilson's limits of a rate in [0, 1] that was found in a number of trials, not necessarily whole."""
    z, p, n = quantile, rate, number
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * float(np.sqrt(p * (1 - p) / n + z * z / (4 * n * n)))
    return 0.0 if p == 0.0 else max(0.0, centre - half), 1.0 if p == 1.0 else min(1.0, centre + half)


def wilson_sum_interval(
    proportions: Sequence[tuple[float, int]], weights: Sequence[float], *, level: float = LEVEL
) -> Interval:
    """The interval of a weighted sum of independent proportions: the squares of their Wilson margins are added.

    Wilson's interval for one proportion, Newcombe's for a difference (R. G. Newcombe 1998, Statistics in Medicine 17,
    873-890, method 10), in general G. Y. Zou and A. Donner 2008, Statistics in Medicine 27, 1693-1702.

    Args:
      proportions: (successes, trials) of each.
      weights: of each; negative to subtract.
    """
    centre = below = above = 0.0
    for (successes, trials), weight in zip(proportions, weights, strict=True):
        rate = successes / trials
        margins = sorted(weight * (limit - rate) for limit in wilson_interval(successes, trials, level=level))
        centre, below, above = centre + weight * rate, below + margins[0] ** 2, above + margins[1] ** 2
    return centre - float(np.sqrt(below)), centre + float(np.sqrt(above))


def gap(train: Samples, shifted: Samples) -> float:
    """The generalization gap: mean in the training setting minus mean in the shifted one.

    Args:
      train: samples in the training setting.
      shifted: samples of the same seeds, in the same order, in the shifted setting.

    Raises:
      ValueError: as `mean`, or if the numbers of seeds differ.
    """
    return task_gap([Pair(train, shifted, [False] * len(train))])


def gap_interval(
    train: Samples,
    shifted: Samples,
    same_episodes: Sequence[bool],
    *,
    level: float = LEVEL,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> Interval | None:
    """The interval of `gap`: a drawn seed brings both settings, and so does a drawn episode where both have the same.

    Raises:
      ValueError: as `gap`, or if a seed said to have the same episodes has unequally many.
    """
    pair = Pair(train, shifted, same_episodes)
    return task_gap_interval([pair], level=level, num_resamples=num_resamples, seed=seed)


def task_mean(tasks: Sequence[Samples]) -> float:
    """The mean over tasks of each task's `mean`; a task without samples raises, it is not left out."""
    return float(np.mean([mean(samples) for samples in _nonempty(tasks)]))


def task_mean_interval(
    tasks: Sequence[Samples], *, level: float = LEVEL, num_resamples: int = NUM_RESAMPLES, seed: int = 0
) -> Interval | None:
    """The interval of `task_mean`; None if it has none for one of the tasks."""
    rng = np.random.default_rng(seed)
    arrays = [_checked(samples) for samples in _nonempty(tasks)]
    if not all(_has_spread(samples) for samples in arrays):
        return None
    draws = [_draw_means(samples, _draw_seeds(len(samples), num_resamples, rng), rng) for samples in arrays]
    return _percentiles(np.mean(draws, axis=0), level)


def task_gap(pairs: Sequence[Pair]) -> float:
    """The mean over tasks of each task's `gap`, from one pair per task."""
    return float(np.mean([mean(train) - mean(shifted) for train, shifted, _ in _paired(pairs)]))


def task_gap_interval(
    pairs: Sequence[Pair], *, level: float = LEVEL, num_resamples: int = NUM_RESAMPLES, seed: int = 0
) -> Interval | None:
    """The interval of `task_gap`, paired within each task as in `gap_interval`; None if one of the tasks has none."""
    rng = np.random.default_rng(seed)
    checked = _paired(pairs)
    if not all(_has_spread(train) and _has_spread(shifted) for train, shifted, _ in checked):
        return None
    draws = []
    for pair in checked:
        seeds = _draw_seeds(len(pair.train), num_resamples, rng)
        first, second = _differences(pair)
        draws.append(_draw_means(first, seeds, rng) - _draw_means(second, seeds, rng))
    return _percentiles(np.mean(draws, axis=0), level)


def task_success_gap_interval(
    pairs: Sequence[Pair], *, level: float = LEVEL, num_resamples: int = NUM_RESAMPLES, seed: int = 0
) -> Interval | None:
    """The interval of `task_gap` for successes.

    The bootstrap of `task_gap_interval`, but for one task with one seed whose settings have different episodes, and
    where the bootstrap has no width because the episodes of each task differ alike, `wilson_sum_interval`: for one task
    Newcombe's interval of a difference. It takes the settings as independent; for paired ones it is the wider choice.

    Raises:
      ValueError: as `gap_interval`, or if a value is not in [0, 1].
    """
    checked = _paired(pairs)
    is_binary = _is_binary(values for pair in checked for side in pair[:2] for values in side)
    interval = task_gap_interval(checked, level=level, num_resamples=num_resamples, seed=seed)
    independent = len(checked) == 1 and list(checked[0].same_episodes) == [False]
    if interval is None or (interval[0] < interval[1] and not (is_binary and independent)):
        return interval
    proportions = [_proportion(side) for pair in checked for side in pair[:2]]
    return wilson_sum_interval(proportions, [1 / len(checked), -1 / len(checked)] * len(checked), level=level)


def interquartile_mean(scores: ArrayLike) -> Floats | float:
    """The mean of the middle half of all seeds and tasks together: a quarter, rounded down, is cut at each end.

    Args:
      scores: finite, (..., seeds, tasks), on one scale for all tasks; leading axes are a batch.

    Returns:
      float64, (...); a float without leading axes.
    """
    array = _scores(scores)
    flat = np.sort(array.reshape(*array.shape[:-2], -1), axis=-1)
    cut = flat.shape[-1] // 4
    middle = flat[..., cut : flat.shape[-1] - cut].mean(axis=-1)
    return float(middle) if middle.ndim == 0 else middle


def probability_of_improvement(ours: ArrayLike, theirs: ArrayLike) -> float:
    """The chance that a seed of ours beats a seed of theirs on a task, ties counting half; the mean over tasks.

    This is the Mann-Whitney U statistic over the number of pairs.

    Args:
      ours: finite, (seeds, tasks).
      theirs: finite, (seeds, tasks), the same tasks; the number of seeds may differ.

    Raises:
      ValueError: if the tasks differ in number or a value is not finite.
    """
    return float(_improvement(*_two(ours, theirs)))


def improvement_interval(
    ours: ArrayLike, theirs: ArrayLike, *, level: float = LEVEL, num_resamples: int = NUM_RESAMPLES, seed: int = 0
) -> Interval | None:
    """The interval of `probability_of_improvement`; None unless both have at least two seeds."""
    rng = np.random.default_rng(seed)
    x, y = _two(ours, theirs)
    if min(len(x), len(y)) < 2:
        return None
    return _percentiles(_improvement(_draw_scores(x, num_resamples, rng), _draw_scores(y, num_resamples, rng)), level)


def performance_profile(scores: ArrayLike, thresholds: ArrayLike) -> Floats:
    """The fraction of all seeds and tasks whose score is above each threshold.

    Args:
      scores: finite, (seeds, tasks).
      thresholds: (k,).

    Returns:
      float64, (k,), in [0, 1].
    """
    flat = _scores(scores).ravel()
    return np.mean(flat[:, None] > np.asarray(thresholds, dtype=np.float64)[None, :], axis=0)


def score_interval(
    scores: ArrayLike,
    statistic: Callable[[Floats], ArrayLike] = interquartile_mean,
    *,
    level: float = LEVEL,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> Interval | None:
    """The interval of an aggregate of (seeds, tasks) scores: seeds are drawn within each task; None for one seed.

    Args:
      scores: finite, (seeds, tasks).
      statistic: takes (num_resamples, seeds, tasks), returns (num_resamples,), as `interquartile_mean` does.
    """
    draws = score_draws(scores, statistic, num_resamples=num_resamples, seed=seed)
    return None if draws is None else _percentiles(draws, level)


def score_draws(
    scores: ArrayLike,
    statistic: Callable[[Floats], ArrayLike] = interquartile_mean,
    *,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> Floats | None:
    """The resamples `score_interval` is taken from, (num_resamples,); None for one seed."""
    array = _scores(scores)
    if len(array) < 2:
        return None
    draws = _draw_scores(array, num_resamples, np.random.default_rng(seed))
    return np.asarray(statistic(draws), dtype=np.float64)


def _checked(samples: Samples) -> list[Floats]:
    arrays = [np.asarray(values, dtype=np.float64) for values in samples]
    if not arrays or any(values.ndim != 1 or values.size == 0 for values in arrays):
        raise ValueError("Samples need at least one seed, each with a 1-D array of at least one episode.")
    if not np.isfinite(np.concatenate(arrays)).all():
        raise ValueError("Samples must be finite: a missing episode is left out by the caller, not stored as NaN.")
    return arrays


def _nonempty(tasks: Sequence[Samples]) -> Sequence[Samples]:
    if not tasks:
        raise ValueError("A mean over tasks needs at least one task.")
    return tasks


def _paired(pairs: Sequence[Pair]) -> list[Pair]:
    if not pairs:
        raise ValueError("A mean over tasks needs at least one task.")
    checked = [Pair(_checked(train), _checked(shifted), same) for train, shifted, same in pairs]
    for train, shifted, same in checked:
        if not len(train) == len(shifted) == len(same):
            raise ValueError("A gap compares the same seeds: both settings need equally many.")
        if any(alike and np.size(x) != np.size(y) for x, y, alike in zip(train, shifted, same, strict=True)):
            raise ValueError("A gap over the same episodes needs equally many in both settings.")
    return checked


def _differences(pair: Pair) -> tuple[list[Floats], list[Floats]]:
    """Two lists of samples whose independent draws, subtracted, are draws of the gap.

    Where a seed has the same episodes in both settings: their differences, and a lone zero to subtract from them.
    """
    columns = list(zip(pair.train, pair.shifted, pair.same_episodes, strict=True))
    first = [np.subtract(train, shifted) if same else np.asarray(train) for train, shifted, same in columns]
    return first, [np.zeros(1) if same else np.asarray(shifted) for _, shifted, same in columns]


def _is_binary(outcomes: Iterable[ArrayLike]) -> bool:
    """Whether all successes are zeros and ones, not shares; raises ValueError if one is neither."""
    values = np.concatenate([np.ravel(outcome) for outcome in outcomes])
    if ((values < 0.0) | (values > 1.0)).any():
        raise ValueError("Successes must be 0 or 1, or a share between.")
    return bool(np.isin(values, (0.0, 1.0)).all())


def _proportion(samples: Samples) -> tuple[float, int]:
    """(successes, trials) of all seeds together."""
    return sum(float(np.sum(values)) for values in samples), sum(np.size(values) for values in samples)


def _scores(scores: ArrayLike) -> Floats:
    array = np.asarray(scores, dtype=np.float64)
    if array.ndim < 2 or array.size == 0 or not np.isfinite(array).all():
        raise ValueError("Scores must be a finite (seeds, tasks) array: an aggregate with a missing task is missing.")
    return array


def _two(ours: ArrayLike, theirs: ArrayLike) -> tuple[Floats, Floats]:
    x, y = _scores(ours), _scores(theirs)
    if x.shape[-1] != y.shape[-1]:
        raise ValueError(f"Scores of {x.shape[-1]} tasks cannot be compared with scores of {y.shape[-1]}.")
    return x, y


def _has_spread(samples: Samples) -> bool:
    """Whether drawing again can give anything else: one episode of one seed cannot."""
    return len(samples) > 1 or np.size(samples[0]) > 1


def _draw_seeds(num_seeds: int, num_resamples: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Which seeds each resample holds, (num_resamples, num_seeds)."""
    return rng.integers(num_seeds, size=(num_resamples, num_seeds))


def _draw_means(samples: list[Floats], seeds: NDArray[np.int64], rng: np.random.Generator) -> Floats:
    """The mean of each resample, (num_resamples,), drawing anew the episodes of every seed it holds.

    Numbers are drawn seed by seed. Neighbours with equally many episodes share a call, which gives the same numbers.
    """
    if all(len(values) == 1 for values in samples):  # no number is drawn where there is no choice
        return np.asarray(np.concatenate(samples)[seeds].mean(axis=1))
    means = np.empty(seeds.size)
    places = np.argsort(seeds.ravel().astype(np.min_scalar_type(len(samples))), kind="stable")
    counts, done = np.bincount(seeds.ravel(), minlength=len(samples)), 0
    for some in _alike(samples, len(seeds)):
        values, held = np.stack(samples[some]), np.repeat(np.arange(some.stop - some.start), counts[some])
        drawn = rng.integers(values.shape[1], size=(len(held), values.shape[1]))
        drawn += held[:, None] * values.shape[1]
        means[places[done : done + len(held)]] = values.ravel()[drawn].mean(axis=1)
        done += len(held)
    return np.asarray(means.reshape(seeds.shape).mean(axis=1))


def _alike(samples: list[Floats], num_resamples: int) -> Iterator[slice]:
    """Neighbours with equally many episodes, so few at once that what is drawn of them stays small."""
    start = 0
    while start < len(samples):
        size = len(samples[start])
        stop = min(len(samples), start + max(1, _DRAWN_AT_ONCE // (size * num_resamples)))
        stop = next((number for number in range(start, stop) if len(samples[number]) != size), stop)
        yield slice(start, stop)
        start = stop


def _draw_scores(scores: Floats, num_resamples: int, rng: np.random.Generator) -> Floats:
    """Resamples of (seeds, tasks) with the seeds drawn within each task, (num_resamples, seeds, tasks)."""
    seeds = rng.integers(len(scores), size=(num_resamples, *scores.shape))
    return np.take_along_axis(scores[None], seeds, axis=1)


def _improvement(x: Floats, y: Floats) -> Floats:
    """Mann-Whitney over the pairs, mean over tasks; (..., seeds, tasks) twice to (...)."""
    difference = x[..., :, None, :] - y[..., None, :, :]
    wins: Floats = (np.sign(difference) + 1) / 2
    return np.asarray(wins.mean(axis=(-3, -2, -1)))


def _percentiles(draws: Floats, level: float) -> Interval:
    low, high = np.quantile(draws, ((1 - level) / 2, (1 + level) / 2))
    return float(low), float(high)
