"""The value network of NPG, DAPG and RRL, fitted to the returns of each batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ValueNetwork(nn.Module):
    """An MLP with ReLUs, (N, I) to (N,); I is the observation's size plus four powers of time.

    Args:
      input_dim: I.
      hidden: widths of the hidden layers.
    """

    def __init__(self, input_dim: int, hidden: Sequence[int] = (128, 128)) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inside, outside in zip((input_dim, *hidden), hidden, strict=False):
            layers += [nn.Linear(inside, outside), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(hidden[-1], 1))

    def forward(self, inputs: Tensor) -> Tensor:
        values: Tensor = self.layers(inputs).squeeze(-1)
        return values


def make_optimizer(network: ValueNetwork, learning_rate: float, weight_decay: float) -> torch.optim.Adam:
    """Adam with L2 in the gradient; its state is kept from one batch to the next."""
    return torch.optim.Adam(network.parameters(), lr=learning_rate, weight_decay=weight_decay)


def fit(
    network: ValueNetwork,
    optimizer: torch.optim.Optimizer,
    inputs: Tensor,
    returns: Tensor,
    orders: Sequence[Tensor],
    batch_size: int,
) -> float:
    """Fits the network to returns, one pass per order.

    As published (aravindr93/mjrl mjrl/baselines/mlp_baseline.py), a pass has floor(N / batch) - 1 steps: the last full
    batch is left out, too.

    Args:
      inputs: (N, I).
      returns: (N,).
      orders: permutations of N, int64, one per pass.
      batch_size: rows per step.
    Returns:
      The mean loss of the last pass, 0 if it had no step.
    """
    losses: list[Tensor] = []
    for order in orders:
        losses.clear()
        for step in range(len(inputs) // batch_size - 1):
            rows = order[step * batch_size : (step + 1) * batch_size]
            loss = F.mse_loss(network(inputs[rows]), returns[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
    return float(torch.stack(losses).mean()) if losses else 0.0
