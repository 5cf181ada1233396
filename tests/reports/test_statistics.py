"""Every statistic against another implementation of it, or against a closed form."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.reports import statistics as stats

RNG = np.random.default_rng(7)
FIVE = [RNG.normal(400 + 50 * s, 80, size=n) for s, n in enumerate((40, 40, 40, 25, 40))]


def test_a_mean_weighs_seeds_not_episodes():
    assert stats.mean([[0.0, 0.0, 0.0], [1.0]]) == 0.5
    assert stats.mean(FIVE) == pytest.approx(sum(math.fsum(x) / len(x) for x in FIVE) / 5, rel=1e-13)
    assert stats.task_mean([[[1.0], [3.0]], [[10.0]]]) == 6.0


@pytest.mark.parametrize("samples", [[], [[]], [[1.0], []], [[1.0, float("nan")]], [[float("inf")]], [[[1.0]]]])
def test_missing_samples_raise_and_are_never_zero_or_skipped(samples):
    for function in (stats.mean, stats.mean_interval, stats.success_interval):
        with pytest.raises(ValueError, match="Samples"):
            function(samples)
    with pytest.raises(ValueError, match="Samples"):
        stats.task_mean([[[1.0]], samples])
    with pytest.raises(ValueError, match="at least one task"):
        stats.task_mean([])


def test_one_value_has_no_interval():
    assert stats.mean_interval([[3.0]]) is None
    assert stats.success_interval([[1.0]]) is None
    assert stats.gap_interval([[3.0]], [[1.0, 2.0]], [False]) is None
    assert stats.gap_interval([[3.0]], [[1.0]], [True]) is None
    assert stats.task_mean_interval([[[3.0]], [[1.0, 2.0]]]) is None
    assert stats.mean_interval([[3.0], [4.0]]) == (3.0, 4.0)


def test_one_seed_is_the_ordinary_bootstrap_of_scipy():
    values = FIVE[0]
    low, high = stats.mean_interval([values], num_resamples=40_000)
    theirs = scipy.stats.bootstrap((values,), np.mean, n_resamples=40_000, method="percentile", rng=1)
    half = (high - low) / 2
    assert low == pytest.approx(theirs.confidence_interval.low, abs=0.04 * half)
    assert high == pytest.approx(theirs.confidence_interval.high, abs=0.04 * half)


def test_one_episode_per_seed_is_the_bootstrap_of_seeds():
    values = FIVE[1][:8]
    ours = stats.mean_interval([[v] for v in values], num_resamples=40_000)
    theirs = scipy.stats.bootstrap((values,), np.mean, n_resamples=40_000, method="percentile", rng=1)
    assert ours == pytest.approx(tuple(theirs.confidence_interval), abs=0.04 * (ours[1] - ours[0]))


def _exact_distribution(samples):
    """All equally likely two-stage resamples of a small sample, by enumeration: {mean: probability}."""
    outcomes = {}
    for seeds in itertools.product(range(len(samples)), repeat=len(samples)):
        choices = [[sum(c) / len(c) for c in itertools.product(samples[s], repeat=len(samples[s]))] for s in seeds]
        count = math.prod(map(len, choices))
        for means in itertools.product(*choices):
            value = round(sum(means) / len(means), 9)
            outcomes[value] = outcomes.get(value, 0.0) + 1 / len(samples) ** len(samples) / count
    return outcomes


def test_the_two_stage_resampling_has_the_enumerated_distribution():
    samples = [[0.0, 1.0, 5.0], [2.0, 7.0]]
    exact = _exact_distribution(samples)
    assert sum(exact.values()) == pytest.approx(1)
    rng = np.random.default_rng(3)
    arrays = [np.asarray(s) for s in samples]
    draws = np.round(stats._draw_means(arrays, stats._draw_seeds(2, 200_000, rng), rng), 9)
    found = dict(zip(*np.unique(draws, return_counts=True), strict=True))
    assert set(found) == set(exact)
    for value, chance in exact.items():
        error = 5 * math.sqrt(chance * (1 - chance) / 200_000)
        assert found[value] / 200_000 == pytest.approx(chance, abs=error)


def _drawn_one_by_one(samples, seeds, rng):
    """What `_draw_means` gives, seed by seed."""
    means = np.empty(seeds.shape)
    for index, values in enumerate(samples):
        places = seeds == index
        episodes = rng.integers(len(values), size=(int(places.sum()), len(values)))
        means[places] = values[episodes].mean(axis=1)
    return means.mean(axis=1)


@pytest.mark.parametrize(
    "sizes", [[1], [1] * 50, [7], [25] * 5, [100] * 40, [3, 3, 1, 8, 8, 8, 1, 1, 2**9, 5], [1000, 1000, 999], [3] * 300]
)
def test_resamples_drawn_together_are_those_drawn_one_by_one_bit_for_bit(sizes, monkeypatch):
    values = np.random.default_rng(11)
    samples = [values.normal(size=size) * 1e3 for size in sizes]
    seeds = stats._draw_seeds(len(sizes), 300, np.random.default_rng(12))
    ours, theirs = np.random.default_rng(13), np.random.default_rng(13)
    monkeypatch.setattr(stats, "_DRAWN_AT_ONCE", 100_000)
    assert stats._draw_means(samples, seeds, ours).tobytes() == _drawn_one_by_one(samples, seeds, theirs).tobytes()
    assert ours.bit_generator.state == theirs.bit_generator.state


def test_the_spread_of_resamples_is_the_closed_form():
    """Var = between / S + mean over seeds of within / (S E), population variances, for the two-stage bootstrap."""
    rng = np.random.default_rng(5)
    draws = stats._draw_means(FIVE, stats._draw_seeds(5, 100_000, rng), rng)
    means = [x.mean() for x in FIVE]
    closed = np.var(means) / 5 + np.mean([x.var() / len(x) for x in FIVE]) / 5
    assert draws.var() == pytest.approx(closed, rel=0.02)
    assert draws.mean() == pytest.approx(np.mean(means), abs=4 * math.sqrt(closed / 100_000))


def test_seeds_make_the_interval_wider_than_pooled_episodes():
    low, high = stats.mean_interval(FIVE)
    pooled_low, pooled_high = stats.mean_interval([np.concatenate(FIVE)])
    assert high - low > 2 * (pooled_high - pooled_low)


def test_the_same_seed_gives_the_same_interval_and_the_level_widens_it():
    assert stats.mean_interval(FIVE, seed=3) == stats.mean_interval(FIVE, seed=3)
    assert stats.mean_interval(FIVE, seed=3) != stats.mean_interval(FIVE, seed=4)
    narrow, wide = stats.mean_interval(FIVE, level=0.5), stats.mean_interval(FIVE, level=0.99)
    assert wide[0] < narrow[0] < stats.mean(FIVE) < narrow[1] < wide[1]


def test_the_interval_covers_as_often_as_it_says():
    """30 seeds, so that the known narrowness with few seeds does not matter."""
    rng = np.random.default_rng(11)
    hits = 0
    for trial in range(300):
        samples = [rng.normal(rng.normal(100, 20), 10, size=5) for _ in range(30)]
        low, high = stats.mean_interval(samples, num_resamples=500, seed=trial)
        hits += low <= 100 <= high
    assert 0.90 < hits / 300 < 0.99


@pytest.mark.parametrize(("successes", "trials"), [(0, 10), (3, 10), (10, 10), (1, 1), (499, 500)])
def test_wilson_is_scipy_s(successes, trials):
    theirs = scipy.stats.binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    assert stats.wilson_interval(successes, trials) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
    with pytest.raises(ValueError, match="no proportion"):
        stats.wilson_interval(trials + 1, trials)


def test_a_success_rate_takes_wilson_for_one_seed_and_for_no_spread():
    assert stats.success_interval([[1, 0, 1, 1]]) == pytest.approx(stats.wilson_interval(3, 4))
    assert stats.success_interval([[1, 1], [1, 1]]) == pytest.approx(stats.wilson_interval(4, 4))
    two = [[1, 0, 1, 1], [0, 0, 1, 0]]
    assert stats.success_interval(two) == stats.mean_interval(two)
    assert stats.task_success_interval([two, two]) == stats.task_mean_interval([two, two])
    alike = stats.task_success_interval([[[1, 1]], [[1, 1, 1]]])
    assert alike == stats.wilson_sum_interval([(2, 2), (3, 3)], [0.5, 0.5])
    assert stats.task_success_interval([[[1, 0]], [[1]]]) is None
    with pytest.raises(ValueError, match="0 or 1"):
        stats.success_interval([[1.5, 1.0]])


def test_shares_of_settings_take_the_bootstrap_and_the_wider_wilson_without_spread():
    shares = [[1 / 3, 1.0, 2 / 3, 1 / 3]]
    assert stats.success_interval(shares) == stats.mean_interval(shares)
    alike = stats.success_interval([[0.25] * 4, [0.25] * 4])
    assert alike == pytest.approx(stats.wilson_interval(2, 8))
    assert alike[0] < 0.25 < alike[1]
    pair = stats.Pair(shares, [[0.0, 0.5, 0.0, 0.0]], [True])
    assert stats.task_success_gap_interval([pair]) == stats.task_gap_interval([pair])


def test_the_gap_is_paired_by_seed():
    """Each seed loses exactly 100: drawing seeds in pairs leaves no spread, however far the seeds lie apart."""
    train = [[500.0], [900.0], [100.0]]
    shifted = [[400.0], [800.0], [0.0]]
    assert stats.gap(train, shifted) == 100
    for same_episodes in ([True] * 3, [False] * 3, [True, False, True]):
        assert stats.gap_interval(train, shifted, same_episodes) == (100, 100)
    with pytest.raises(ValueError, match="same seeds"):
        stats.gap(train, shifted[:2])
    with pytest.raises(ValueError, match="same seeds"):
        stats.gap_interval(train, shifted, [True, True])
    with pytest.raises(ValueError, match="equally many in both"):
        stats.gap_interval([[1.0, 2.0]], [[1.0]], [True])


def test_the_gap_interval_of_one_seed_is_scipy_s_paired_bootstrap():
    """Episodes of one seed that differ a lot among each other and lose about the same: a narrow interval."""
    train = FIVE[0]
    shifted = train - RNG.normal(100, 10, size=len(train))
    ours = stats.gap_interval([train], [shifted], [True], num_resamples=40_000)
    theirs = scipy.stats.bootstrap(
        (train, shifted),
        lambda x, y, axis: x.mean(axis) - y.mean(axis),
        paired=True,
        n_resamples=40_000,
        method="percentile",
        rng=2,
    ).confidence_interval
    assert ours == pytest.approx(tuple(theirs), abs=0.03 * (ours[1] - ours[0]))
    unpaired = stats.gap_interval([train], [shifted], [False])
    assert unpaired[1] - unpaired[0] > 5 * (ours[1] - ours[0])


def test_the_gap_interval_of_one_seed_with_other_episodes_is_scipy_s_two_sample_bootstrap():
    a, b = FIVE[0], FIVE[3]
    ours = stats.gap_interval([a], [b], [False], num_resamples=40_000)
    theirs = scipy.stats.bootstrap(
        (a, b), lambda x, y, axis: x.mean(axis) - y.mean(axis), n_resamples=40_000, method="percentile", rng=2
    ).confidence_interval
    assert ours == pytest.approx(tuple(theirs), abs=0.03 * (ours[1] - ours[0]))
    assert stats.gap([a], [b]) == pytest.approx(a.mean() - b.mean())


def test_the_paired_gap_has_the_enumerated_quantiles():
    """All equally likely draws of seeds, then of episode numbers shared by both settings, by enumeration."""
    train, shifted = [[9.0, 4.0, 7.0], [8.0, 5.0]], [[6.0, 3.0, 1.0], [2.0, 5.0]]
    outcomes: dict[float, float] = {}
    for seeds in itertools.product(range(2), repeat=2):
        episodes = [list(itertools.product(range(len(train[s])), repeat=len(train[s]))) for s in seeds]
        for first, second in itertools.product(*episodes):
            drawn = list(zip(seeds, (first, second), strict=True))
            gaps = [
                sum(train[s][e] for e in es) / len(es) - sum(shifted[s][e] for e in es) / len(es) for s, es in drawn
            ]
            value = round(sum(gaps) / 2, 9)
            outcomes[value] = outcomes.get(value, 0.0) + 0.25 / len(episodes[0]) / len(episodes[1])
    assert sum(outcomes.values()) == pytest.approx(1)
    values = np.array(sorted(outcomes))
    below = np.cumsum([outcomes[v] for v in values])
    for level in (0.5, 0.8, 0.95):
        low, high = stats.gap_interval(train, shifted, [True, True], level=level, num_resamples=200_000)
        for limit, tail in ((low, (1 - level) / 2), (high, (1 + level) / 2)):
            assert np.min(np.abs(values - limit)) < 1e-8
            assert min(abs(limit - values[np.searchsorted(below, tail + shift)]) for shift in (-0.005, 0, 0.005)) < 1e-8


def test_the_paired_gap_interval_has_the_closed_form_s_width():
    """The variance of the two-stage bootstrap of differences; mixed with a seed whose episodes are not the same."""
    rng = np.random.default_rng(8)
    shifted = [x - rng.normal(50 + 10 * s, 5, size=len(x)) for s, x in enumerate(FIVE)]
    same = [True, True, True, False, True]
    means = [x.mean() - y.mean() for x, y in zip(FIVE, shifted, strict=True)]
    within = [(x - y).var() if s else x.var() + y.var() for x, y, s in zip(FIVE, shifted, same, strict=True)]
    closed = np.var(means) / 5 + np.mean([v / len(x) for v, x in zip(within, FIVE, strict=True)]) / 5
    first, second = stats._differences(stats.Pair(FIVE, shifted, same))
    seeds = stats._draw_seeds(5, 100_000, rng)
    draws = stats._draw_means(first, seeds, rng) - stats._draw_means(second, seeds, rng)
    assert draws.var() == pytest.approx(closed, rel=0.02)
    assert draws.mean() == pytest.approx(stats.gap(FIVE, shifted), abs=4 * math.sqrt(closed / 100_000))


def test_the_interval_of_the_task_mean_shrinks_as_independent_strata_do():
    """Variances of independent strata add, so k like tasks are narrower by the square root of k."""
    one = stats.mean_interval(FIVE, num_resamples=20_000)
    four = stats.task_mean_interval([FIVE] * 4, num_resamples=20_000)
    assert (four[1] - four[0]) / (one[1] - one[0]) == pytest.approx(0.5, rel=0.04)
    pair = stats.Pair(FIVE, [[0.0]] * 5, [False] * 5)
    gaps = stats.task_gap_interval([pair] * 4, num_resamples=20_000)
    assert gaps == pytest.approx(four, abs=0.05 * (four[1] - four[0]))
    assert stats.task_gap([pair] * 4) == pytest.approx(stats.mean(FIVE))


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 6).flatmap(
        lambda tasks: st.lists(st.lists(st.floats(-1e6, 1e6), min_size=tasks, max_size=tasks), min_size=1, max_size=9)
    )
)
def test_the_interquartile_mean_is_scipy_s_trimmed_mean(scores):
    theirs = scipy.stats.trim_mean(np.ravel(scores), 0.25)
    assert stats.interquartile_mean(scores) == pytest.approx(theirs, rel=1e-9, abs=1e-6)


def test_the_interquartile_mean_works_on_a_batch():
    batch = RNG.normal(size=(4, 5, 3))
    assert np.allclose(stats.interquartile_mean(batch), [stats.interquartile_mean(x) for x in batch], rtol=1e-14)


def test_improvement_is_mann_whitney_s_statistic_task_by_task():
    x = RNG.integers(0, 6, size=(5, 3)).astype(float)
    y = RNG.integers(0, 6, size=(7, 3)).astype(float)
    theirs = np.mean([scipy.stats.mannwhitneyu(x[:, t], y[:, t]).statistic / 35 for t in range(3)])
    assert stats.probability_of_improvement(x, y) == pytest.approx(theirs, rel=1e-14)
    assert stats.probability_of_improvement(y, x) == pytest.approx(1 - theirs, rel=1e-14)
    low, high = stats.improvement_interval(x, y)
    assert 0 <= low < theirs < high <= 1
    assert stats.improvement_interval(x[:1], y) is None
    with pytest.raises(ValueError, match="3 tasks"):
        stats.probability_of_improvement(x, y[:, :2])


def test_the_profile_is_counted():
    scores = RNG.integers(0, 10, size=(5, 4)).astype(float)
    thresholds = np.arange(-1, 11)
    counted = [sum(bool(v > t) for v in scores.ravel()) / 20 for t in thresholds]
    assert stats.performance_profile(scores, thresholds).tolist() == pytest.approx(counted)
    assert counted[0] == 1
    assert counted[-1] == 0


def test_the_score_interval_is_scipy_s_bootstrap_for_one_task():
    scores = FIVE[0][:12, None]
    ours = stats.score_interval(scores, lambda s: s.mean(axis=(-2, -1)), num_resamples=40_000)
    theirs = scipy.stats.bootstrap((scores[:, 0],), np.mean, n_resamples=40_000, method="percentile", rng=4)
    assert ours == pytest.approx(tuple(theirs.confidence_interval), abs=0.03 * (ours[1] - ours[0]))
    low, high = stats.score_interval(np.column_stack([x[:25] for x in FIVE]))
    assert low < stats.interquartile_mean(np.column_stack([x[:25] for x in FIVE])) < high
    assert stats.score_interval(scores[:1]) is None


def test_an_aggregate_with_a_missing_task_is_missing():
    scores = [[1.0, float("nan")], [2.0, 3.0]]
    for function in (stats.interquartile_mean, stats.score_interval):
        with pytest.raises(ValueError, match="missing"):
            function(scores)
    with pytest.raises(ValueError, match="missing"):
        stats.performance_profile(scores, [0.0])


@pytest.mark.parametrize(
    ("first", "second", "interval"),
    [  # R. G. Newcombe 1998, Statistics in Medicine 17, table II, method 10
        ((56, 70), (48, 80), (0.0524, 0.3339)),
        ((9, 10), (3, 10), (0.1705, 0.8090)),
        ((6, 7), (2, 7), (0.0582, 0.8062)),
        ((5, 56), (0, 29), (-0.0381, 0.1926)),
        ((0, 10), (0, 20), (-0.1611, 0.2775)),
        ((10, 10), (0, 20), (0.6791, 1.0000)),
    ],
)
def test_newcombe_gives_the_published_examples(first, second, interval):
    assert stats.wilson_sum_interval([first, second], [1, -1]) == pytest.approx(interval, abs=5e-5)
    mirrored = stats.wilson_sum_interval([first, second], [-1, 1])
    assert mirrored == pytest.approx((-interval[1], -interval[0]), abs=5e-5)


def test_the_mean_of_alike_proportions_is_narrower_by_the_square_root_of_their_number():
    low, high = stats.wilson_interval(3, 10)
    four = stats.wilson_sum_interval([(3, 10)] * 4, [0.25] * 4)
    assert four == pytest.approx((0.3 - (0.3 - low) / 2, 0.3 + (high - 0.3) / 2))
    assert stats.wilson_sum_interval([(3, 10)], [1]) == pytest.approx((low, high))


def test_a_success_gap_keeps_a_width_where_all_came_out_alike():
    ones, zeros = [[1, 1, 1]] * 2, [[0, 0, 0]] * 2
    for same in ([True] * 2, [False] * 2):
        interval = stats.task_success_gap_interval([stats.Pair(ones, zeros, same)])
        assert interval == stats.wilson_sum_interval([(6, 6), (0, 6)], [1, -1])
    both = [stats.Pair(ones, zeros, [True] * 2), stats.Pair(ones, ones, [True] * 2)]
    low, high = stats.task_success_gap_interval(both)
    assert low < stats.task_gap(both) == 0.5 < high
    assert stats.task_success_interval([ones, zeros]) == stats.wilson_sum_interval([(6, 6), (0, 6)], [0.5, 0.5])


def test_a_success_gap_is_paired_where_the_episodes_are():
    ones, mixed = [[1, 1, 1]] * 2, [[1, 0, 1], [0, 0, 1]]
    for same in ([True] * 2, [False] * 2):
        ours = stats.task_success_gap_interval([stats.Pair(ones, mixed, same)])
        assert ours == stats.gap_interval(ones, mixed, same)
    a, b = RNG.random(50) < 0.7, RNG.random(50) < 0.8
    paired = stats.task_success_gap_interval([stats.Pair([a], [a & b], [True])], num_resamples=40_000)
    theirs = scipy.stats.bootstrap((1.0 * (a & ~b),), np.mean, n_resamples=40_000, method="percentile", rng=3)
    assert paired == pytest.approx(tuple(theirs.confidence_interval), abs=0.021)  # draws are multiples of 1/50
    unpaired = stats.task_success_gap_interval([stats.Pair([a], [a & b], [False])])
    counts = [(int(a.sum()), 50), (int((a & b).sum()), 50)]
    assert unpaired == stats.wilson_sum_interval(counts, [1, -1])
    assert unpaired[1] - unpaired[0] > 1.5 * (paired[1] - paired[0])
    assert stats.task_success_gap_interval([stats.Pair([[1]], [[0, 0]], [False])]) is None
    with pytest.raises(ValueError, match="0 or 1"):
        stats.task_success_gap_interval([stats.Pair([[2]], [[0]], [True])])
