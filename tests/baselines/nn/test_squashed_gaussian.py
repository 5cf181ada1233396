"""Squashed Gaussians: densities against torch's own, and the temperature's type."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Normal, TransformedDistribution
from torch.distributions.transforms import TanhTransform

from harness.baselines.nn.squashed_gaussian import GaussianActor, Temperature, squashed_sample


def test_density_is_that_of_a_squashed_normal() -> None:
    torch.manual_seed(0)
    mean, log_std, noise = torch.randn(3, 20, 4, dtype=torch.float64).mul(0.5)
    action, log_prob = squashed_sample(mean, log_std, noise)
    wanted = TransformedDistribution(Normal(mean, log_std.exp()), TanhTransform())
    torch.testing.assert_close(action, torch.tanh(mean + noise * log_std.exp()))
    torch.testing.assert_close(log_prob, wanted.log_prob(action).sum(1, keepdim=True), rtol=0, atol=1e-4)


def test_at_the_edge_the_published_constant_bounds_the_density() -> None:
    far = torch.full((1, 1), 30.0, dtype=torch.float64)
    action, log_prob = squashed_sample(far, torch.zeros_like(far), torch.zeros_like(far))
    assert float(action) == 1.0
    assert float(log_prob) == pytest.approx(-0.5 * math.log(2 * math.pi) - math.log(1e-6))


def test_log_std_stays_between_its_bounds() -> None:
    actor = GaussianActor(3, 8, 16, 2, (-10.0, 2.0))
    with torch.no_grad():
        actor.policy[-1].bias[2:] = torch.tensor([-50.0, 50.0])
        actor.policy[-1].weight.zero_()
        _, log_std = actor(torch.randn(1, 3))
        assert log_std.flatten().tolist() == [-10.0, 2.0]
        actor.policy[-1].bias.zero_()
        assert actor(torch.randn(1, 3))[1].flatten().tolist() == [-4.0, -4.0]


def test_the_temperature_is_a_logarithm_in_float64() -> None:
    temperature = Temperature(0.1)
    assert temperature.log_alpha.dtype == torch.float64
    assert temperature.log_alpha.shape == ()
    assert float(temperature.log_alpha) == math.log(0.1)
    temperature.alpha.backward()
    assert float(temperature.log_alpha.grad) == pytest.approx(0.1)
    assert (temperature.alpha * torch.ones(3)).dtype == torch.float32
