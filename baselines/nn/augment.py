"""Picture augmentations on tensors; every random choice is an argument."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F


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
    padded = replicate(pixels, pad)
    shifted = torch.empty_like(pixels)
    height, width = pixels.shape[-2:]
    # One block copy per picture: far cheaper on a CPU than gathering pixel by pixel.
    for picture, source, (x, y) in zip(shifted.numpy(), padded.numpy(), offsets.tolist(), strict=True):
        picture[...] = source[:, y : y + height, x : x + width]
    return shifted


def replicate(pixels: Tensor, pad: int) -> Tensor:
    """`F.pad(mode="replicate")`, which does not take uint8."""
    height, width = pixels.shape[-2:]
    padded = pixels.new_empty(*pixels.shape[:-2], height + 2 * pad, width + 2 * pad)
    # Slices, not `index_select`: on a CPU that picks pixel by pixel.
    rows = padded.narrow(-2, pad, height)
    rows.narrow(-1, pad, width).copy_(pixels)
    rows.narrow(-1, 0, pad).copy_(pixels[..., :1].expand(*rows.shape[:-1], pad))
    rows.narrow(-1, pad + width, pad).copy_(pixels[..., -1:].expand(*rows.shape[:-1], pad))
    padded.narrow(-2, 0, pad).copy_(rows[..., :1, :].expand(*rows.shape[:-2], pad, -1))
    padded.narrow(-2, pad + height, pad).copy_(rows[..., -1:, :].expand(*rows.shape[:-2], pad, -1))
    return padded


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


def random_convolution(pixels: Tensor, kernels: Tensor) -> Tensor:
    """Sends every frame of a stack through its sample's own 3x3 convolution and a sigmoid.

    DMC-GB src/augmentations.py (`random_conv`), in units of 1 instead of 255.

    Args:
      pixels: (N, 3 * k, H, W), values in 0..1.
      kernels: (N, 3, 3, 3, 3), one per sample; or (3, 3, 3, 3), one for all.
    Returns:
      The same shape, values in 0..1.
    """
    frames = F.pad(pixels.reshape(-1, 3, *pixels.shape[2:]), (1, 1, 1, 1), mode="replicate")
    if kernels.dim() == 4:
        return torch.sigmoid(F.conv2d(frames, kernels)).view(pixels.shape)
    convolve = convolve_one_by_one if frames.device.type == "cpu" else convolve_in_groups
    return torch.sigmoid(convolve(frames, kernels)).view(pixels.shape)


def convolve_one_by_one(frames: Tensor, kernels: Tensor) -> Tensor:
    """The frames of each sample with that sample's kernel, the fastest way on a CPU.

    Args:
      frames: (N * k, 3, H + 2, W + 2), those of a sample one after the other.
      kernels: (N, 3, 3, 3, 3).
    Returns:
      (N * k, 3, H, W).
    """
    parts = frames.split(len(frames) // len(kernels))
    return torch.cat([F.conv2d(part, kernel) for part, kernel in zip(parts, kernels, strict=True)])


def convolve_in_groups(frames: Tensor, kernels: Tensor) -> Tensor:
    """The same in one call: samples side by side in the channels, a group each."""
    n, k = len(kernels), len(frames) // len(kernels)
    wide = frames.view(n, k, *frames.shape[1:]).transpose(0, 1).reshape(k, n * 3, *frames.shape[2:])
    out = F.conv2d(wide, kernels.reshape(n * 3, *kernels.shape[2:]), groups=n)
    return out.view(k, n, 3, *out.shape[2:]).transpose(0, 1).reshape(n * k, 3, *out.shape[2:])


def one_batch(views: Sequence[Tensor]) -> Tensor:
    """Views (N, C, H, W), one after the other: (V * N, C, H, W), channels last, as convolutions read them.

    Where layouts differ `torch.cat` takes the other one, and a convolution would convert it in each direction.
    """
    if len(views) == 1:
        return views[0]
    return torch.cat([view.contiguous(memory_format=torch.channels_last) for view in views])


def random_crop(pixels: Tensor, offsets: Tensor, size: int) -> Tensor:
    """Cuts a square out of each picture.

    Args:
      pixels: (N, C, H, W), any dtype.
      offsets: integers, (N, 2) as (row, column) of the upper left corner; not read if nothing is cut off.
      size: height and width of the square, pixels.
    Returns:
      (N, C, size, size), same dtype.
    """
    if pixels.shape[-1] == size:
        return pixels
    if pixels.device.type == "cpu":
        corners = zip(pixels, offsets.tolist(), strict=True)
        return torch.stack([picture[:, y : y + size, x : x + size] for picture, (y, x) in corners])
    return crop_by_indexing(pixels, offsets.to(pixels.device), size)


def crop_by_indexing(pixels: Tensor, offsets: Tensor, size: int) -> Tensor:
    """As `random_crop`, all pictures at once."""
    ticks = torch.arange(size, device=pixels.device)
    rows, columns = (offsets[:, axis, None] + ticks for axis in range(2))
    index = torch.arange(len(pixels), device=pixels.device)[:, None, None]
    return pixels[index, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2).contiguous()


def centre_crop(pixels: Tensor, size: int) -> Tensor:
    """The square in the middle of each picture: (N, C, H, W) to (N, C, size, size), a view."""
    border = (pixels.shape[-1] - size) // 2
    return pixels[..., border : border + size, border : border + size]
