"""Turning pictures, as torchvision does it."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from harness.baselines.nn.augment import replicate


def rotate(pixels: Tensor, degrees: float) -> Tensor:
    """Turns pictures, with their borders repeated around them so that hardly a corner comes from nowhere.

    aalmuzairee/dmcgb2 augmentations.py (`random_rotate`): padded (by 17 pixels of 84), turned around the middle with
    bilinear interpolation, cut to the size they had. What lies outside even of the padding is black.

    Args:
      pixels: (N, C, H, W), floating, square.
      degrees: counter-clockwise.
    Returns:
      The same shape and dtype.
    """
    size = pixels.shape[-1]
    pad = int(size * (math.sqrt(2.0) - 1.0) / 2.0)
    whole = size + 2 * pad
    ticks = torch.arange(size, device=pixels.device, dtype=pixels.dtype) - (size - 1) / 2.0
    y, x = torch.meshgrid(ticks, ticks, indexing="ij")
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    source = torch.stack([cosine * x - sine * y, sine * x + cosine * y], -1) * (2.0 / whole)
    grid = source.expand(len(pixels), -1, -1, -1)
    return F.grid_sample(replicate(pixels, pad), grid, padding_mode="zeros", align_corners=False)
