"""Where a picture matters to a policy: how much its output changes when the picture is blurred there, TLDA's measure.

gemcollector/TLDA@a34172b src/algorithms/TLDA_aug.py; after Greydanus, Koul, Dodge, Fern, "Visualizing and Understanding
Atari Agents", 2018.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from harness.baselines.nn.cnn import PixelEncoder
from harness.baselines.nn.windows import Span, Window, WindowedEncoder

Head = Callable[[Tensor], Tensor]
TRUNCATE = 4.0  # standard deviations at which a mask's Gaussian ends


def spot_masks(size: int, spacing: int, sigma: float) -> np.ndarray:
    """Soft spots on a grid, each a plus of five pixels after a Gaussian filter that mirrors at the border.

    Args:
      size: height and width, pixels.
      spacing: of the grid, whose first spot is at (0, 0), pixels.
      sigma: of the Gaussian, pixels.
    Returns:
      float64 (G * G, size, size), row by row, with maximum 1 each; G is size / spacing, rounded up.
    """
    ticks, centres = np.arange(size), np.arange(0, size, spacing)
    squares = (ticks[None] - centres[:, None]) ** 2  # (G, size)
    discs = (squares[:, None, :, None] + squares[None, :, None, :] <= 1).reshape(-1, size, size)
    filtered = _mirrored_gaussian(size, sigma)
    spots = filtered @ discs @ filtered.T
    return spots / spots.max(axis=(1, 2), keepdims=True)


def _mirrored_gaussian(size: int, sigma: float) -> np.ndarray:
    """The matrix (size, size) of a Gaussian filter along an axis that goes on mirrored, its last pixel repeated."""
    radius = int(TRUNCATE * sigma + 0.5)
    offsets = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 * (offsets / sigma) ** 2)
    folded = (np.arange(size)[:, None] + offsets) % (2 * size)
    folded = np.minimum(folded, 2 * size - 1 - folded)
    matrix = np.zeros((size, size))
    np.add.at(matrix, (np.arange(size)[:, None], folded), weights / weights.sum())
    return matrix


def blur_matrix(size: int, kernel: int, sigma: float) -> np.ndarray:
    """The matrix (size, size) of a Gaussian blur along an axis; beyond the border is black, as published.

    Args:
      size: of the axis, pixels.
      kernel: how many pixels the blur reads, odd.
      sigma: pixels.
    """
    distances = np.arange(size)[:, None] - np.arange(size)[None]
    reach = np.arange(kernel) - kernel // 2
    weights = np.exp(-0.5 * (distances / sigma) ** 2) * (np.abs(distances) <= kernel // 2)
    return weights / np.exp(-0.5 * (reach / sigma) ** 2).sum()


class Spot(NamedTuple):
    """One soft spot, without the zeros around it."""

    window: Window
    weights: Tensor  # (h, w), 0..1


def cut_out(mask: Tensor) -> Spot:
    """The spot that a mask (H, W) has."""
    rows, columns = (mask.any(axis).nonzero().flatten().tolist() for axis in (1, 0))
    window = Window(Span(rows[0], rows[-1] + 1), Span(columns[0], columns[-1] + 1))
    return Spot(window, window.of(mask).contiguous())


def importance(
    encoder: PixelEncoder, head: Head, pixels: Tensor, blurred: Tensor, spots: Sequence[Spot], max_pictures: int
) -> Tensor:
    """Half the squared change of a policy's output when each spot in turn is blurred.

    Args:
      encoder: pictures to representations (B, R), what the spot does not move computed once for all spots.
      head: representations to the policy's outputs (B, D).
      pixels, blurred: (N, C, H, W); of the blurred ones as much is shown as the spot's weights say.
      max_pictures: that the policy is shown at once; what it gives does not depend on that.
    Returns:
      (N, number of spots).
    """
    parts = zip(pixels.split(max_pictures), (blurred - pixels).split(max_pictures), strict=True)
    return torch.cat([_scores(encoder, head, some, change, spots) for some, change in parts])


def _scores(encoder: PixelEncoder, head: Head, pixels: Tensor, change: Tensor, spots: Sequence[Spot]) -> Tensor:
    known = WindowedEncoder(encoder, pixels)
    clear, scores = head(known.representation), []
    for window, weights in spots:
        shown = torch.addcmul(window.of(pixels), window.of(change), weights)
        scores.append(0.5 * (head(known.replaced(window, shown)) - clear).square().sum(-1))
    return torch.stack(scores, 1)


def above_mean(scores: Tensor, size: int) -> Tensor:
    """Where a map, enlarged bilinearly, is above its own mean: (N, G * G) to bool (N, 1, size, size)."""
    side = round(scores.shape[1] ** 0.5)
    maps = F.interpolate(scores.view(-1, 1, side, side), (size, size), mode="bilinear", align_corners=False)
    return maps > maps.mean((2, 3), keepdim=True)
