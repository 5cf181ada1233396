"""Cloning and the value fit against plain loops with a plain Adam, in float64."""

from __future__ import annotations

import torch

from harness.baselines.learners.cloning import clone, draw_batches
from harness.baselines.nn.gaussian_policy import GaussianPolicy
from harness.baselines.nn.value_network import ValueNetwork, fit, make_optimizer
from tests.baselines.plain_npg import PlainAdam, PlainPolicy

N, OBS, A = 100, 6, 2


def test_cloning() -> None:
    rng = torch.Generator().manual_seed(0)
    policy = GaussianPolicy(OBS, A, (8, 8)).double()
    obs = torch.randn(N, OBS, generator=rng, dtype=torch.float64)
    act = torch.randn(N, A, generator=rng, dtype=torch.float64)
    policy.normalise(obs, act)
    theta = [tensor for layer in policy.layers for tensor in (layer.weight, layer.bias)] + [policy.log_std]
    plain = PlainPolicy(theta, (policy.in_shift, policy.in_scale, policy.out_shift, policy.out_scale))
    batches = list(draw_batches(N, 32, 5, torch.Generator().manual_seed(1)))
    assert len(batches) == 15
    assert min(int(rows.max()) for rows in batches) < N
    adam = PlainAdam(plain.theta[:-1], 1e-3)
    for rows in batches:
        loss = ((plain.mean(obs[rows]) - act[rows]) ** 2).sum() / (32 * A)
        adam.step(torch.autograd.grad(loss, plain.theta[:-1]))
    std = policy.log_std.detach().clone()
    losses = clone(policy, torch.optim.Adam(policy.parameters(), lr=1e-3), obs, act, batches)
    assert losses[-1] == loss.item() or abs(losses[-1] - loss.item()) < 1e-10
    for tensor, wanted in zip(theta[:-1], plain.theta[:-1], strict=True):
        torch.testing.assert_close(tensor.detach(), wanted.detach(), rtol=1e-8, atol=1e-10)
    assert torch.equal(policy.log_std.detach(), std)


def test_batches_are_drawn_with_replacement() -> None:
    rows = torch.cat(list(draw_batches(50, 10, 40, torch.Generator().manual_seed(2))))
    assert len(rows) == 40 * 50
    assert any(len(set(batch.tolist())) < 10 for batch in rows.view(-1, 10))


def test_value_fit() -> None:
    rng = torch.Generator().manual_seed(0)
    network = ValueNetwork(OBS + 4, (8, 8)).double()
    tensors = [p.detach().clone().requires_grad_() for p in network.parameters()]
    inputs = torch.randn(N, OBS + 4, generator=rng, dtype=torch.float64)
    returns = torch.randn(N, generator=rng, dtype=torch.float64)
    orders = [torch.randperm(N, generator=rng) for _ in range(2)]
    adam = PlainAdam(tensors, 1e-3, 1e-3)
    steps = 0
    for order in orders:
        for first in range(0, N - 32 - 32, 32):  # the last full batch is skipped, too
            rows = order[first : first + 32]
            w1, b1, w2, b2, w3, b3 = tensors
            hidden = torch.relu(torch.relu(inputs[rows] @ w1.T + b1) @ w2.T + b2)
            loss = ((hidden @ w3.T + b3)[:, 0] - returns[rows]).pow(2).mean()
            adam.step(torch.autograd.grad(loss, tensors))
            steps += 1
    assert steps == 4
    fit(network, make_optimizer(network, 1e-3, 1e-3), inputs, returns, orders, 32)
    for tensor, wanted in zip(network.parameters(), tensors, strict=True):
        torch.testing.assert_close(tensor.detach(), wanted.detach(), rtol=1e-8, atol=1e-10)


def test_value_networks_have_the_published_sizes() -> None:
    assert sum(p.numel() for p in ValueNetwork(540).parameters()) == 85_889
    assert sum(p.numel() for p in ValueNetwork(1564).parameters()) == 216_961
