"""Gradient, Fisher products, conjugate gradient and whole steps against `tests/baselines/plain_npg.py`, in float64."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor

from harness.baselines.learners.natural_gradient import (
    FisherProduct,
    conjugate_gradient,
    flatten,
    mean_kl,
    natural_step,
    policy_gradient,
    weights_with_demos,
)
from harness.baselines.nn.gaussian_policy import GaussianPolicy
from tests.baselines.plain_npg import PlainPolicy, plain_cg, plain_hvp, plain_step

N, D, OBS, A = 60, 23, 7, 3
DAMPING = 1e-4


@pytest.fixture
def rng() -> torch.Generator:
    return torch.Generator().manual_seed(5)


def randn(rng: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=rng, dtype=torch.float64)


@pytest.fixture
def policy(rng: torch.Generator) -> GaussianPolicy:
    """A policy that is no special case: large last layer, scales and standard deviations of every size."""
    made = GaussianPolicy(OBS, A, (16, 11)).double()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(0.4 * randn(rng, *parameter.shape))
        made.log_std.copy_(torch.tensor([-2.9, -0.5, 0.3]))
    made.in_shift.copy_(randn(rng, OBS))
    made.in_scale.copy_(randn(rng, OBS).abs() + 0.1)
    made.out_shift.copy_(randn(rng, A))
    made.out_scale.copy_(randn(rng, A).abs() + 0.1)
    return made


def plain(policy: GaussianPolicy) -> PlainPolicy:
    theta = [tensor for layer in policy.layers for tensor in (layer.weight, layer.bias)] + [policy.log_std]
    return PlainPolicy(theta, (policy.in_shift, policy.in_scale, policy.out_shift, policy.out_scale))


def reordered(policy: GaussianPolicy, vector: Tensor) -> Tensor:
    """From the order of the plain policy (log_std last) to that of the module's parameters (first)."""
    return torch.cat([vector[-A:], vector[:-A]])


def back(vector: Tensor) -> Tensor:
    return torch.cat([vector[A:], vector[:A]])


def test_log_likelihood(policy: GaussianPolicy, rng: torch.Generator) -> None:
    obs, act = randn(rng, N, OBS), randn(rng, N, A)
    torch.testing.assert_close(policy.log_likelihood(obs, act), plain(policy).log_prob(obs, act), rtol=1e-10, atol=0)


