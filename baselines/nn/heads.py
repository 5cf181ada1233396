"""Actor and critic of the DDPG family (DrQ-v2, PIE-G and their kin), and their initialisation."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

ConvInit = Callable[[Tensor, float, torch.Generator], None]  # fills a weight, given its gain


class Trunk(nn.Sequential):
    """Linear, LayerNorm, tanh: what every head puts between the representation and its own layers."""

    def __init__(self, representation_dim: int, feature_dim: int) -> None:
        super().__init__(nn.Linear(representation_dim, feature_dim), nn.LayerNorm(feature_dim), nn.Tanh())


def mlp(in_dim: int, hidden_dim: int, out_dim: int) -> nn.Sequential:
    """Two hidden layers with ReLU."""
    return nn.Sequential(
        nn.Linear(in_dim, hidden_dim),
        nn.ReLU(),
        nn.Linear(hidden_dim, hidden_dim),
        nn.ReLU(),
        nn.Linear(hidden_dim, out_dim),
    )


class Actor(nn.Module):
    """Representation (N, R) to the mean action (N, A) in (-1, 1)."""

    def __init__(self, representation_dim: int, feature_dim: int, hidden_dim: int, action_dim: int) -> None:
        super().__init__()
        self.trunk = Trunk(representation_dim, feature_dim)
        self.policy = mlp(feature_dim, hidden_dim, action_dim)

    def forward(self, representation: Tensor) -> Tensor:
        return torch.tanh(self.policy(self.trunk(representation)))


class Critic(nn.Module):
    """Representation (N, R) and action (N, A) to two values, (N, 1) each; the trunk is shared, the rest is not.

    Args:
      trunk: (N, R) to (N, feature_dim); `Trunk` if None.
    """

    def __init__(
        self,
        representation_dim: int,
        feature_dim: int,
        hidden_dim: int,
        action_dim: int,
        trunk: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.trunk = Trunk(representation_dim, feature_dim) if trunk is None else trunk
        self.q1 = mlp(feature_dim + action_dim, hidden_dim, 1)
        self.q2 = mlp(feature_dim + action_dim, hidden_dim, 1)

    def forward(self, representation: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        joined = torch.cat([self.trunk(representation), action], dim=-1)
        return self.q1(joined), self.q2(joined)


class NormalisedMLP(nn.Module):
    """Two hidden layers with dropout, LayerNorm and ReLU, in this order.

    Args:
      dropout: share of units that are left out; the others are scaled up.
    """

    def __init__(self, in_dim: int, hidden_dim: int, out_dim: int, dropout: float) -> None:
        super().__init__()
        self.hidden = nn.ModuleList(
            nn.Sequential(nn.Linear(inputs, hidden_dim), nn.LayerNorm(hidden_dim)) for inputs in (in_dim, hidden_dim)
        )
        self.last = nn.Linear(hidden_dim, out_dim)
        self._scale = 1.0 / (1.0 - dropout)

    def forward(self, x: Tensor, keep: Tensor) -> Tensor:
        """(N, in_dim) to (N, out_dim); `keep`, bool (2, N, hidden_dim), are the units that are not left out."""
        for hidden, kept in zip(self.hidden, keep, strict=True):
            layer, norm = hidden.children()
            x = torch.relu(norm(layer(x) * kept * self._scale))
        return self.last(x)


class NormalisedCritic(nn.Module):
    """As `Critic`, with dropout and LayerNorm: XuGW-Kevin/DrM agents/drm_mw.py."""

    def __init__(
        self, representation_dim: int, feature_dim: int, hidden_dim: int, action_dim: int, *, dropout: float
    ) -> None:
        super().__init__()
        self.trunk = Trunk(representation_dim, feature_dim)
        self.q1 = NormalisedMLP(feature_dim + action_dim, hidden_dim, 1, dropout)
        self.q2 = NormalisedMLP(feature_dim + action_dim, hidden_dim, 1, dropout)

    def forward(self, representation: Tensor, action: Tensor, keep: Tensor) -> tuple[Tensor, Tensor]:
        """Values of both; `keep`, bool (2, 2, N, hidden_dim): per critic and hidden layer, the units not left out."""
        joined = torch.cat([self.trunk(representation), action], dim=-1)
        return self.q1(joined, keep[0]), self.q2(joined, keep[1])


def initialise(module: nn.Module, generator: torch.Generator, conv_init: ConvInit | None = None) -> None:
    """Orthogonal weights (gain 1 for Linear, sqrt(2) for Conv2d) and zero biases, in the order of the modules.

    LayerNorm keeps its ones and zeros; frozen parts keep what they have. As in facebookresearch/drqv2 utils.py.

    Args:
      conv_init: how convolutions are filled; `orthogonal_` if None.
    """
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Conv2d) and part.weight.requires_grad:
            if isinstance(part, nn.Conv2d):
                (conv_init or orthogonal_)(part.weight.data, math.sqrt(2.0), generator)
            else:
                orthogonal_(part.weight.data, 1.0, generator)
            if part.bias is not None:
                part.bias.data.zero_()


def initialise_as_torch(module: nn.Module, generator: torch.Generator) -> None:
    """What `nn.Linear` and `nn.Conv2d` start from if nobody draws them otherwise, from a generator of ours.

    Weights and biases are uniform, up to the inverse of the root of how many inputs an output has.
    """
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Conv2d):
            bound = 1.0 / math.sqrt(part.weight[0].numel())
            for parameter in part.parameters():
                nn.init.uniform_(parameter, -bound, bound, generator=generator)


def delta_orthogonal_(weight: Tensor, gain: float, generator: torch.Generator) -> None:
    """Zeros but for the middle of the kernel, which is orthogonal.

    Xiao et al., "Dynamical Isometry and a Mean Field Theory of CNNs", 2018, as DMC-GB's modules.py (`weight_init`).

    Args:
      weight: (outputs, inputs, k, k), k odd; filled in place.
    """
    weight.zero_()
    middle = weight.shape[2] // 2
    nn.init.orthogonal_(weight[:, :, middle, middle], gain, generator=generator)


def orthogonal_(weight: Tensor, gain: float, generator: torch.Generator) -> None:
    """What `nn.init.orthogonal_` computes, with the same draws, faster where the matrix is long.

    A long Gaussian matrix is so well conditioned that the Cholesky factor of its Gram matrix gives the same QR
    decomposition (the one with a positive diagonal, which is unique) up to rounding, at the speed of a matrix
    product: PIE-G's 1024 x 61952 projection takes 4 s instead of 8 s on one core.

    Args:
      weight: float32 or float64, (rows, ...); filled in place.
    """
    rows, columns = weight.shape[0], weight[0].numel()
    if min(rows, columns) == 0 or max(rows, columns) < 8 * min(rows, columns):
        nn.init.orthogonal_(weight, gain, generator=generator)
        return
    gaussian = torch.empty(rows, columns, dtype=weight.dtype).normal_(generator=generator)
    tall = gaussian.T if rows < columns else gaussian
    triangle = torch.linalg.cholesky(tall.T @ tall, upper=True)
    identity = torch.eye(len(triangle), dtype=weight.dtype)
    inverse = torch.linalg.solve_triangular(triangle, identity, upper=True)
    orthogonal = inverse.T @ tall.T if rows < columns else tall @ inverse
    weight.copy_((gain * orthogonal).view_as(weight))


def critic_loss(values: tuple[Tensor, Tensor], target: Tensor) -> Tensor:
    """MSE of both critics against the same target, summed.

    Args:
      values: two (V * N, 1); V views of the same N transitions, one after the other. The mean over all rows is the
        mean of the views' losses, so with V = 2 each view weighs one half.
      target: (N, 1).
    """
    repeated = target.repeat(len(values[0]) // len(target), 1)
    return F.mse_loss(values[0], repeated) + F.mse_loss(values[1], repeated)


def view_losses(values: tuple[Tensor, Tensor], target: Tensor) -> list[Tensor]:
    """MSE of both critics against the same target, summed; one loss per view.

    Args:
      values: two (V * N, 1); V views of the same N transitions, one after the other.
      target: (N, 1).
    """
    pairs = zip(*(value.split(len(target)) for value in values), strict=True)
    return [F.mse_loss(first, target) + F.mse_loss(second, target) for first, second in pairs]
