"""Frozen encoders from outside: networks that a user's `package.module:callable` makes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from harness.errors import UsageError
from harness.outside import code_from_outside


def make_outside(name: str) -> nn.Module:
    """The network that the named callable makes, complete with its weights.

    Raises:
      UsageError: if there is no such callable, it fails, or it makes something else.
    """
    from harness.registry import load_outside

    maker = load_outside(name, "encoder")
    with code_from_outside(f"Encoder '{name}' cannot be made"):
        network = maker()
    if not isinstance(network, nn.Module):
        raise UsageError(f"Encoder '{name}' is a {type(network).__name__}, not a torch.nn.Module.")
    return network


def shape_of_one(name: str, network: nn.Module, image_size: int) -> torch.Size:
    """What a network from outside makes of one picture (1, 3, S, S), float32 in 0..1: its shape (1, ...).

    Raises:
      UsageError: if it cannot look at the picture, or makes no floats with a batch axis.
    """
    with code_from_outside(f"Encoder '{name}' cannot look at a picture of {image_size} pixels"):
        made = network(torch.zeros(1, 3, image_size, image_size))
    if not isinstance(made, Tensor) or len(made) != 1 or made.ndim < 2 or not made.is_floating_point():
        raise UsageError(f"Encoder '{name}' makes no (1, ...) floats of one picture.")
    return made.shape