def test_fisher_product_is_a_double_backward(policy: GaussianPolicy, rng: torch.Generator) -> None:
    obs = randn(rng, N, OBS)
    product = FisherProduct(policy, obs, DAMPING)
    for _ in range(3):
        vector = randn(rng, sum(p.numel() for p in policy.parameters()))
        wanted = reordered(policy, plain_hvp(plain(policy), obs, back(vector), DAMPING))
        torch.testing.assert_close(product(vector), wanted, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("iterations", [3, 10])
def test_conjugate_gradient(policy: GaussianPolicy, rng: torch.Generator, iterations: int) -> None:
    obs, right = randn(rng, N, OBS), randn(rng, sum(p.numel() for p in policy.parameters()))
    found, done = conjugate_gradient(FisherProduct(policy, obs, DAMPING), right, iterations=iterations)
    wanted = reordered(policy, plain_cg(plain(policy), obs, back(right), DAMPING, iterations))
    assert done == iterations
    torch.testing.assert_close(found, wanted, rtol=1e-8, atol=1e-8 * float(wanted.abs().max()))


def test_conjugate_gradient_solves_and_stops_early() -> None:
    matrix = torch.diag(torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64))
    right = torch.tensor([1.0, 1.0, 1.0], dtype=torch.float64)
    found, done = conjugate_gradient(lambda v: matrix @ v, right)
    assert done == 3
    torch.testing.assert_close(found, right / matrix.diagonal(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("with_demos", [False, True])
def test_a_whole_step(policy: GaussianPolicy, rng: torch.Generator, with_demos: bool) -> None:
    obs, act, adv = randn(rng, N, OBS), randn(rng, N, A), randn(rng, N)
    demo_obs, demo_act = (randn(rng, D, OBS), randn(rng, D, A)) if with_demos else (None, None)
    wanted = plain_step(plain(policy), obs, act, adv, demo_obs, demo_act, 0.0095, 0.05, DAMPING, 10)
    gradient = policy_gradient(policy, obs, act, adv)
    if demo_obs is not None and demo_act is not None:
        weights = weights_with_demos(adv, D, 0.0095)
        both = torch.cat([obs, demo_obs]), torch.cat([act, demo_act])
        gradient = (N + D) / N * policy_gradient(policy, *both, weights)
    natural_step(policy, gradient, obs, step_size=0.05, damping=DAMPING)
    found = [tensor for layer in policy.layers for tensor in (layer.weight, layer.bias)] + [policy.log_std]
    for tensor, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(tensor.detach(), other, rtol=1e-8, atol=1e-8)


def test_a_step_causes_half_the_step_size(rng: torch.Generator) -> None:
    """Away from the floor of the standard deviation, and for a step so small that the KL divergence is quadratic."""
    policy = GaussianPolicy(OBS, A, (32, 32)).double()
    before = copy.deepcopy(policy)
    obs, noise = randn(rng, 500, OBS), randn(rng, 500, A)
    act = policy.sample(obs, noise).detach()
    gradient = policy_gradient(policy, obs, act, randn(rng, 500))
    step = natural_step(policy, gradient, obs, step_size=1e-5, damping=1e-8)
    assert step.kl == pytest.approx(5e-6, rel=0.01)
    assert step.kl == pytest.approx(float(mean_kl(before, policy, obs)))


def test_the_standard_deviation_has_a_floor(policy: GaussianPolicy, rng: torch.Generator) -> None:
    obs, act = randn(rng, N, OBS), randn(rng, N, A) * 0.01
    gradient = flatten([torch.zeros_like(p) for p in policy.parameters()])
    gradient[0] = -1.0  # of the log standard deviation that starts at -2.9
    natural_step(policy, gradient, obs, step_size=5.0)
    assert float(policy.log_std[0].detach()) == -3.0
    assert act.shape == (N, A)


@pytest.mark.parametrize(
    ("observation_dim", "action_dim", "hidden", "wanted"),
    [(536, 28, (256, 256), 210_488), (536, 26, (256, 256), 209_972), (536, 24, (256, 256), 209_456),
     (1560, 30, (256, 256), 473_148), (1560, 30, (512, 512), 1_077_308)],
)  # fmt: skip
def test_parameter_counts(observation_dim: int, action_dim: int, hidden: tuple[int, int], wanted: int) -> None:
    with torch.device("meta"):
        shapes = [(observation_dim, hidden[0]), hidden, (hidden[1], action_dim)]
        layers = [torch.nn.Linear(*shape) for shape in shapes]
    assert sum(p.numel() for layer in layers for p in layer.parameters()) + action_dim == wanted
    policy = GaussianPolicy(observation_dim, action_dim, hidden)
    assert sum(p.numel() for p in policy.parameters()) == wanted


def test_normalisation_comes_from_demonstrations(rng: torch.Generator) -> None:
    policy = GaussianPolicy(OBS, A, (4,)).double()
    obs, act = 3.0 * randn(rng, 200, OBS) + 1.0, torch.cat([randn(rng, 200, A - 1), torch.full((200, 1), 0.25)], 1)
    policy.normalise(obs, act)
    torch.testing.assert_close(policy.in_scale, torch.tensor(obs.numpy().std(0)))
    torch.testing.assert_close(policy.out_shift, torch.tensor(act.numpy().mean(0)))
    assert float(policy.log_std[-1].detach()) == -3.0  # an action that never changes
    torch.testing.assert_close(policy.log_std[0].detach().exp(), policy.out_scale[0])
