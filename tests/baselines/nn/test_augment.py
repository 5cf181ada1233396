"""Random shift and overlay."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from harness.baselines.nn.augment import (
    _shift_by_indexing,
    centre_crop,
    convolve_in_groups,
    convolve_one_by_one,
    crop_by_indexing,
    one_batch,
    overlay,
    random_convolution,
    random_crop,
    random_shift,
    replicate,
)
from tests.baselines.plain import grid_shift


def all_offsets(pad: int) -> torch.Tensor:
    line = torch.arange(2 * pad + 1)
    return torch.cartesian_prod(line, line)


def test_shift_is_drqv2s_grid_sample() -> None:
    """Every one of the 81 offsets, within what bilinear interpolation rounds: 3e-12 of 255 in float64."""
    pixels = torch.randint(0, 256, (81, 9, 84, 84), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    wanted = grid_shift(pixels.double(), all_offsets(4))
    found = random_shift(pixels, all_offsets(4))
    assert found.dtype == torch.uint8
    assert float((found.double() - wanted).abs().max()) < 1e-9
    single = grid_shift(pixels.float(), all_offsets(4))
    assert float((found.float() - single).abs().max()) < 0.01


def test_shift_directions_and_borders() -> None:
    pixels = torch.arange(9.0).reshape(1, 1, 3, 3)
    right = random_shift(pixels, torch.tensor([[2, 1]]), pad=1)  # reads one column to the right
    assert right[0, 0].tolist() == [[1, 2, 2], [4, 5, 5], [7, 8, 8]]
    up = random_shift(pixels, torch.tensor([[1, 0]]), pad=1)
    assert up[0, 0].tolist() == [[0, 1, 2], [0, 1, 2], [3, 4, 5]]
    assert torch.equal(random_shift(pixels, torch.tensor([[1, 1]]), pad=1), pixels)


@pytest.mark.parametrize("pad", [0, 1, 4, 30])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_replicate_is_torchs_padding(pad: int, layout: torch.memory_format) -> None:
    pixels = torch.randint(0, 256, (3, 4, 9, 7), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    pixels = pixels.contiguous(memory_format=layout)
    wanted = F.pad(pixels.double(), (pad,) * 4, mode="replicate")
    assert torch.equal(replicate(pixels, pad).double(), wanted)
    assert torch.equal(replicate(pixels.double(), pad), wanted)


def test_one_batch_of_views() -> None:
    clean = torch.rand(2, 3, 5, 4).contiguous(memory_format=torch.channels_last)
    other = torch.rand(2, 3, 5, 4)
    found = one_batch([clean, other])
    assert torch.equal(found, torch.cat([clean.contiguous(), other]))
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert one_batch([clean]) is clean


def test_shift_on_a_device_is_the_same_crop() -> None:
    pixels = torch.randint(0, 256, (81, 6, 24, 24), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(_shift_by_indexing(pixels, all_offsets(4), 4), random_shift(pixels, all_offsets(4)))


def test_overlay_mixes_one_picture_into_every_frame() -> None:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.rand(2, 9, 5, 5, generator=generator, dtype=torch.float64)
    pictures = torch.rand(2, 3, 5, 5, generator=generator, dtype=torch.float64)
    mixed = overlay(pixels, pictures)
    for frame in range(3):
        channels = slice(3 * frame, 3 * frame + 3)
        published = 255 * (0.5 * (pixels[:, channels] * 255) / 255 + 0.5 * pictures)
        torch.testing.assert_close(mixed[:, channels] * 255, published)
    torch.testing.assert_close(overlay(pixels, pictures, 0.0), pixels)


def test_random_convolution_has_a_kernel_per_sample_for_all_its_frames() -> None:
    torch.manual_seed(0)
    frame = torch.rand(2, 3, 7, 7, dtype=torch.float64)
    kernels = torch.randn(2, 3, 3, 3, 3, dtype=torch.float64)
    out = random_convolution(frame.repeat(1, 3, 1, 1), kernels)
    assert out.shape == (2, 9, 7, 7)
    for sample in range(2):
        padded = F.pad(frame[sample : sample + 1], (1, 1, 1, 1), "replicate")
        wanted = torch.sigmoid(F.conv2d(padded, kernels[sample]))[0]
        for part in out[sample].split(3):
            torch.testing.assert_close(part, wanted)


def test_a_kernel_for_all_is_the_same_kernel_for_each() -> None:
    torch.manual_seed(0)
    pixels, kernel = torch.rand(2, 6, 5, 5, dtype=torch.float64), torch.randn(3, 3, 3, 3, dtype=torch.float64)
    each = random_convolution(pixels, kernel.expand(2, -1, -1, -1, -1))
    torch.testing.assert_close(random_convolution(pixels, kernel), each)


def test_grouped_convolution_as_on_a_gpu_equals_one_at_a_time() -> None:
    torch.manual_seed(0)
    frames, kernels = torch.randn(6, 3, 9, 9, dtype=torch.float64), torch.randn(2, 3, 3, 3, 3, dtype=torch.float64)
    torch.testing.assert_close(convolve_in_groups(frames, kernels), convolve_one_by_one(frames, kernels))


def test_a_crop_is_at_row_and_column() -> None:
    pixels = torch.arange(2 * 3 * 6 * 6, dtype=torch.uint8).view(2, 3, 6, 6)
    out = random_crop(pixels, torch.tensor([[0, 2], [1, 0]]), 4)
    assert torch.equal(out[0], pixels[0, :, 0:4, 2:6])
    assert torch.equal(out[1], pixels[1, :, 1:5, 0:4])
    assert torch.equal(crop_by_indexing(pixels, torch.tensor([[0, 2], [1, 0]]), 4), out)
    assert random_crop(pixels, torch.tensor([[9, 9], [9, 9]]), 6) is pixels  # nothing to cut off


def test_the_centre_of_100_pixels_is_8_to_92() -> None:
    pixels = torch.arange(100).expand(1, 3, 100, 100)
    assert centre_crop(pixels, 84)[0, 0, 0].tolist() == list(range(8, 92))
