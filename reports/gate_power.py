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

from harness.reports import student
from harness.reports.gate_test import Noise
from harness.reports.statistics import Floats

POWER = 0.8  # the chance with which a drop shall be seen
NUM_DRAWS = 20_000
MOST = 1_000_000  # units; a gate that needs more is out of reach
_FAR = 30.0  # noncentrality from which the normal distribution does
_NUM_HALVINGS = 40


Freedoms = Callable[[Floats, int], Floats]


@dataclass(frozen=True)
class Spread:
    """How the outcomes of one line vary.

    Attributes:
      mean: over policies.
      within: per policy, the variance of its episodes, (S,).
      between: the variance of the policies' means that their episodes do not explain; None if one policy is known.
      num_settings: over how many settings each outcome is a mean of successes; None for returns.
      together: of success rates, the variance of an episode's outcome in units of that of one setting alone: from one
        over the number of settings (they succeed independently) to 1 (all of them succeed or none).
    """

    mean: float
    within: tuple[float, ...]
    between: float | None
    num_settings: int | None = None
    together: float = 1.0

    @property
    def share_together(self) -> float:
        """Of the episodes, those that succeed in all settings or in none, were the others independent."""
        least = 1 / (self.num_settings or 1)
        return 1.0 if least == 1 else (self.together - least) / (1 - least)


@dataclass(frozen=True)
class Size:
    """Of an evaluation on each side.

    Attributes:
      seeds: policies.
      episodes: of each policy.
      same_seeds: whether trainings of equal seeds are compared in pairs; with others the gate takes Welch's test.
    """

    seeds: int
    episodes: int
    same_seeds: bool = True


def spread_of(side: Sequence[Floats], num_settings: int | None = None) -> Spread:
    """The spread that one side shows.

    Args:
      side: per policy, its outcomes.
      num_settings: over how many settings they are means of successes; None for returns.
    """
    means = np.array([values.mean() for values in side])
    within = tuple(float(values.var(ddof=1)) if len(values) > 1 else 0.0 for values in side)
    explained = float(np.mean([v / len(values) for v, values in zip(within, side, strict=True)]))
    between = max(0.0, float(means.var(ddof=1)) - explained) if len(side) > 1 else None
    if num_settings is None:
        return Spread(float(means.mean()), within, between)
    alone = float(np.sum(means * (1 - means)))
    together = min(max(sum(within) / alone, 1 / num_settings), 1.0) if alone > 0 else 1.0
    return Spread(float(means.mean()), within, between, num_settings, together)


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
    if spread.num_settings is not None:
        return _counted(spread, size, noise, margin, drop, level, worse)
    error, freedom = _error(spread, size, noise)
    if freedom <= 0:
        return 0.0
    away = drop - margin if worse else margin - drop
    if error > 0.0 and noise == "episodes" and size.seeds > 1 and size.episodes > 1:
        true = 2 * np.resize(np.array(spread.within), size.seeds) / size.episodes / size.seeds**2
        return _drawn(true, size.episodes - 1, away, level, _welch)
    if error > 0.0 and noise == "seeds" and not size.same_seeds:
        return _drawn(np.full(2, error**2 / 2), size.seeds - 1, away, level, _satterthwaite)
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
    is_rate = spread.num_settings is not None
    high = spread.mean if is_rate else margin + max(error, 1e-9 * abs(spread.mean))
    while not is_rate and not seen(high) and error > 0 and high < margin + 1e6 * error:
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


def _drawn(true: Floats, freedom: int, away: float, level: float, freedoms: Freedoms) -> float:
    """The share of draws in which a difference is shown that is so far from the border.

    Its degrees of freedom are estimated with its variance, so no noncentral t gives it.

    Args:
      true: variances of what the difference's estimate is the sum of, (K,): of policies, or of the two sides.
      freedom: of the estimate of each.
      away: of the true difference from the border.
      level: of the test.
      freedoms: how the sum's are estimated.
    """
    rng = np.random.default_rng(0)  # the same draws for every drop, so that the chance rises with it
    found = true * rng.chisquare(freedom, (NUM_DRAWS, len(true))) / freedom
    total, estimate = found.sum(axis=1), rng.normal(away, np.sqrt(true.sum()), NUM_DRAWS)
    return float(np.mean(estimate >= _quantiles(level, freedoms(found, freedom)) * np.sqrt(total)))


