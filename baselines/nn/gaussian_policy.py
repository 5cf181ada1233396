"""The Gaussian policy of NPG, DAPG and RRL: a tanh MLP between two fixed affine maps, and a free standard deviation."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

MIN_LOG_STD = -3.0  # aravindr93/mjrl mjrl/policies/gaussian_mlp.py
INPUT_EPSILON = 1e-8
LAST_LAYER_SCALE = 0.01  # of the last layer's weight and bias at the start, so that the first policy is nearly its mean


class GaussianPolicy(nn.Module):
    """Means from `layers`, one standard deviation for all observations.

    Args:
      observation_dim: O.
      action_dim: A.
      hidden: widths of the hidden layers.
    """

    in_shift: Tensor
    in_scale: Tensor
    out_shift: Tensor
    out_scale: Tensor

    def __init__(self, observation_dim: int, action_dim: int, hidden: Sequence[int] = (256, 256)) -> None:
        super().__init__()
        widths = (observation_dim, *hidden, action_dim)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(widths))
        self.log_std = nn.Parameter(torch.zeros(action_dim))
        for name, size, value in (("in", observation_dim, 0.0), ("out", action_dim, 0.0)):
            self.register_buffer(f"{name}_shift", torch.full((size,), value))
            self.register_buffer(f"{name}_scale", torch.ones(size))
        with torch.no_grad():
            for parameter in self.layers[-1].parameters():
                parameter.mul_(LAST_LAYER_SCALE)

    def hidden_states(self, observations: Tensor) -> list[Tensor]:
        """What enters each layer: the normalised observations (N, O), then the hidden layers' outputs (N, H)."""
        states = [(observations - self.in_shift) / (self.in_scale + INPUT_EPSILON)]
        for layer in list(self.layers)[:-1]:
            states.append(torch.tanh(layer(states[-1])))
        return states

    def forward(self, observations: Tensor) -> Tensor:
        """Mean actions (N, A), not clipped, of observations (N, O)."""
        mean: Tensor = self.layers[-1](self.hidden_states(observations)[-1])
        return mean * self.out_scale + self.out_shift

    def sample(self, observations: Tensor, noise: Tensor) -> Tensor:
        """Actions (N, A) from standard normal `noise` (N, A)."""
        return self(observations) + torch.exp(self.log_std) * noise

    def log_likelihood(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Log density (N,) of actions (N, A)."""
        z = (actions - self(observations)) / torch.exp(self.log_std)
        constant = 0.5 * actions.shape[-1] * math.log(2.0 * math.pi)
        return -0.5 * (z * z).sum(-1) - self.log_std.sum() - constant

    @torch.no_grad()
    def normalise(self, observations: Tensor, actions: Tensor) -> None:
        """Takes shifts and scales from demonstrations: mean and population standard deviation of their steps.

        The standard deviation of the actions also becomes the policy's, no smaller than exp(-3).

        Args:
          observations: (N, O), all steps of all demonstrations.
          actions: (N, A).
        """
        for prefix, values in (("in", observations), ("out", actions)):
            getattr(self, f"{prefix}_shift").copy_(values.mean(0))
            getattr(self, f"{prefix}_scale").copy_(values.std(0, correction=0))
        self.log_std.copy_(torch.log(self.out_scale + 1e-12))
        self.clamp_log_std()

    @torch.no_grad()
    def clamp_log_std(self) -> None:
        """Keeps every standard deviation at exp(-3) or above; called after each change of the parameters."""
        self.log_std.clamp_(min=MIN_LOG_STD)
