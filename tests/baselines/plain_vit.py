"""A vision transformer written once more, one picture, one head, one token at a time; nothing is shared.

Positions are resized by a bicubic interpolation written out from Keys' kernel (a = -0.75 without a filter, -0.5 with
one, as torch has them).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np


def cubic(x: float, a: float) -> float:
    x = abs(x)
    if x < 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    if x < 2:
        return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a
    return 0.0


def bicubic_weights(size: int, out: int, step: float) -> np.ndarray:
    """(out, size); sample i is taken at (i + 0.5) * step - 0.5, the border repeated."""
    weights = np.zeros((out, size))
    for i in range(out):
        x = (i + 0.5) * step - 0.5
        base = math.floor(x)
        for k in range(base - 1, base + 3):
            weights[i, min(max(k, 0), size - 1)] += cubic(x - k, -0.75)
    return weights


def filtered_weights(size: int, out: int) -> np.ndarray:
    """The same for shrinking with a filter as wide as the step; the border is left out and the rest weighs one."""
    step = size / out
    wide = max(step, 1.0)
    weights = np.zeros((out, size))
    for i in range(out):
        centre = (i + 0.5) * step
        first, last = max(int(centre - 2 * wide + 0.5), 0), min(int(centre + 2 * wide + 0.5), size)
        for k in range(first, last):
            weights[i, k] = cubic((k - centre + 0.5) / wide, -0.5)
        weights[i] /= weights[i].sum()
    return weights


def resized_positions(pos: np.ndarray, grid: int, out: int, offset: float, antialias: bool) -> np.ndarray:
    """(1 + grid * grid, dim) to (1 + out * out, dim)."""
    picture = pos[1:].reshape(grid, grid, -1)
    weights = filtered_weights(grid, out) if antialias else bicubic_weights(grid, out, grid / (out + offset))
    rows = np.einsum("rh,hwd->rwd", weights, picture)
    both = np.einsum("cw,rwd->rcd", weights, rows)
    return np.concatenate([pos[:1], both.reshape(out * out, -1)])


def layer_norm(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, eps: float) -> np.ndarray:
    mean = x.mean(-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + eps) * weight + bias


def gelu(x: np.ndarray) -> np.ndarray:
    return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def attention(x: np.ndarray, w: Mapping[str, np.ndarray], name: str, heads: int) -> np.ndarray:
    tokens, dim = x.shape
    each = dim // heads
    whole = x @ w[f"{name}.qkv.weight"].T + w[f"{name}.qkv.bias"]
    out = np.zeros((tokens, dim))
    for head in range(heads):
        q, k, v = (whole[:, part * dim + head * each : part * dim + (head + 1) * each] for part in range(3))
        scores = np.exp(q @ k.T / math.sqrt(each))
        out[:, head * each : (head + 1) * each] = scores / scores.sum(1, keepdims=True) @ v
    return out @ w[f"{name}.proj.weight"].T + w[f"{name}.proj.bias"]


def patches(picture: np.ndarray, w: Mapping[str, np.ndarray], side: int) -> np.ndarray:
    kernel, bias = w["patch_embed.proj.weight"], w["patch_embed.proj.bias"]
    rows, columns = picture.shape[1] // side, picture.shape[2] // side
    found = []
    for r in range(rows):
        for c in range(columns):
            cut = picture[:, r * side : (r + 1) * side, c * side : (c + 1) * side]
            found.append((kernel * cut).sum((1, 2, 3)) + bias)
    return np.stack(found)


def plain_vit(picture: np.ndarray, w: Mapping[str, np.ndarray], spec: Any) -> np.ndarray:
    """One normalised picture (3, S, S) to all tokens behind the last LayerNorm, float64."""
    x = np.concatenate([w["cls_token"][0], patches(picture, w, spec.patch)])
    out = picture.shape[1] // spec.patch
    pos = w["pos_embed"][0]
    if out != spec.grid:
        pos = resized_positions(pos, spec.grid, out, spec.offset, spec.antialias)
    x = x + pos
    if spec.registers:
        x = np.concatenate([x[:1], w["register_tokens"][0], x[1:]])
    for i in range(spec.depth):
        b = f"blocks.{i}"
        first, second = (w.get(f"{b}.ls{n}.gamma", np.ones(spec.dim)) for n in (1, 2))
        y = layer_norm(x, w[f"{b}.norm1.weight"], w[f"{b}.norm1.bias"], spec.eps)
        x = x + first * attention(y, w, f"{b}.attn", spec.heads)
        y = layer_norm(x, w[f"{b}.norm2.weight"], w[f"{b}.norm2.bias"], spec.eps)
        hidden = gelu(y @ w[f"{b}.mlp.fc1.weight"].T + w[f"{b}.mlp.fc1.bias"])
        x = x + second * (hidden @ w[f"{b}.mlp.fc2.weight"].T + w[f"{b}.mlp.fc2.bias"])
    return layer_norm(x, w["norm.weight"], w["norm.bias"], spec.eps)
