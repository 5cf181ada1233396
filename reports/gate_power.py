"""What the regression gate can see: the chances of its verdicts for given spreads, before anything is measured.

Of returns the chances are those of Student's noncentral t. Of success rates, which take few values, they are counted
over seeded draws that go through the gate's own test. Both sides are taken as independent: where the same start states
make a candidate's episodes alike to the baseline's, the gate sees more than is promised here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from harness.reports import student
from harness.reports.gate_test import Noise
from harness.reports.statistics import Floats

POWER = 0.8  # the chance with which a drop shall be seen
NUM_DRAWS = 20_000
MOST = 1_000_000  # units; a gate that needs more is out of reach
_FAR = 30.0  # noncentrality from which the normal distribution does
_NUM_HALVINGS = 40


@dataclass(frozen=True)
class Spread:
    """How the outcomes of one line vary.

    Attributes:
      mean: over policies.
      within: per policy, the variance of its episodes, (S,).
      between: the variance of the policies' means that their episodes do not explain; None if one policy is known.
      is_binary: whether every outcome is 0 or 1.
    """

    mean: float
    within: tuple[float, ...]
    between: float | None
    is_binary: bool


@dataclass(frozen=True)
class Size:
    """Of an evaluation on each side: policies, and the episodes of each."""

    seeds: int
    episodes: int


def spread_of(side: Sequence[Floats]) -> Spread:
    """The spread that one side shows.

    Args:
      side: per policy, its outcomes.
    """
    means = np.array([values.mean() for values in side])
    within = tuple(float(values.var(ddof=1)) if len(values) > 1 else 0.0 for values in side)
    explained = float(np.mean([v / len(values) for v, values in zip(within, side, strict=True)]))
    between = max(0.0, float(means.var(ddof=1)) - explained) if len(side) > 1 else None
    is_binary = bool(np.isin(np.concatenate(side), (0.0, 1.0)).all())
    return Spread(float(means.mean()), within, between, is_binary)


def verdict_chance(
    spread: Spread, size: Size, noise: Noise, margin: float, drop: float, level: float, *, worse: bool
) -> float:
    """The chance that the gate calls a line worse, or not worse, where the true mean has dropped.

    Args:
      spread: of the baseline; the candidate's is the same.
      size: of each side.
      noise: "episodes" or "seeds".
      margin: the loss that is accepted.
      drop: what was truly lost, at least 0.
      level: of the test.
      worse: which of the two verdicts.
    """
    if spread.is_binary:
        return _counted(spread, size, noise, margin, drop, level, worse)
    error, freedom = _error(spread, size, noise)
    if freedom <= 0:
        return 0.0
    away = drop - margin if worse else margin - drop
    if error > 0.0 and noise == "episodes" and size.seeds > 1 and size.episodes > 1:
        return _drawn(spread, size, away, level)
    if error == 0.0:
        return float(away > 0 and 0.5 ** _units(size, noise) <= level)
    return _beyond(student.t_quantile(1 - level, freedom), freedom, away / error)


def smallest_drop(spread: Spread, size: Size, noise: Noise, margin: float, level: float) -> float | None:
    """The smallest true drop that is called worse with the chance `POWER`; None where none is."""
    if noise == "seeds" and spread.between is None:
        return None

    def seen(drop: float) -> bool:
        return verdict_chance(spread, size, noise, margin, drop, level, worse=True) >= POWER

    error, _ = _error(spread, size, noise)
    high = spread.mean if spread.is_binary else margin + max(error, 1e-9 * abs(spread.mean))
    while not spread.is_binary and not seen(high) and error > 0 and high < margin + 1e6 * error:
        high = margin + 2 * (high - margin)
    return _first_seen(seen, margin, high) if high > margin and seen(high) else None


def units_needed(unit_variance: float, margin: float, alpha: float, *, at_least: int = 2) -> int | None:
    """How many units (episodes or seeds) show with the chance `POWER` that what has not changed is not worse.

    Args:
      unit_variance: of the difference in one unit; 0 if none was seen.
      margin: the loss that is accepted.
      alpha: level of the test.
      at_least: the smallest answer.

    Returns:
      None if it is more than `MOST`, or nothing would do.
    """
    if margin <= 0.0:
        return None
    if unit_variance == 0.0:
        return max(at_least, int(np.ceil(np.log2(1 / alpha))))

    def does(units: int) -> bool:
        away = margin / float(np.sqrt(unit_variance / units))
        return _beyond(student.t_quantile(1 - alpha, units - 1), units - 1, away) >= POWER

    low, high = max(at_least, 2) - 1, max(at_least, 2)
    while not does(high):
        if high > MOST:
            return None
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if does(middle) else (middle, high)
    return high


def _units(size: Size, noise: Noise) -> int:
    return size.seeds if noise == "seeds" else size.seeds * size.episodes


def _error(spread: Spread, size: Size, noise: Noise) -> tuple[float, float]:
    """The standard error of the difference of two independent sides in pairs, and its degrees of freedom."""
    if noise == "seeds":
        between = spread.between or 0.0
        variance = between + float(np.mean(spread.within)) / size.episodes
        return float(np.sqrt(2 * variance / size.seeds)), size.seeds - 1
    each = [2 * v / size.episodes for v in np.resize(np.array(spread.within), size.seeds)]
    shares = sum((v / size.seeds**2) ** 2 / (size.episodes - 1) for v in each) if size.episodes > 1 else 0.0
    total = sum(each) / size.seeds**2
    if size.episodes < 2:  # pooled
        return float(np.sqrt(total)), size.seeds - 1
    return float(np.sqrt(total)), total**2 / shares if shares > 0 else size.seeds * (size.episodes - 1)


def _drawn(spread: Spread, size: Size, away: float, level: float) -> float:
    """The share of draws in which several policies' episodes show a difference that far from the border.

    Their degrees of freedom are estimated with their variances, so no noncentral t gives it.
    """
    from scipy.special import stdtrit

    rng = np.random.default_rng(0)  # the same draws for every drop, so that the chance rises with it
    true = 2 * np.resize(np.array(spread.within), size.seeds) / size.episodes / size.seeds**2
    freedom = size.episodes - 1
    found = true * rng.chisquare(freedom, (NUM_DRAWS, size.seeds)) / freedom
    total, estimate = found.sum(axis=1), rng.normal(away, np.sqrt(true.sum()), NUM_DRAWS)
    welch = total**2 / (found**2 / (freedom + 2)).sum(axis=1) - 2  # as `gate_test` has them
    quantile = stdtrit(np.clip(welch, freedom, size.seeds * freedom), 1 - level)
    return float(np.mean(estimate >= quantile * np.sqrt(total)))


def _beyond(quantile: float, freedom: float, away: float) -> float:
    """The chance that a noncentral t exceeds a quantile."""
    from scipy.special import chdtr, nctdtr

    if freedom > MOST:
        return 1 - NormalDist().cdf(quantile - away)
    if abs(away) > _FAR:  # beside which the normal draw is nothing
        return float(chdtr(freedom, freedom * (away / quantile) ** 2)) if away > 0 else 0.0
    return 1 - float(nctdtr(freedom, away, quantile))


def _first_seen(seen: Callable[[float], bool], low: float, high: float) -> float:
    for _ in range(_NUM_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if seen(middle) else (middle, high)
    return high


def _counted(spread: Spread, size: Size, noise: Noise, margin: float, drop: float, level: float, worse: bool) -> float:
    """The share of draws of success rates in which the verdict is given."""
    rng = np.random.default_rng(0)  # the same draws for every drop, so that the chance rises with it
    rate = min(max(spread.mean, 0.0), 1.0)
    draw = _seed_draws if noise == "seeds" else _episode_draws
    found = draw(rng, rate, max(0.0, rate - drop), spread, size)
    if found is None:
        return 0.0
    estimate, variance, freedom = found
    num = size.seeds * size.episodes
    error = np.sqrt(np.maximum(variance, margin * (1 - min(margin, 1.0)) / num))
    distance, give = estimate + margin, 0.5 / num
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (distance + give) / error if worse else (distance - give) / error
    beyond = (
        ratio <= -student.t_quantile(1 - level, freedom) if worse else ratio >= student.t_quantile(1 - level, freedom)
    )
    signs = (distance < 0 if worse else distance > 0) & (0.5 ** _units(size, noise) <= level)
    return float(np.mean(np.where(error > 0, beyond, signs)))


Draws = tuple[Floats, Floats, float]  # differences, their variances, degrees of freedom


def _episode_draws(rng: np.random.Generator, before: float, after: float, _: Spread, size: Size) -> Draws | None:
    """Pairs of successes of independent sides, pooled over policies."""
    num = size.seeds * size.episodes
    if num < 2:
        return None
    outcomes = [before * (1 - after), (1 - before) * after]
    counts = rng.multinomial(num, [*outcomes, 1 - sum(outcomes)], NUM_DRAWS)
    lost, won = counts[:, 0], counts[:, 1]
    mean = (won - lost) / num
    return mean, ((won + lost) - num * mean**2) / (num - 1) / num, num - 1


def _seed_draws(rng: np.random.Generator, before: float, after: float, spread: Spread, size: Size) -> Draws | None:
    """Rates of trainings on both sides, each drawn about its mean."""
    if size.seeds < 2:
        return None
    sides = [
        rng.binomial(size.episodes, _rates(rng, rate, spread.between or 0.0, size.seeds)) for rate in (after, before)
    ]
    found = (sides[0] - sides[1]) / size.episodes
    return found.mean(axis=1), found.var(axis=1, ddof=1) / size.seeds, size.seeds - 1


def _rates(rng: np.random.Generator, rate: float, between: float, num_seeds: int) -> Floats | NDArray[np.float64]:
    """True rates of trainings: Beta with a given variance, as far as that is possible for its mean."""
    most = rate * (1 - rate)
    if between <= 1e-9 or most <= 0.0:
        return np.full((NUM_DRAWS, num_seeds), rate)
    weight = max(most / min(between, 0.95 * most) - 1, 1e-3)
    return rng.beta(rate * weight, (1 - rate) * weight, (NUM_DRAWS, num_seeds))
