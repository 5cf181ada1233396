"""Student's intervals against scipy, closed forms, published examples and their own promise."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats

from harness.reports import statistics, student

RNG = np.random.default_rng(5)
FIVE = [RNG.normal(400 + 50 * s, 80, size=n) for s, n in enumerate((40, 40, 40, 25, 40))]


def test_one_task_is_scipy_s_t_interval_of_the_seeds_means():
    means = [float(np.mean(values)) for values in FIVE]
    theirs = scipy.stats.t.interval(0.95, 4, loc=np.mean(means), scale=scipy.stats.sem(means))
    assert student.task_mean_interval([FIVE]) == pytest.approx(theirs, rel=1e-12)


def test_one_seed_is_the_t_interval_of_its_episodes():
    theirs = scipy.stats.t.interval(0.9, 39, loc=np.mean(FIVE[0]), scale=scipy.stats.sem(FIVE[0]))
    assert student.task_mean_interval([FIVE[:1]], level=0.9) == pytest.approx(theirs, rel=1e-12)
    assert student.task_mean_interval([[[3.0]]]) is None
    assert student.task_mean_interval([FIVE, [[3.0]]]) is None


def test_a_weighted_sum_has_welch_s_degrees_of_freedom():
    x, y = RNG.normal(0, 1, 6), RNG.normal(0, 5, 9)
    parts = [student.moments([[v] for v in x]), student.moments([[v] for v in y])]
    whole = student.combined(parts, [1.0, -1.0])
    theirs = scipy.stats.ttest_ind(x, y, equal_var=False)
    assert whole.freedom == pytest.approx(theirs.df, rel=1e-12)
    assert whole.estimate / math.sqrt(whole.variance) == pytest.approx(theirs.statistic, rel=1e-12)


def test_equal_tasks_add_up_their_freedom_and_shrink():
    one, six = student.task_moments([FIVE]), student.task_moments([FIVE] * 6)
    assert six.freedom == pytest.approx(6 * one.freedom)
    assert six.variance == pytest.approx(one.variance / 6)


def test_the_gap_is_the_paired_t_interval_of_the_seeds():
    train = [values + 100 + 10 * n for n, values in enumerate(FIVE)]
    pair = statistics.Pair(train, FIVE, [True] * 5)
    losses = [100, 110, 120, 130, 140]
    theirs = scipy.stats.t.interval(0.95, 4, loc=120, scale=scipy.stats.sem(losses))
    assert student.task_gap_interval([pair]) == pytest.approx(theirs, rel=1e-9)


def test_the_gap_of_one_seed_is_paired_by_episode_only_where_the_episodes_are_the_same():
    x, y = FIVE[0], FIVE[0] - RNG.normal(50, 5, 40)
    paired = student.task_gap_interval([statistics.Pair([x], [y], [True])])
    theirs = scipy.stats.t.interval(0.95, 39, loc=np.mean(x - y), scale=scipy.stats.sem(x - y))
    assert paired == pytest.approx(theirs, rel=1e-12)
    low, high = student.task_gap_interval([statistics.Pair([x], [y[:30]], [False])])
    theirs = scipy.stats.ttest_ind(x, y[:30], equal_var=False).confidence_interval(0.95)
    assert (low, high) == pytest.approx((theirs.low, theirs.high), rel=1e-12)
    assert student.task_gap_interval([statistics.Pair([[1.0]], [[2.0]], [True])]) is None


def test_a_constant_has_an_interval_of_no_width_and_rounding_gives_it_none():
    low, high = student.task_mean_interval([[[0.1, 0.2]] * 7])
    assert low == high == pytest.approx(0.15)


def test_success_of_one_seed_is_wilson_s_interval():
    theirs = scipy.stats.binomtest(7, 10).proportion_ci(0.95, method="wilson")
    ours = student.task_success_interval([[[1] * 7 + [0] * 3]])
    assert ours == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_success_without_spread_over_seeds_counts_every_episode_and_takes_t():
    low, high = student.task_success_interval([[[1] * 10] * 5])
    t = scipy.stats.t.ppf(0.975, 4)
    assert (low, high) == pytest.approx((50 / (50 + t * t), 1.0), rel=1e-12)


def test_success_with_spread_counts_fewer_episodes():
    """A design effect of about two: five seeds of ten say as much as 25 episodes."""
    samples = [[1] * n + [0] * (10 - n) for n in (3, 5, 7, 7, 8)]
    v = np.var([0.3, 0.5, 0.7, 0.7, 0.8], ddof=1) / 5
    number = 0.6 * 0.4 / v
    t = scipy.stats.t.ppf(0.975, 4)
    centre = (0.6 + t * t / (2 * number)) / (1 + t * t / number)
    low, high = student.task_success_interval([samples])
    assert (low + high) / 2 == pytest.approx(centre, rel=1e-12)
    assert number == pytest.approx(30, rel=0.01)


def test_success_refuses_what_is_no_success():
    with pytest.raises(ValueError, match="0 or 1"):
        student.task_success_interval([[[1.5, 1.0], [1, 1]]])


def test_a_success_gap_keeps_a_width_where_every_seed_lost_the_same():
    pair = statistics.Pair([[1, 1, 1]] * 2, [[0, 0, 0]] * 2, [True] * 2)
    low, high = student.task_success_gap_interval([pair])
    assert 0 < low < high <= 1
    wide = statistics.Pair([[1, 1], [1, 1]], [[0, 0], [1, 0]], [True] * 2)
    low, high = student.task_success_gap_interval([wide])
    assert (low, high) == (-1.0, 1.0)  # two seeds: t has one degree of freedom


def test_two_rates_without_spread_are_held_against_wilson_s_margins():
    ones, zeros = [[[1] * 10]], [[[0] * 10]]
    chance = student.success_difference_chance(ones, zeros)
    low, _ = statistics.wilson_sum_interval([(10, 10), (0, 10)], [1, -1], level=1 - chance)
    assert low == pytest.approx(0, abs=1e-5)  # 1 - chance has few digits left
    assert student.success_difference_chance(ones, ones) == 1.0
    assert student.success_difference_chance([[[1]]], [[[0]]]) > 0.1
    with_seeds = student.success_difference_chance([[[1] * 5] * 2], [[[0] * 5] * 2])
    quantile = scipy.stats.norm.isf(chance / 2)  # as many episodes, two degrees of freedom
    assert with_seeds == pytest.approx(2 * scipy.stats.t.sf(quantile, 2), rel=1e-6)


def test_the_score_interval_of_a_mean_is_the_t_interval_up_to_the_draws():
    scores = RNG.normal(500, 50, (5, 3))
    mean = lambda s: s.mean(axis=(-2, -1))  # noqa: E731
    low, high = student.score_interval(scores, mean, num_resamples=40_000)
    variance = scores.var(axis=0, ddof=1).sum() / 5 / 9
    half = scipy.stats.t.ppf(0.975, 12) * math.sqrt(variance)
    assert (high - low) / 2 == pytest.approx(half, rel=0.02)
    assert (high + low) / 2 == pytest.approx(scores.mean(), rel=1e-12)
    assert student.score_interval(scores[:1]) is None


@pytest.mark.parametrize(("wins", "shape"), [(0.5, (5, 5)), (0.8, (5, 5)), (1.0, (5, 5)), (1.0, (3, 10))])
def test_improvement_limits_solve_newcombe_s_equation(wins, shape):
    m, n = shape
    ours = np.zeros((m, 1))
    theirs = np.concatenate([np.full(round(n * wins), -1.0), np.full(n - round(n * wins), 1.0)])[:, None]
    a = statistics.probability_of_improvement(ours, theirs)
    for limit in student.improvement_interval(ours, theirs):
        if limit in (0.0, 1.0):
            continue
        mean = (m + n) / 2 - 1
        variance = limit * (1 - limit) * (1 + mean * ((1 - limit) / (2 - limit) + limit / (1 + limit))) / (m * n)
        assert (a - limit) ** 2 == pytest.approx(1.959963984540054**2 * variance, rel=1e-9)


def test_improvement_over_several_tasks_is_narrower_and_needs_two_seeds():
    ours, theirs = RNG.normal(1, 1, (5, 4)), RNG.normal(0, 1, (5, 4))
    one = student.improvement_interval(ours[:, :1], theirs[:, :1])
    four = student.improvement_interval(np.repeat(ours[:, :1], 4, 1), np.repeat(theirs[:, :1], 4, 1))
    assert four[1] - four[0] == pytest.approx((one[1] - one[0]) / 2)
    assert student.improvement_interval(ours[:1], theirs) is None


@pytest.mark.parametrize("num_seeds", [3, 5])
def test_normal_seeds_are_covered_as_often_as_promised(num_seeds):
    """Two tasks of unlike spread; 2,000 repeats, so that three standard errors are 1.5 points."""
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(2000):
        tasks = [rng.normal(rng.normal(0, spread, num_seeds), 1.0, (10, num_seeds)).T for spread in (1, 1.5)]
        low, high = student.task_mean_interval(tasks)
        hits += low <= 0 <= high
    assert 0.935 < hits / 2000 < 0.97
