"""Removing a band of frequencies."""

from __future__ import annotations

import pytest
import torch

from harness.baselines.nn.frequency import remove_band


def pictures(size: int = 84) -> torch.Tensor:
    return torch.rand(2, 9, size, size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def wave(cycles: float, size: int = 84) -> torch.Tensor:
    """A cosine along the rows, around one half."""
    line = torch.cos(2 * torch.pi * cycles / size * torch.arange(size, dtype=torch.float64))
    return (0.5 + 0.25 * line).expand(1, 3, size, size).clone()


def test_a_band_away_from_zero_leaves_the_mean_and_one_from_zero_takes_it() -> None:
    pixels = pictures()
    kept, gone = remove_band(pixels, 0.21, 0.24), remove_band(pixels, 0.0, 0.03)
    torch.testing.assert_close(kept.mean((2, 3)), pixels.mean((2, 3)), atol=1e-6, rtol=0)
    torch.testing.assert_close(gone.mean((2, 3)), torch.zeros(2, 9, dtype=torch.float64), atol=1e-6, rtol=0)
    assert kept.shape == pixels.shape
    assert kept.dtype == pixels.dtype


@pytest.mark.parametrize(("cycles", "removed"), [(4, False), (5, True), (8, True), (9, False)])
def test_the_ring_is_from_the_lower_edge_to_below_the_upper(cycles: int, removed: bool) -> None:
    found = remove_band(wave(cycles), 5 / 84, 9 / 84)  # cosines of 5 to 8 cycles
    wanted = torch.full((1, 3, 84, 84), 0.5, dtype=torch.float64) if removed else wave(cycles)
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=0)
    upright = remove_band(wave(cycles).mT.contiguous(), 5 / 84, 9 / 84)
    torch.testing.assert_close(upright, wanted.mT, atol=1e-6, rtol=0)


def test_no_width_removes_nothing_and_what_is_left_is_rounded_to_float32() -> None:
    pixels = pictures(25)
    found = remove_band(pixels, 0.3, 0.3)
    torch.testing.assert_close(found, (pixels * 255).float().double() / 255, atol=1e-7, rtol=0)
    assert torch.equal((found * 255).float().double() / 255, found)
