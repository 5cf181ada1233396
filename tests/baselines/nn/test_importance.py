"""Where a picture matters: the published spots, and what they are compared with."""

from __future__ import annotations

import pytest
import torch

from harness.baselines.nn.cnn import PixelEncoder
from harness.baselines.nn.importance import Spot, above_mean, blur_matrix, cut_out, importance, spot_masks


def test_there_are_144_spots_with_maximum_1_in_their_places() -> None:
    masks = spot_masks(84, 7, 5.0)
    assert masks.shape == (144, 84, 84)
    assert masks.max(axis=(1, 2)) == pytest.approx(1.0)
    spot = masks[3 * 12 + 5]
    assert spot[21, 35] == 1.0
    assert spot[21 + 22 :].max() == 0.0  # a plus's arm, and four deviations


def test_a_blur_darkens_the_border_alone() -> None:
    blur = blur_matrix(84, 13, 3.0)
    white = blur @ torch.ones(84, dtype=torch.float64).numpy()
    assert white[6:-6] == pytest.approx(1.0)
    assert 0.5 < white[0] < 0.6


def spots_of(size: int, sigma: float) -> list[Spot]:
    return [cut_out(mask) for mask in torch.from_numpy(spot_masks(size, 7, sigma))]


def test_a_spot_is_cut_out_without_what_it_weighs() -> None:
    mask = torch.from_numpy(spot_masks(84, 7, 5.0))[3 * 12 + 5]
    window, weights = cut_out(mask)
    assert (*window.rows, *window.columns) == (0, 43, 14, 57)  # 21 pixels around (21, 35)
    assert float(weights.sum()) == pytest.approx(float(mask.sum()), rel=1e-12)


def test_a_policy_that_looks_nowhere_keeps_no_pixel() -> None:
    encoder = PixelEncoder(3, 28, 2, num_filters=4).double().requires_grad_(False)
    pixels = torch.rand(2, 3, 28, 28, dtype=torch.float64)
    scores = importance(encoder, lambda x: x.new_ones(len(x), 4), pixels, pixels * 0.5, spots_of(28, 5.0), 8)
    assert scores.shape == (2, 16)
    assert not above_mean(scores, 28).any()


def test_chunks_do_not_change_scores_and_a_policy_that_looks_at_a_corner_keeps_it() -> None:
    encoder = PixelEncoder(3, 28, 1, num_filters=4).double().requires_grad_(False)
    pixels = torch.rand(5, 3, 28, 28, dtype=torch.float64)

    def corner(features: torch.Tensor) -> torch.Tensor:
        return features.unflatten(1, (4, 13, 13))[:, :, 11:, 11:].flatten(1)

    whole, some = (importance(encoder, corner, pixels, 1.0 - pixels, spots_of(28, 2.0), n) for n in (1000, 2))
    torch.testing.assert_close(some, whole, rtol=1e-12, atol=0.0)
    kept = above_mean(whole, 28)
    assert kept[:, 0, 24, 24].all()
    assert not kept[:, 0, :10, :10].any()


def test_scores_are_half_the_squared_change() -> None:
    encoder = PixelEncoder(3, 28, 3, num_filters=4).double().requires_grad_(False)
    pixels, blurred = torch.rand(2, 2, 3, 28, 28, dtype=torch.float64)
    found = importance(encoder, torch.sin, pixels, blurred, spots_of(28, 2.0), 1)
    masks = torch.from_numpy(spot_masks(28, 7, 2.0))
    changes = [torch.sin(encoder(pixels * (1 - m) + blurred * m)) - torch.sin(encoder(pixels)) for m in masks]
    torch.testing.assert_close(found, torch.stack([0.5 * (c**2).sum(1) for c in changes], 1), rtol=1e-9, atol=1e-15)
