"""The gate's simulation in a small form: it keeps its level, and sees what `harness check --plan` promises."""

from __future__ import annotations

import pytest

from benchmarks.gate_power import CASES, POWER, simulate

PAIRS = 500  # three standard errors are 2.9 points at 5 % and 5.4 points at 80 %
SHOWN = ("return", "return, other episodes", "return, 5 seeds", "success 0.9", "success about 0.9")
SEVERAL = ("success 0.95, 10 settings", "success about 0.8, 4 settings")


@pytest.mark.parametrize("case", [case for case in CASES if case.name in SHOWN + SEVERAL], ids=lambda case: case.name)
def test_false_alarms_are_rare_and_power_is_as_promised(case) -> None:
    found = simulate(case, PAIRS)
    assert found.false_alarms <= 0.079
    assert found.wrong_passes <= 0.079
    assert abs(found.passes - found.passes_promised) <= 0.067
    assert found.alarms is not None
    assert abs(found.alarms - POWER) <= 0.054
