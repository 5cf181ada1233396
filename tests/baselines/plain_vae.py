"""RRL's VAE a second time, from sums over shifted pictures: no layers of torch's."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def convolve(x: Tensor, weight: Tensor, bias: Tensor, stride: int) -> Tensor:
    """A 3 x 3 convolution with a border of one zero."""
    n, c, h, w = x.shape
    padded = x.new_zeros(n, c, h + 2, w + 2)
    padded[:, :, 1:-1, 1:-1] = x
    total = bias[:, None, None]
    for i in range(3):
        for j in range(3):
            seen = padded[:, :, i : i + h : stride, j : j + w : stride]
            total = total + (weight[None, :, :, i, j, None, None] * seen[:, None]).sum(2)
    return total


def enlarge(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """A transposed convolution of stride 2: inputs add kernels to twice the picture, one row and column cut."""
    n, _, h, w = x.shape
    made = x.new_zeros(n, weight.shape[1], 2 * h + 2, 2 * w + 2)
    for i in range(3):
        for j in range(3):
            part = (x[:, :, None] * weight[None, :, :, i, j, None, None]).sum(1)
            made[:, :, i : i + 2 * h : 2, j : j + 2 * w : 2] += part
    return made[:, :, 1 : 2 * h + 1, 1 : 2 * w + 1] + bias[:, None, None]


def normalise(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """BatchNorm by the batch's own statistics, then LeakyReLU of slope 0.01."""
    mean = x.mean((0, 2, 3), keepdim=True)
    variance = ((x - mean) ** 2).mean((0, 2, 3), keepdim=True)
    scaled = weight[:, None, None] * (x - mean) / (variance + 1e-5).sqrt() + bias[:, None, None]
    return torch.where(scaled > 0, scaled, 0.01 * scaled)


def plain_loss(
    p: Mapping[str, Tensor], pictures: Tensor, noise: Tensor, depth: int, weight: float
) -> dict[str, Tensor]:
    """Loss and parts, from parameters by the names that the network gives them."""

    def pair(name: str) -> tuple[Tensor, Tensor]:
        return p[f"{name}.weight"], p[f"{name}.bias"]

    x = pictures
    for i in range(depth):
        x = normalise(convolve(x, *pair(f"encoder.layers.{3 * i}"), 2), *pair(f"encoder.layers.{3 * i + 1}"))
    inner, x = x.shape[1:], x.reshape(len(x), -1)
    mean, log_var = (x @ w.T + b for w, b in (pair("encoder.mean"), pair("log_variance")))
    w, b = pair("unfolded")
    x = ((mean + noise * torch.exp(log_var / 2)) @ w.T + b).reshape(-1, *inner)
    for i in range(depth):
        x = normalise(enlarge(x, *pair(f"decoder.{3 * i}")), *pair(f"decoder.{3 * i + 1}"))
    x = torch.tanh(convolve(x, *pair(f"decoder.{3 * depth}"), 1))
    error = ((x - pictures) ** 2).sum() / x.numel()
    divergence = -0.5 * (1 + log_var - mean**2 - log_var.exp()).sum() / len(mean)
    return {"loss": error + weight * divergence, "reconstruction": error, "divergence": divergence}
