"""Exploration noise of the DDPG family: a clipped Gaussian around the mean action, and its schedule."""

from __future__ import annotations

import torch
from torch import Tensor

EDGE = 1e-6  # actions stay this far inside [-1, 1]


def linear_schedule(start: float, end: float, duration: int, step: int) -> float:
    """`start` at step 0, `end` from step `duration` on, linear in between; steps are the agent's."""
    return start + (end - start) * min(max(step / duration, 0.0), 1.0)


def noisy_action(mean: Tensor, std: float, noise: Tensor, clip: float | None = None) -> Tensor:
    """A sample around the mean, kept inside the action range.

    The range is enforced in the value only: the gradient with respect to the mean is the identity everywhere, also
    where the value is cut (as in facebookresearch/drqv2 utils.py, TruncatedNormal).

    Args:
      mean: (N, A), values in (-1, 1).
      std: standard deviation.
      noise: standard normal draws, (N, A).
      clip: largest deviation from the mean, None for any.
    """
    deviation = noise * std
    if clip is not None:
        deviation = deviation.clamp(-clip, clip)
    action = mean + deviation
    inside = action.detach().clamp(-1.0 + EDGE, 1.0 - EDGE)
    return action - action.detach() + inside if torch.is_grad_enabled() else inside
