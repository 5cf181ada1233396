"""The SAC family's convolutions: sizes, what lies between them, and how they start."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from harness.baselines.nn import shapes
from harness.baselines.nn.cnn import PixelEncoder
from harness.baselines.nn.heads import delta_orthogonal_, initialise


@pytest.mark.parametrize(("size", "layers"), [(84, 11), (84, 8), (84, 4), (43, 11), (44, 11), (15, 4), (100, 1)])
def test_sizes_are_those_of_the_convolutions(size: int, layers: int) -> None:
    encoder = PixelEncoder(9, size, layers, 0, 4)
    out = encoder.shared(torch.zeros(1, 9, size, size))
    assert out.shape[-1] == shapes.side_after(layers, size)
    assert encoder(torch.zeros(2, 9, size, size)).shape == (2, encoder.representation_dim)


@pytest.mark.parametrize("layers", [1, 4, 11])
def test_the_smallest_picture_leaves_one_pixel_and_a_smaller_one_none(layers: int) -> None:
    smallest = shapes.smallest_picture(layers)
    assert PixelEncoder(9, smallest, layers, 0, 4).representation_dim == 4
    with pytest.raises(ValueError, match="leave nothing"):
        PixelEncoder(9, smallest - 1, layers, 0, 4)


def test_at_84_pixels_it_has_the_published_sizes() -> None:
    with torch.device("meta"):
        assert PixelEncoder(9, 84).representation_dim == 14_112
        pad = PixelEncoder(9, 84, 8, 3)
        assert pad.shared(torch.empty(1, 9, 84, 84, device="meta")).shape == (1, 32, 27, 27)
        assert pad.representation_dim == 14_112


def test_a_relu_stands_between_all_convolutions_and_behind_none() -> None:
    encoder = PixelEncoder(9, 24, 2, 2, 4)
    pixels = torch.randn(2, 9, 24, 24)
    a, b, c, d = [*encoder.shared.convs, *encoder.head.convs]
    by_hand = d(F.relu(c(F.relu(b(F.relu(a(pixels)))))))
    assert torch.equal(encoder(pixels), by_hand.flatten(1))
    assert bool((by_hand < 0).any())
    assert [conv.stride for conv in (a, b, c, d)] == [(2, 2), (1, 1), (1, 1), (1, 1)]


def test_the_activation_is_called_once_between_two_convolutions() -> None:
    encoder, calls = PixelEncoder(9, 24, 3, 1, 4), []
    encoder(torch.randn(1, 9, 24, 24), lambda x: calls.append(x.shape[-1]) or x)
    assert calls == [11, 9, 7]


def test_convolutions_start_delta_orthogonal() -> None:
    encoder = PixelEncoder(9, 24, 3, 0, 16)
    initialise(encoder, torch.Generator().manual_seed(0), delta_orthogonal_)
    for conv in encoder.shared.convs:
        assert isinstance(conv, nn.Conv2d)
        middle = conv.weight[:, :, 1, 1]
        rest = conv.weight.clone()
        rest[:, :, 1, 1] = 0
        assert not rest.any()
        assert not conv.bias.any()
        small = middle if middle.shape[0] <= middle.shape[1] else middle.T
        torch.testing.assert_close(small @ small.T, 2.0 * torch.eye(len(small)), rtol=0, atol=1e-5)


def test_the_kernel_s_middle_is_what_torch_draws_for_an_orthogonal_matrix() -> None:
    weight, wanted = torch.randn(8, 5, 3, 3), torch.empty(8, 5)
    delta_orthogonal_(weight, math.sqrt(2), torch.Generator().manual_seed(3))
    nn.init.orthogonal_(wanted, math.sqrt(2), generator=torch.Generator().manual_seed(3))
    assert torch.equal(weight[:, :, 1, 1], wanted)
