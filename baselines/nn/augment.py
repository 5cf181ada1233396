"""Picture augmentations on tensors; every random choice is an argument."""

from __future__ import annotations

import torch
from torch import Tensor


def random_shift(pixels: Tensor, offsets: Tensor, pad: int = 4) -> Tensor:
    """Crops each picture, padded by repeating its border, back to its size at its own offset.

    facebookresearch/drqv2 writes this as a bilinear `grid_sample` of the padded picture. Its shifts are whole pixels,
    so a crop gives the same up to that function's rounding, and pixels can stay uint8.

    Args:
      pixels: (N, C, H, W), any dtype.
      offsets: integers in 0..2*pad, (N, 2) as (x, y); (pad, pad) changes nothing. On the CPU, or beside `pixels`.
      pad: width of the border.
    Returns:
      The same shape and dtype.
    """
    if pixels.device.type != "cpu":
        return _shift_by_indexing(pixels, offsets.to(pixels.device), pad)
    padded = _replicate(pixels, pad)
    shifted = torch.empty_like(pixels)
    height, width = pixels.shape[-2:]
    # One block copy per picture: far cheaper on a CPU than gathering pixel by pixel.
    for picture, source, (x, y) in zip(shifted.numpy(), padded.numpy(), offsets.tolist(), strict=True):
        picture[...] = source[:, y : y + height, x : x + width]
    return shifted


def _replicate(pixels: Tensor, pad: int) -> Tensor:
    """`F.pad(mode="replicate")`, which does not take uint8."""
    height, width = pixels.shape[-2:]
    rows = torch.arange(-pad, height + pad, device=pixels.device).clamp(0, height - 1)
    columns = torch.arange(-pad, width + pad, device=pixels.device).clamp(0, width - 1)
    return pixels.index_select(2, rows).index_select(3, columns)


def _shift_by_indexing(pixels: Tensor, offsets: Tensor, pad: int) -> Tensor:
    height, width = pixels.shape[-2:]
    columns = (offsets[:, :1] - pad + torch.arange(width, device=pixels.device)).clamp(0, width - 1)
    rows = (offsets[:, 1:] - pad + torch.arange(height, device=pixels.device)).clamp(0, height - 1)
    index = torch.arange(len(pixels), device=pixels.device)[:, None, None]
    # Advanced indices around the slice put channels last; move them back.
    return pixels[index, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2).contiguous()


def overlay(pixels: Tensor, pictures: Tensor, weight: float = 0.5) -> Tensor:
    """Mixes a picture into every frame of a stack: (1 - weight) * pixels + weight * picture.

    nicklashansen/dmcontrol-generalization-benchmark src/augmentations.py (random_overlay, alpha 0.5), in units of 1
    instead of 255.

    Args:
      pixels: (N, 3 * k, H, W), values in 0..1.
      pictures: (N, 3, H, W), values in 0..1; one per sample.
    """
    frames = pixels.unflatten(1, (-1, 3))
    return torch.lerp(frames, pictures[:, None].expand_as(frames), weight).flatten(1, 2)
