"""Returns, advantages and inputs of the value network from closed forms and a double loop."""

from __future__ import annotations

import numpy as np
import pytest

from harness.baselines.nn.trajectories import advantages, discounted_sum, value_inputs, whiten
from tests.baselines.plain_npg import plain_gae


def test_returns() -> None:
    np.testing.assert_allclose(discounted_sum(np.array([1.0, 2.0, 3.0]), 0.5), [2.75, 3.5, 3.0])


@pytest.mark.parametrize("terminated", [True, False])
def test_advantages(terminated: bool) -> None:
    rng = np.random.default_rng(3)
    rewards, values = rng.normal(size=41), rng.normal(size=41)
    found = advantages(rewards, values, terminated, 0.995, 0.97)
    np.testing.assert_allclose(found, plain_gae(rewards, values, terminated, 0.995, 0.97), rtol=1e-10, atol=1e-12)


def test_the_last_value_stands_in_for_what_follows_a_time_limit() -> None:
    assert advantages(np.array([1.0]), np.array([4.0]), False, 0.5, 1.0) == pytest.approx([1.0 + 0.5 * 4.0 - 4.0])
    assert advantages(np.array([1.0]), np.array([4.0]), True, 0.5, 1.0) == pytest.approx([-3.0])


def test_whitening() -> None:
    white = whiten(np.array([1.0, 2.0, 6.0]))
    assert white.mean() == pytest.approx(0.0, abs=1e-12)
    assert white.std() == pytest.approx(1.0, rel=1e-5)


def test_value_inputs_hold_clipped_observations_and_time() -> None:
    inputs = value_inputs(np.array([[100.0, -5.0], [0.0, -100.0]]))
    assert inputs.dtype == np.float32
    np.testing.assert_allclose(inputs[0], [1.0, -0.5, 0, 0, 0, 0])
    np.testing.assert_allclose(inputs[1], [0.0, -1.0, 1e-3, 1e-6, 1e-9, 1e-12], rtol=1e-6)
