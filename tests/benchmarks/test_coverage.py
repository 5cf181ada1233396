"""The coverage simulation in a small form: Student's intervals keep their promise where the bootstrap does not."""

from __future__ import annotations

import pytest

from benchmarks import coverage
from harness.reports.intervals import PERCENTILE, STUDENT

SIZE = coverage.Size(5, 10)
WORLDS = {world.name: world for world in coverage.WORLDS}
REPEATS = 400  # three standard errors at 95 % are 3.3 points


def rate(quantity: str, world: str, method) -> float:
    once, truth = coverage.QUANTITIES[quantity](WORLDS[world], SIZE)
    return coverage.coverage(once, truth, method, SIZE, REPEATS)[0]


@pytest.mark.parametrize("quantity", ["mean, one task", "mean, 4 tasks", "gap, one task"])
def test_normal_seeds_are_covered_as_promised(quantity: str) -> None:
    assert 0.917 <= rate(quantity, "normal", STUDENT) <= 0.983


@pytest.mark.parametrize("world", ["rate 0.5, seeds alike", "rates about 0.7"])
def test_rates_are_covered_as_promised(world: str) -> None:
    assert 0.917 <= rate("mean, one task", world, STUDENT) <= 0.99


def test_the_percentile_bootstrap_of_five_seeds_is_too_narrow() -> None:
    assert rate("gap, one task", "normal", PERCENTILE) < 0.90


def test_a_clear_improvement_is_covered_where_the_bootstrap_collapses() -> None:
    assert rate("probability of improvement", "normal, seeds alike", STUDENT) >= 0.917
    assert rate("probability of improvement", "normal, seeds alike", PERCENTILE) < 0.90


@pytest.mark.parametrize("method", [STUDENT, PERCENTILE])
@pytest.mark.parametrize("quantity", [name for name in coverage.QUANTITIES if not name.startswith("gap")])
def test_a_constant_is_always_covered(quantity: str, method) -> None:
    once, truth = coverage.QUANTITIES[quantity](WORLDS["constant"], SIZE)
    assert coverage.coverage(once, truth, method, SIZE, 3)[0] == 1.0
