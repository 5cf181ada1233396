"""One natural-gradient step of a Gaussian policy (NPG, DAPG): gradient, Fisher products, conjugate gradient, step size.

After Rajeswaran et al. 2018 (DAPG, arXiv 1709.10087) as in aravindr93/mjrl mjrl/algos/{npg_cg,dapg}.py.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from harness.baselines.nn.gaussian_policy import GaussianPolicy

VARIANCE_EPSILON = 1e-8  # in the denominator of the KL divergence
DEMO_SCALE = 0.01  # of all weights where demonstrations take part; it matters only to the end of conjugate gradient


def flatten(tensors: Sequence[Tensor]) -> Tensor:
    """All tensors, one after the other, (P,)."""
    return torch.cat([tensor.reshape(-1) for tensor in tensors])


def weights_with_demos(advantages: Tensor, num_demos: int, demo_weight: float) -> Tensor:
    """Weights (N + D,) of on-policy steps (N,) and of D steps of demonstrations after them."""
    demos = advantages.new_full((num_demos,), demo_weight)
    return DEMO_SCALE * torch.cat([advantages / (advantages.std(correction=0) + 1e-8), demos])


def policy_gradient(policy: GaussianPolicy, observations: Tensor, actions: Tensor, weights: Tensor) -> Tensor:
    """Gradient (P,) of mean(weight * likelihood ratio) where the ratio is 1.

    Args:
      observations: (N, O).
      actions: (N, A).
      weights: (N,).
    """
    log_likelihood = policy.log_likelihood(observations, actions)
    surrogate = (torch.exp(log_likelihood - log_likelihood.detach()) * weights).mean()
    return flatten(torch.autograd.grad(surrogate, list(policy.parameters())))


@torch.no_grad()
def mean_kl(old: GaussianPolicy, new: GaussianPolicy, observations: Tensor) -> Tensor:
    """Mean KL divergence of the new policy from the old one over observations (N, O)."""
    old_var, new_var = torch.exp(2.0 * old.log_std), torch.exp(2.0 * new.log_std)
    numerator = (old(observations) - new(observations)) ** 2 + old_var - new_var
    per_dim = numerator / (2.0 * new_var + VARIANCE_EPSILON) + new.log_std - old.log_std
    return per_dim.sum(-1).mean()


class FisherProduct:
    """v -> (H + damping) v with H the Hessian of the mean KL divergence at the policy itself.

    There the KL's gradient with respect to the means vanishes, so that H is exactly J^T D J (Gauss-Newton), with J the
    Jacobian of the means: one forward and one backward sweep with activations kept, instead of a double backward.

    Args:
      policy: whose Fisher matrix; its parameters must not change while this is used.
      observations: (N, O), on-policy only.
      damping: added to the diagonal.
    """

    @torch.no_grad()
    def __init__(self, policy: GaussianPolicy, observations: Tensor, damping: float) -> None:
        self._policy, self._damping = policy, damping
        self._states = policy.hidden_states(observations)  # what enters each layer
        self._slopes = [1.0 - state * state for state in self._states[1:]]  # of tanh
        variance = torch.exp(2.0 * policy.log_std)
        denominator = 2.0 * variance + VARIANCE_EPSILON
        self._mean_curvature = 2.0 / denominator * policy.out_scale**2 / len(observations)
        self._std_curvature = (4.0 * variance / denominator) ** 2 - 4.0 * variance / denominator

    @torch.no_grad()
    def __call__(self, vector: Tensor) -> Tensor:
        """The product with a vector (P,) in the order of the policy's parameters."""
        pieces = dict(zip(self._names(), self._split(vector), strict=True))
        along_means = self._forward(pieces) * self._mean_curvature
        products = self._backward(along_means)
        products["log_std"] = self._std_curvature * pieces["log_std"]
        return flatten([products[name] for name in self._names()]) + self._damping * vector

    def _names(self) -> list[str]:
        return [name for name, _ in self._policy.named_parameters()]

    def _split(self, vector: Tensor) -> list[Tensor]:
        shapes = [parameter.shape for parameter in self._policy.parameters()]
        parts = vector.split([shape.numel() for shape in shapes])
        return [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]

    def _forward(self, pieces: dict[str, Tensor]) -> Tensor:
        """Directional derivative (N, A) of the last layer's outputs."""
        moved = None
        for k, (layer, state) in enumerate(zip(self._policy.layers, self._states, strict=True)):
            change = state @ pieces[f"layers.{k}.weight"].T + pieces[f"layers.{k}.bias"]
            if moved is not None:
                change += moved @ layer.weight.T  # type: ignore[operator]
            moved = change * self._slopes[k] if k < len(self._slopes) else change
        assert moved is not None
        return moved

    def _backward(self, gradient: Tensor) -> dict[str, Tensor]:
        """Gradients of all layers from those (N, A) of the last layer's outputs."""
        products = {}
        for k in reversed(range(len(self._states))):
            if k < len(self._slopes):
                gradient = gradient * self._slopes[k]
            products[f"layers.{k}.weight"] = gradient.T @ self._states[k]
            products[f"layers.{k}.bias"] = gradient.sum(0)
            if k:
                gradient = gradient @ self._policy.layers[k].weight  # type: ignore[operator]
        return products


def conjugate_gradient(
    product: Callable[[Tensor], Tensor], right: Tensor, *, iterations: int = 10, tolerance: float = 1e-10
) -> tuple[Tensor, int]:
    """Solves product(x) = right from x = 0.

    Args:
      product: of a symmetric positive definite matrix with a vector (P,).
      right: (P,).
      iterations: at most.
      tolerance: of the squared residual.
    Returns:
      x (P,), and the number of iterations done.
    """
    solution, residual = torch.zeros_like(right), right.clone()
    direction, squared = residual.clone(), residual @ residual
    done = 0
    while done < iterations and (done == 0 or squared >= tolerance):
        done += 1
        image = product(direction)
        length = squared / (direction @ image)
        solution += length * direction
        residual -= length * image
        previous, squared = squared, residual @ residual
        direction = residual + squared / previous * direction
    return solution, done


@torch.no_grad()
def _move(policy: GaussianPolicy, change: Tensor) -> None:
    """Adds a vector (P,) to the parameters, in the memory they have: views of one vector, which lie elsewhere, are
    multiplied with other roundings than what a checkpoint gives back."""
    at = 0
    for parameter in policy.parameters():
        parameter.add_(change[at : at + parameter.numel()].view_as(parameter))
        at += parameter.numel()


@dataclass(frozen=True)
class Step:
    """What a natural-gradient step did: its length, the iterations of conjugate gradient, the KL it caused."""

    alpha: float
    iterations: int
    kl: float


def natural_step(
    policy: GaussianPolicy,
    gradient: Tensor,
    observations: Tensor,
    *,
    step_size: float,
    damping: float = 1e-4,
    cg_iterations: int = 10,
) -> Step:
    """Moves the policy along the natural gradient until the KL divergence is about half the step size; no line search.

    Args:
      policy: changed in place.
      gradient: (P,).
      observations: (N, O), on-policy only.
      step_size: twice the KL divergence.
    """
    old = copy.deepcopy(policy)
    product = FisherProduct(policy, observations, damping)
    direction, iterations = conjugate_gradient(product, gradient, iterations=cg_iterations)
    alpha = torch.sqrt(torch.abs(step_size / (gradient @ direction + 1e-20)))
    _move(policy, alpha * direction)
    policy.clamp_log_std()
    return Step(float(alpha), iterations, float(mean_kl(old, policy, observations)))
