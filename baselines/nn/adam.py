"""The state of Adam optimisers, as named tensors."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def start(optimizer: torch.optim.Adam) -> None:
    """Gives parameters that were never updated the state they would have before their first step."""
    for parameter in optimizer.param_groups[0]["params"]:
        if parameter not in optimizer.state:
            optimizer.state[parameter] = {
                "step": torch.zeros((), dtype=torch.float32, device=parameter.device),
                "exp_avg": torch.zeros_like(parameter),
                "exp_avg_sq": torch.zeros_like(parameter),
            }


def tensors(optimizers: Mapping[str, torch.optim.Adam]) -> dict[str, Tensor]:
    """Steps and averages of every parameter of every optimiser, to be stored, or filled when a checkpoint is read.

    A parameter that two optimisers move has a state in each.
    """
    state: dict[str, Tensor] = {}
    for name, optimizer in optimizers.items():
        start(optimizer)
        for index, parameter in enumerate(optimizer.param_groups[0]["params"]):
            state |= {f"adam.{name}.{index}.{key}": value for key, value in optimizer.state[parameter].items()}
    return state
