"""Behaviour cloning: a Gaussian policy's means fitted to the actions of demonstrations."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional as F

from harness.baselines.nn.gaussian_policy import GaussianPolicy


def clone(
    policy: GaussianPolicy,
    optimizer: torch.optim.Optimizer,
    observations: Tensor,
    actions: Tensor,
    batches: Iterable[Tensor],
) -> list[float]:
    """One step of mean squared error per batch; the standard deviation gets no gradient.

    Args:
      policy: changed in place.
      optimizer: over the policy's parameters.
      observations: (N, O), all steps of all demonstrations.
      actions: (N, A).
      batches: row numbers, int64 (B,), one tensor per step.
    Returns:
      The loss of every step.
    """
    losses = []
    for rows in batches:
        loss = F.mse_loss(policy(observations[rows]), actions[rows])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def draw_batches(num_rows: int, batch_size: int, epochs: int, generator: torch.Generator) -> Iterable[Tensor]:
    """Row numbers drawn with replacement, floor(N / batch) batches an epoch, as in aravindr93/mjrl behavior_cloning."""
    for _ in range(epochs * (num_rows // batch_size)):
        yield torch.randint(num_rows, (batch_size,), generator=generator)
