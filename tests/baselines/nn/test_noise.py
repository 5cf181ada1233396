"""Exploration noise."""

from __future__ import annotations

import pytest
import torch

from harness.baselines.nn.noise import EDGE, linear_schedule, noisy_action


@pytest.mark.parametrize(
    ("step", "std"), [(0, 1.0), (60_000, 0.46), (100_000, 0.1), (1_000_000, 0.1), (50_000, 0.55), (-5, 1.0)]
)
def test_schedule(step: int, std: float) -> None:
    assert linear_schedule(1.0, 0.1, 100_000, step) == pytest.approx(std, abs=1e-12)


def test_noise_is_clipped_before_and_the_action_after() -> None:
    mean = torch.tensor([[0.0, 0.0, 0.9, -0.9]])
    noise = torch.tensor([[0.5, 3.0, 3.0, -3.0]])
    clipped = noisy_action(mean, 0.2, noise, clip=0.3)
    torch.testing.assert_close(clipped, torch.tensor([[0.1, 0.3, 1 - EDGE, -1 + EDGE]]))
    free = noisy_action(mean, 0.2, noise)
    torch.testing.assert_close(free, torch.tensor([[0.1, 0.6, 1 - EDGE, -1 + EDGE]]))


def test_gradient_passes_straight_through_the_range() -> None:
    mean = torch.tensor([[0.0, 0.95, -2.0]], requires_grad=True)
    action = noisy_action(mean, 1.0, torch.ones(1, 3), clip=0.3)
    weights = torch.tensor([[1.0, 2.0, 3.0]])
    (action * weights).sum().backward()
    assert torch.equal(mean.grad, weights)
    with torch.no_grad():
        assert torch.equal(noisy_action(mean, 1.0, torch.ones(1, 3), clip=0.3), action)
