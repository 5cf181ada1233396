"""Numbers that tell how a training goes, beside its losses."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


def gradient_norm(parameters: Iterable[Tensor]) -> Tensor:
    """The Euclidean norm of all gradients together; parameters without one do not count."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    return torch.stack(torch._foreach_norm(gradients)).norm()


@torch.no_grad()
def feature_drift(features: Tensor, num: int) -> Tensor:
    """How far features move when an observation is augmented: what PIE-G's Figure 2 measures between backgrounds.

    Each observation's features are scaled to 0..1 by their own least and greatest value, as by `harness diagnose
    features`; then the mean absolute difference is taken.

    Args:
      features: (V * num, R) of V views, one view after the other, the clean one first.
      num: of observations.
    """
    views = features.unflatten(0, (-1, num))
    low, high = views.amin(-1, keepdim=True), views.amax(-1, keepdim=True)
    scaled = torch.where(high > low, (views - low) / (high - low), torch.zeros_like(views))
    return (scaled[1:] - scaled[:1]).abs().mean()
