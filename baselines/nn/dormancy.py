"""Units of a policy that hardly answer, and moving networks towards fresh ones.

Sokar, Agarwal, Castro, Evci, "The Dormant Neuron Phenomenon in Deep Reinforcement Learning", 2023;
XuGW-Kevin/DrM@317116a utils.py (`cal_dormant_ratio`, `perturb`).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from harness.baselines.nn.heads import Actor, orthogonal_


@torch.no_grad()
def layer_outputs(actor: Actor, representation: Tensor) -> list[Tensor]:
    """What each Linear of a policy is measured to give: (N, R) to four (N, units).

    The published code keeps the outputs themselves, which the ReLUs then change where they lie: hidden layers are
    measured behind their ReLU, the trunk before its LayerNorm and the last layer before the tanh.
    """
    outputs = [actor.trunk[0](representation)]
    x = actor.trunk[2](actor.trunk[1](outputs[0]))
    for layer in actor.policy:
        x = layer(x)
        if isinstance(layer, nn.ReLU):
            outputs[-1] = x
        else:
            outputs.append(x)
    return outputs


def dormant_ratio(outputs: Sequence[Tensor], threshold: float) -> float:
    """The share of units, of all layers, whose mean size over the batch is below `threshold` of their layer's.

    Args:
      outputs: (N, units) per layer.
      threshold: relative to the mean over the layer.
    """
    sizes = [output.abs().mean(0) for output in outputs]
    dormant = torch.stack([(size < size.mean() * threshold).sum() for size in sizes]).sum()
    return int(dormant) / sum(len(size) for size in sizes)


def linears(module: nn.Module) -> list[nn.Linear]:
    """The Linear layers of a network, in its order."""
    return [part for part in module.modules() if isinstance(part, nn.Linear)]


def fresh_weights(module: nn.Module, generator: torch.Generator) -> list[Tensor]:
    """A new weight for every Linear, orthogonal as at first; of the weights' type, on the CPU."""
    weights = []
    for layer in linears(module):
        weight = torch.empty(layer.weight.shape, dtype=layer.weight.dtype)
        orthogonal_(weight, 1.0, generator)
        weights.append(weight)
    return weights


@torch.no_grad()
def perturb(module: nn.Module, fresh: Sequence[Tensor], factor: float) -> None:
    """Leaves `factor` of every Linear and puts fresh weights, and biases of zero, in the place of the rest.

    Convolutions and LayerNorms keep what they have.
    """
    for layer, weight in zip(linears(module), fresh, strict=True):
        layer.weight.mul_(factor).add_(weight.to(layer.weight.device), alpha=1.0 - factor)
        layer.bias.mul_(factor)
