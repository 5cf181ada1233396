"""Aggregates and intervals against rliable (Agarwal et al. 2021, google-research/rliable), on scores of many shapes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import rliable.library
import rliable.metrics

from harness.reports import intervals, statistics

DRAWS = 5_000
SHAPES = [(5, 1), (5, 6), (3, 6), (10, 3), (4, 7)]
KINDS: dict[str, Callable[[np.random.Generator, tuple[int, int]], np.ndarray]] = {
    "normal": lambda rng, shape: rng.normal(0.5, 0.2, shape),
    "skewed": lambda rng, shape: rng.lognormal(-1.0, 0.7, shape),
    "rates": lambda rng, shape: rng.binomial(10, 0.7, shape) / 10,
    "constant": lambda rng, shape: np.full(shape, 0.25),
}
CASES = pytest.mark.parametrize(
    "scores", [pytest.param((kind, shape), id=f"{kind}{shape}") for kind in KINDS for shape in SHAPES]
)


def made(case: tuple[str, tuple[int, int]], seed: int = 0) -> np.ndarray:
    kind, shape = case
    return KINDS[kind](np.random.default_rng((seed, *shape)), shape)


def their_interval(scores: np.ndarray | list[np.ndarray], function: Callable[..., float]) -> tuple[float, float]:
    _, found = rliable.library.get_interval_estimates(
        {"x": scores},
        lambda *arrays: np.array([function(*arrays)]),
        reps=DRAWS,
        random_state=np.random.RandomState(1),  # what rliable takes
    )
    return float(found["x"][0, 0]), float(found["x"][1, 0])


@CASES
def test_points_are_equal(scores: tuple[str, tuple[int, int]]) -> None:
    x, y = made(scores), made(scores, 1)
    assert statistics.interquartile_mean(x) == pytest.approx(rliable.metrics.aggregate_iqm(x), rel=1e-12)
    assert statistics.task_mean([column[:, None] for column in x.T]) == pytest.approx(
        rliable.metrics.aggregate_mean(x), rel=1e-12
    )
    for best in (1.0, 0.4):
        theirs = rliable.metrics.aggregate_optimality_gap(x, best)
        assert intervals.optimality_gap(x, best) == pytest.approx(theirs, rel=1e-12, abs=1e-15)
    theirs = rliable.metrics.probability_of_improvement(x, y)
    assert statistics.probability_of_improvement(x, y) == pytest.approx(theirs, rel=1e-12)


@CASES
def test_profiles_are_equal(scores: tuple[str, tuple[int, int]]) -> None:
    x, thresholds = made(scores), np.linspace(0, 1.5, 31)
    theirs, _ = rliable.library.create_performance_profile({"x": x}, thresholds, reps=50)
    assert statistics.performance_profile(x, thresholds) == pytest.approx(theirs["x"], abs=1e-12)


@CASES
def test_percentile_intervals_are_equal_within_the_noise_of_resampling(scores: tuple[str, tuple[int, int]]) -> None:
    """Of quantiles at 2.5 % of 5,000 draws twice: about 1.4 % of the width; five such errors."""
    x, y = made(scores), made(scores, 1)
    pairs = [
        (
            statistics.score_interval(x, num_resamples=DRAWS),
            their_interval(x, rliable.metrics.aggregate_iqm),
        ),
        (
            statistics.score_interval(x, lambda s: intervals.optimality_gap(s, 0.6), num_resamples=DRAWS),
            their_interval(x, lambda s: rliable.metrics.aggregate_optimality_gap(s, 0.6)),
        ),
        (
            statistics.improvement_interval(x, y, num_resamples=DRAWS),
            their_interval([x, y], lambda a, b: float(statistics.probability_of_improvement(a, b))),
        ),
    ]
    for ours, theirs in pairs:
        width = theirs[1] - theirs[0]
        has_steps = x.shape[1] == 1 or scores[0] == "rates"  # draws of one task, or of rates, take few values
        noise = 0.25 if has_steps else 0.08
        assert ours == pytest.approx(theirs, abs=noise * width + 1e-12)


@pytest.mark.parametrize("count", [5, 10])
def test_the_percentile_band_of_a_profile_is_theirs_at_every_threshold(count: int) -> None:
    x, thresholds = made(("normal", (count, 6))), np.linspace(0.2, 0.8, 7)
    _, theirs = rliable.library.create_performance_profile({"x": x}, thresholds, reps=4000, custom_profile_func=None)
    ours = intervals.profile_band(x, thresholds, intervals.PERCENTILE)
    for k in range(len(thresholds)):
        if 0.05 < np.mean(x > thresholds[k]) < 0.95:
            assert ours[k] == pytest.approx((theirs["x"][0][k], theirs["x"][1][k]), abs=1.01 / x.size)
