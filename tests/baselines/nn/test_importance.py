"""Where a picture matters: the published spots, and what they are compared with."""

from __future__ import annotations

import pytest
import torch

from harness.baselines.nn.importance import above_mean, blur_matrix, importance, spot_masks


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


def test_a_policy_that_looks_nowhere_keeps_no_pixel() -> None:
    pixels = torch.rand(2, 3, 28, 28, dtype=torch.float64)
    masks = torch.from_numpy(spot_masks(28, 7, 5.0))
    scores = importance(lambda x: x.new_ones(len(x), 4), pixels, pixels * 0.5, masks, 8)
    assert not above_mean(scores, 28).any()


def test_chunks_do_not_change_scores_and_a_policy_that_looks_at_a_corner_keeps_it() -> None:
    pixels = torch.rand(2, 3, 28, 28, dtype=torch.float64)
    masks = torch.from_numpy(spot_masks(28, 7, 2.0))

    def corner(x: torch.Tensor) -> torch.Tensor:
        return x[:, :, 22:, 22:].flatten(1)

    whole, some = (importance(corner, pixels, 1.0 - pixels, masks, chunk) for chunk in (1000, 6))
    torch.testing.assert_close(some, whole, rtol=1e-12, atol=0.0)
    kept = above_mean(whole, 28)
    assert kept[:, 0, 24, 24].all()
    assert not kept[:, 0, :10, :10].any()
