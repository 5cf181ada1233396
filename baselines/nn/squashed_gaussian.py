"""Squashed Gaussian policies and their temperature, for the SAC family."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.baselines.nn.heads import Trunk, mlp

Squash = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
SMALLEST = 1e-6  # added to 1 - action^2 before its logarithm is taken


class GaussianActor(nn.Module):
    """Representation (N, R) to mean and log standard deviation, (N, A) each, of what a tanh makes actions of.

    Args:
      log_std: least and largest log standard deviation.
      trunk: (N, R) to (N, feature_dim); `heads.Trunk` if None.
      squash: makes actions and their log densities of mean, log deviation and noise; `squashed_sample` if None.
    """

    def __init__(
        self,
        representation_dim: int,
        feature_dim: int,
        hidden_dim: int,
        action_dim: int,
        log_std: tuple[float, float],
        trunk: nn.Module | None = None,
        squash: Squash | None = None,
    ) -> None:
        super().__init__()
        self.trunk = Trunk(representation_dim, feature_dim) if trunk is None else trunk
        self.policy = mlp(feature_dim, hidden_dim, 2 * action_dim)
        self._low, self._high = log_std
        self._squash = squash or squashed_sample

    def raw(self, representation: Tensor) -> Tensor:
        """What the last layer gives: (N, 2 * A)."""
        return self.policy(self.trunk(representation))

    def forward(self, representation: Tensor) -> tuple[Tensor, Tensor]:
        mean, raw = self.raw(representation).chunk(2, dim=-1)
        return mean, self._low + 0.5 * (self._high - self._low) * (torch.tanh(raw) + 1.0)

    def sample(self, representation: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Actions and the logarithms of their densities, from standard normal draws (N, A)."""
        mean, log_std = self(representation)
        return self._squash(mean, log_std, noise)


def squashed_sample(mean: Tensor, log_std: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """An action and the logarithm of its density, as DMC-GB's modules.py (`gaussian_logprob`, `squash`).

    Args:
      mean, log_std: (N, A).
      noise: standard normal draws, (N, A).
    Returns:
      (N, A), values in [-1, 1], and (N, 1).
    """
    action = torch.tanh(mean + noise * log_std.exp())
    inside = torch.log(F.relu(1.0 - action.pow(2)) + SMALLEST)
    return action, _normal_log_density(log_std, noise) - inside.sum(-1, keepdim=True)


def exact_squashed_sample(mean: Tensor, log_std: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """The same with the tanh's derivative in a form that needs nothing added: aalmuzairee/dmcgb2 utils.py.

    Args, Returns: as of `squashed_sample`.
    """
    raw = mean + noise * log_std.exp()
    slope = 2.0 * (math.log(2.0) - raw - F.softplus(-2.0 * raw))  # log(1 - tanh(raw)^2)
    return torch.tanh(raw), _normal_log_density(log_std, noise) - slope.sum(-1, keepdim=True)


def _normal_log_density(log_std: Tensor, noise: Tensor) -> Tensor:
    exponent = (-0.5 * noise.pow(2) - log_std).sum(-1, keepdim=True)
    return exponent - 0.5 * math.log(2.0 * math.pi) * noise.shape[-1]


class Temperature(nn.Module):
    """The weight of entropy, learned as its logarithm: one number in float64 whatever the networks' type, as published.

    Args:
      initial: its value at first.
    """

    def __init__(self, initial: float) -> None:
        super().__init__()
        self.log_alpha = nn.Parameter(torch.tensor(math.log(initial), dtype=torch.float64))

    @property
    def alpha(self) -> Tensor:
        """The weight; gradients reach its logarithm."""
        return self.log_alpha.exp()