def _satterthwaite(found: Floats, freedom: int) -> Floats:
    """Degrees of freedom of sums of two sides' variances, as `gate_test` has them: (N, 2) to (N,)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        freedoms = found.sum(axis=1) ** 2 / (found**2 / freedom).sum(axis=1)
    return np.nan_to_num(freedoms, nan=found.shape[1] * freedom)


def _welch(found: Floats, freedom: int) -> Floats:
    """The same of several policies' variances: (N, K) to (N,)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        freedoms = found.sum(axis=1) ** 2 / (found**2 / (freedom + 2)).sum(axis=1) - 2
    return np.clip(np.nan_to_num(freedoms, nan=freedom), freedom, found.shape[1] * freedom)


def _quantiles(level: float, freedom: Floats | float) -> Floats:
    from scipy.special import stdtrit

    return np.asarray(stdtrit(freedom, 1 - level))


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
    distance, give = estimate + margin, 0.5 / (num * (spread.num_settings or 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (distance + give) / error if worse else (distance - give) / error
    beyond = ratio <= -_quantiles(level, freedom) if worse else ratio >= _quantiles(level, freedom)
    signs = (distance < 0 if worse else distance > 0) & (0.5 ** _units(size, noise) <= level)
    return float(np.mean(np.where(error > 0, beyond, signs)))


Draws = tuple[Floats, Floats, Floats | float]  # differences, their variances, degrees of freedom


def _episode_draws(rng: np.random.Generator, before: float, after: float, spread: Spread, size: Size) -> Draws | None:
    """Pairs of outcomes of independent sides, pooled over policies."""
    num, most = size.seeds * size.episodes, spread.num_settings or 1
    if num < 2:
        return None
    chances = np.convolve(_outcome_chances(after, spread), _outcome_chances(before, spread)[::-1])
    counts = rng.multinomial(num, chances / chances.sum(), NUM_DRAWS)
    gained = np.arange(-most, most + 1) / most
    mean = counts @ gained / num
    return mean, (counts @ gained**2 - num * mean**2) / (num - 1) / num, num - 1


def _outcome_chances(rate: float, spread: Spread) -> Floats:
    """Of 0, 1, ... successes in the settings of one episode: (num_settings + 1,)."""
    from scipy.stats import binom

    most, share = spread.num_settings or 1, spread.share_together
    found = (1 - share) * binom.pmf(np.arange(most + 1), most, rate)
    found[0] += share * (1 - rate)
    found[most] += share * rate
    return np.asarray(found)


def _seed_draws(rng: np.random.Generator, before: float, after: float, spread: Spread, size: Size) -> Draws | None:
    """Rates of trainings on both sides, each drawn about its mean."""
    if size.seeds < 2:
        return None
    rates = [_rates(rng, rate, spread.between or 0.0, size.seeds) for rate in (after, before)]
    sides = [_successes(rng, each, spread, size.episodes) for each in rates]
    found = (sides[0] - sides[1]) / size.episodes
    if size.same_seeds:
        return found.mean(axis=1), found.var(axis=1, ddof=1) / size.seeds, size.seeds - 1
    each = np.stack([side.var(axis=1, ddof=1) for side in sides], axis=1) / size.episodes**2 / size.seeds
    return found.mean(axis=1), each.sum(axis=1), _satterthwaite(each, size.seeds - 1)


def _successes(rng: np.random.Generator, rates: Floats, spread: Spread, episodes: int) -> Floats:
    """Sums of the outcomes of some episodes, each of policies with some rates."""
    most = spread.num_settings or 1
    if most == 1:
        return np.asarray(rng.binomial(episodes, rates), dtype=np.float64)
    together = rng.binomial(episodes, spread.share_together, rates.shape)
    return rng.binomial(together, rates) + rng.binomial(most * (episodes - together), rates) / most


def _rates(rng: np.random.Generator, rate: float, between: float, num_seeds: int) -> Floats:
    """True rates of trainings: Beta with a given variance, as far as that is possible for its mean."""
    most = rate * (1 - rate)
    if between <= 1e-9 or most <= 0.0:
        return np.full((NUM_DRAWS, num_seeds), rate)
    weight = max(most / min(between, 0.95 * most) - 1, 1e-3)
    return rng.beta(rate * weight, (1 - rate) * weight, (NUM_DRAWS, num_seeds))
