"""NPG, DAPG, GAE, cloning and the value fit written once more, plainly, to compare the learners with.

Nothing is shared with `baselines/`: parameters are plain lists, Fisher products are double backward passes, sums over
time are written out as double loops.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


class PlainPolicy:
    """theta = [W1, b1, W2, b2, W3, b3, log_std]."""

    def __init__(self, theta: Sequence[Tensor], shifts: Sequence[Tensor]) -> None:
        self.theta = [t.detach().clone().requires_grad_() for t in theta]
        self.in_shift, self.in_scale, self.out_shift, self.out_scale = shifts

    def mean(self, obs: Tensor, theta: Sequence[Tensor] | None = None) -> Tensor:
        w1, b1, w2, b2, w3, b3, _ = self.theta if theta is None else theta
        x = (obs - self.in_shift) / (self.in_scale + 1e-8)
        x = torch.tanh(x @ w1.T + b1)
        x = torch.tanh(x @ w2.T + b2)
        return (x @ w3.T + b3) * self.out_scale + self.out_shift

    def log_prob(self, obs: Tensor, act: Tensor) -> Tensor:
        normal = torch.distributions.Normal(self.mean(obs), torch.exp(self.theta[-1]))
        return normal.log_prob(act).sum(1)


def plain_kl(old_mean: Tensor, old_ls: Tensor, new_mean: Tensor, new_ls: Tensor) -> Tensor:
    total = 0.0
    for d in range(old_mean.shape[1]):
        so, sn = torch.exp(old_ls[d]), torch.exp(new_ls[d])
        top = (old_mean[:, d] - new_mean[:, d]) ** 2 + so**2 - sn**2
        total = total + top / (2 * sn**2 + 1e-8) + new_ls[d] - old_ls[d]
    return total.mean()


def plain_hvp(policy: PlainPolicy, obs: Tensor, vector: Tensor, damping: float) -> Tensor:
    """By double backward through the KL divergence."""
    old_mean, old_ls = policy.mean(obs).detach(), policy.theta[-1].detach().clone()
    kl = plain_kl(old_mean, old_ls, policy.mean(obs), policy.theta[-1])
    first = torch.autograd.grad(kl, policy.theta, create_graph=True)
    flat = torch.cat([g.reshape(-1) for g in first])
    second = torch.autograd.grad(flat @ vector, policy.theta)
    return torch.cat([g.reshape(-1) for g in second]) + damping * vector


def plain_cg(policy: PlainPolicy, obs: Tensor, b: Tensor, damping: float, iterations: int) -> Tensor:
    x, r, p = torch.zeros_like(b), b.clone(), b.clone()
    rr = float(r @ r)
    for _ in range(iterations):
        z = plain_hvp(policy, obs, p, damping)
        v = rr / float(p @ z)
        x, r = x + v * p, r - v * z
        new = float(r @ r)
        p = r + new / rr * p
        rr = new
        if rr < 1e-10:
            break
    return x


def plain_step(
    policy: PlainPolicy,
    obs: Tensor,
    act: Tensor,
    adv: Tensor,
    demo_obs: Tensor | None,
    demo_act: Tensor | None,
    demo_weight: float,
    step_size: float,
    damping: float,
    iterations: int,
) -> list[Tensor]:
    """One NPG step, or DAPG's where demonstrations are given; returns the new theta."""
    all_obs, all_act, weights = obs, act, adv
    if demo_obs is not None and demo_act is not None:
        all_obs, all_act = torch.cat([obs, demo_obs]), torch.cat([act, demo_act])
        mean = sum(float(a) for a in adv) / len(adv)
        std = math.sqrt(sum((float(a) - mean) ** 2 for a in adv) / len(adv))
        weights = 0.01 * torch.cat([adv / (std + 1e-8), torch.full((len(demo_obs),), demo_weight, dtype=obs.dtype)])
    objective = (policy.log_prob(all_obs, all_act) * weights).mean() * (len(all_obs) / len(obs))
    gradient = torch.cat([g.reshape(-1) for g in torch.autograd.grad(objective, policy.theta)])
    direction = plain_cg(policy, obs, gradient, damping, iterations)
    alpha = math.sqrt(abs(step_size / (float(gradient @ direction) + 1e-20)))
    flat = torch.cat([t.detach().reshape(-1) for t in policy.theta]) + alpha * direction
    moved, at = [], 0
    for t in policy.theta:
        moved.append(flat[at : at + t.numel()].reshape(t.shape))
        at += t.numel()
    moved[-1] = torch.maximum(moved[-1], torch.tensor(-3.0, dtype=flat.dtype))
    return moved


def plain_gae(rewards: np.ndarray, values: np.ndarray, terminated: bool, gamma: float, lam: float) -> np.ndarray:
    horizon = len(rewards)
    deltas = []
    for t in range(horizon):
        last = 0.0 if terminated else values[t]
        following = values[t + 1] if t + 1 < horizon else last
        deltas.append(rewards[t] + gamma * following - values[t])
    return np.array([sum((gamma * lam) ** (k - t) * deltas[k] for k in range(t, horizon)) for t in range(horizon)])


class PlainAdam:
    """Adam with L2 in the gradient, tensor by tensor."""

    def __init__(self, tensors: list[Tensor], lr: float, decay: float = 0.0) -> None:
        self.tensors, self.lr, self.decay = tensors, lr, decay
        self.m = [torch.zeros_like(t) for t in tensors]
        self.v = [torch.zeros_like(t) for t in tensors]
        self.t = 0

    def step(self, grads: Sequence[Tensor]) -> None:
        self.t += 1
        for k, grad in enumerate(grads):
            g = grad + self.decay * self.tensors[k].detach()
            self.m[k] = 0.9 * self.m[k] + 0.1 * g
            self.v[k] = 0.999 * self.v[k] + 0.001 * g * g
            m, v = self.m[k] / (1 - 0.9**self.t), self.v[k] / (1 - 0.999**self.t)
            with torch.no_grad():
                self.tensors[k] -= self.lr * m / (torch.sqrt(v) + 1e-8)
