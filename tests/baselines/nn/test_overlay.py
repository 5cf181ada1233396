"""Overlay pictures: the crop's distribution, the order of pictures, and the stand-in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.assets.found import FoundAsset
from harness.assets.store import AssetStore
from harness.baselines.nn.overlay import OverlayPictures, crop_and_flip, dead_leaves, random_crop_box
from harness.errors import CorruptAssetError

STAND_IN = FoundAsset("places365", (), "stand-in:dead-leaves-v1")


def write_pictures(folder: Path, num: int) -> FoundAsset:
    """Plain grey pictures, the i-th of level 10 * i, so that a crop tells which one it is."""
    for index in range(num):
        Image.new("RGB", (40, 30), (10 * index,) * 3).save(folder / f"{index:02d}.png")
    return AssetStore([], allow_stand_ins=False).find_pictures(str(folder))


def levels(pictures: np.ndarray) -> list[int]:
    return [round(float(picture.mean()) * 25.5) for picture in pictures]


def test_crop_boxes_have_torchvisions_distribution() -> None:
    rng = np.random.default_rng(0)
    boxes = np.array([random_crop_box(256, 256, rng) for _ in range(20_000)])
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    assert boxes.min() >= 0
    assert boxes.max() <= 256
    area, ratio = width * height / 256**2, width / height
    assert 0.07 < area.min() < 0.09
    assert area.max() > 0.98
    assert 0.73 < ratio.min() < 0.77
    assert 1.3 < ratio.max() < 1.37
    # Area is uniform on (0.08, 1) and the ratio's logarithm on (-log 4/3, log 4/3), given that the box fits. Their
    # means over the accepted pairs, by numerical integration:
    areas, logs = np.meshgrid(np.linspace(0.08, 1, 2001), np.linspace(-np.log(4 / 3), np.log(4 / 3), 2001))
    fits = areas * np.exp(np.abs(logs)) <= 1
    assert area.mean() == pytest.approx(areas[fits].mean(), abs=0.006)
    assert np.abs(np.log(ratio)).mean() == pytest.approx(np.abs(logs[fits]).mean(), abs=0.005)
    # Given its size, a box lies anywhere with equal chances.
    free = 256 - width > 20
    assert (boxes[free, 0] / (256 - width[free])).mean() == pytest.approx(0.5, abs=0.01)


def test_a_picture_no_crop_fits_falls_back_to_the_centre() -> None:
    rng = np.random.default_rng(0)
    assert random_crop_box(1000, 10, rng) == (493, 0, 506, 10)  # round(10 * 4/3) = 13 wide
    assert random_crop_box(10, 1000, rng) == (0, 493, 10, 506)


def test_crops_are_flipped_half_of_the_time() -> None:
    ramp = np.broadcast_to(np.linspace(0, 255, 64).astype(np.uint8)[None, :, None], (64, 64, 3))
    rng = np.random.default_rng(0)
    flipped = [crop_and_flip(ramp, 16, rng)[0, 0, 0] > crop_and_flip(ramp, 16, rng)[0, -1, 0] for _ in range(5)]
    assert len(flipped) == 5
    crops = [crop_and_flip(ramp, 16, rng) for _ in range(2000)]
    assert all(crop.shape == (16, 16, 3) and crop.dtype == np.uint8 for crop in crops)
    assert np.mean([crop[0, 0, 0] > crop[0, -1, 0] for crop in crops]) == pytest.approx(0.5, abs=0.04)


def test_epochs_are_shuffled_and_an_incomplete_batch_starts_a_new_one(tmp_path: Path) -> None:
    pictures = OverlayPictures(write_pictures(tmp_path, 10), 8, seed=0)
    epochs = [levels(pictures.draw(4)) + levels(pictures.draw(4)) for _ in range(30)]
    assert all(len(set(epoch)) == 8 for epoch in epochs)  # no repeats within an epoch, two of ten left out
    assert len({tuple(epoch) for epoch in epochs}) == 30
    assert {level for epoch in epochs for level in epoch} == set(range(10))


def test_fewer_pictures_than_a_batch_holds(tmp_path: Path) -> None:
    pictures = OverlayPictures(write_pictures(tmp_path, 3), 8, seed=0)
    drawn = pictures.draw(60)
    assert drawn.shape == (60, 3, 8, 8)
    assert set(levels(drawn)) == {0, 1, 2}


@pytest.mark.parametrize("prefetch", [False, True])
def test_state_goes_back_exactly(tmp_path: Path, prefetch: bool) -> None:
    found = write_pictures(tmp_path, 10)
    pictures = OverlayPictures(found, 8, seed=3, prefetch=prefetch)
    pictures.draw(4)
    state = pictures.state()
    wanted = [pictures.draw(4) for _ in range(5)]
    other = OverlayPictures(found, 8, seed=99, prefetch=prefetch)
    # The permutations come from the seed, which the agent's configuration gives; the state says where in them.
    other._seed = 3
    other.set_state(state)
    assert all(np.array_equal(other.draw(4), batch) for batch in wanted)
    pictures.set_state(state)
    assert all(np.array_equal(pictures.draw(4), batch) for batch in wanted)


def test_prefetching_changes_nothing() -> None:
    plain, ahead = (OverlayPictures(STAND_IN, 16, seed=1, prefetch=flag) for flag in (False, True))
    for num in (4, 4, 2, 4):
        assert np.array_equal(plain.draw(num), ahead.draw(num))
    assert plain.state() == ahead.state()


def test_the_stand_in_covers_and_varies() -> None:
    first, again = dead_leaves(np.random.default_rng(0)), dead_leaves(np.random.default_rng(0))
    assert np.array_equal(first, again)
    assert (first.shape, first.dtype) == ((96, 96, 3), np.uint8)
    assert len(np.unique(first.reshape(-1, 3), axis=0)) > 30
    batch = OverlayPictures(STAND_IN, 24, seed=0).draw(8)
    assert (batch.shape, batch.dtype) == ((8, 3, 24, 24), np.float32)
    assert 0.0 <= batch.min() < 0.2
    assert 0.8 < batch.max() <= 1.0
    assert all(picture.std() > 0.03 for picture in batch)


def test_a_broken_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    pictures = OverlayPictures(FoundAsset("mine", (tmp_path / "broken.jpg",), "pictures:mine-0"), 8, seed=0)
    with pytest.raises(CorruptAssetError, match=r"broken\.jpg cannot be read"):
        pictures.draw(1)
