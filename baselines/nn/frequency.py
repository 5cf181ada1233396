"""Pictures without some of their frequencies."""

from __future__ import annotations

import torch
from torch import Tensor

WHITE = 255.0


def remove_band(pixels: Tensor, low: float, high: float) -> Tensor:
    """Removes a square ring of frequencies from every channel.

    gemcollector/RL-ViGen utils.py (`random_mask_freq_v2`), which also transforms along the colours: the ring does not
    depend on their frequency, so that each channel by itself comes out the same. As there, the result passes through
    float32 on a scale of 0 to 255.

    Args:
      pixels: (N, C, H, W), values in 0..1.
      low, high: cycles per pixel. What is below `high` along both axes goes, unless it is below `low` along both.
    Returns:
      The same shape and dtype; values may leave 0..1.
    """
    height, width = pixels.shape[-2:]
    rows, columns = torch.fft.fftfreq(height).abs(), torch.fft.rfftfreq(width)
    inside = [torch.outer(rows < edge, columns < edge) for edge in (high, low)]
    kept = ~(inside[0] & ~inside[1]).to(pixels.device)
    spectrum = torch.fft.rfft2(pixels.contiguous() * WHITE) * kept
    return torch.fft.irfft2(spectrum, s=(height, width)).float().to(pixels.dtype) / WHITE
