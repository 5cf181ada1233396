"""harness/assets/resize.py: every rounding, and the published bytes on real videos."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from harness.assets.resize import mix, resize, taps
from harness.assets.store import AssetStore
from harness.assets.videos import iterate
from harness.baselines.nn.overlay import dead_leaves


def to_float32(exact: Fraction) -> np.float32:
    """The nearest float32, the even one of two."""
    near = np.float32(float(exact))
    candidates = [near, np.nextafter(near, np.float32(-9)), np.nextafter(near, np.float32(9))]
    return min(candidates, key=lambda x: (abs(Fraction(float(x)) - exact), int(x.view(np.int32)) & 1))


def exact_mix(a: np.float32, b: np.float32, w: np.float32, v: np.float32) -> np.float32:
    second = to_float32(Fraction(float(b)) * Fraction(float(v)))
    return to_float32(Fraction(float(a)) * Fraction(float(w)) + Fraction(float(second)))


def test_a_mix_rounds_as_a_fused_multiply_add() -> None:
    rng = np.random.default_rng(0)
    a, b, w = rng.random((3, 3000), dtype=np.float32)
    v = np.float32(1) - w
    np.testing.assert_array_equal(mix(a, b, w, v), [exact_mix(*four) for four in zip(a, b, w, v, strict=True)])


def test_a_sum_that_float64_rounds_to_a_middle_goes_to_the_right_side() -> None:
    """The first products lie so near to half a unit of 1.0 that their sum with it is lost in float64."""
    rng = np.random.default_rng(1)
    a = (1 + rng.random(20_000)).astype(np.float32)
    w = (2.0**-24 / a).astype(np.float32)
    near = np.abs(a.astype(np.float64) * w * 2.0**24 - 1) < 2.0**-29
    a, w = a[near], w[near]
    one = np.ones_like(a)
    expected = np.array([exact_mix(x, np.float32(1), y, np.float32(1)) for x, y in zip(a, w, strict=True)])
    assert len(a) > 500
    assert {float(x) for x in expected} == {1.0, 1.0 + 2.0**-23}
    np.testing.assert_array_equal(mix(a, one, w, one), expected)


def test_taps_have_half_pixel_centres_and_stay_inside() -> None:
    found = taps(4, 8)
    assert found.low.tolist() == [0, 0, 0, 1, 1, 2, 2, 3]
    assert found.high.tolist() == [1, 1, 1, 2, 2, 3, 3, 3]
    np.testing.assert_allclose(found.high_weight, [0, 0.25, 0.75, 0.25, 0.75, 0.25, 0.75, 0.25])


def exact_tap(i: int, source: int, target: int) -> tuple[int, int, np.float32, np.float32]:
    """Both source pixels of an output pixel and their weights, in fractions."""
    scale = to_float32(Fraction(source, target))
    place = to_float32(max(Fraction(float(scale)) * (i + Fraction(1, 2)) - Fraction(1, 2), Fraction(0)))
    low = int(place)
    high_weight = to_float32(Fraction(float(place)) - low)
    return low, min(low + 1, source - 1), to_float32(1 - Fraction(float(high_weight))), high_weight


def exact_value(frame: np.ndarray, i: int, j: int, channel: int, size: int) -> int:
    """One value of a resized picture, every operation in fractions and rounded as it should be."""
    (top, bottom, v, w), (left, right, x, y) = (exact_tap(k, n, size) for k, n in ((i, len(frame)), (j, len(frame[0]))))
    share = {place: to_float32(Fraction(int(frame[*place, channel]), 255)) for place in
             ((top, left), (top, right), (bottom, left), (bottom, right))}  # fmt: skip
    rows = (exact_mix(share[row, left], share[row, right], x, y) for row in (top, bottom))
    return int(to_float32(Fraction(float(exact_mix(*rows, v, w))) * 255))


@pytest.mark.parametrize(("source", "size"), [(352, 84), (218, 84), (50, 84), (97, 96), (120, 40)])
def test_every_value_is_the_formula_in_exact_arithmetic(source: int, size: int) -> None:
    frame = smooth(source, 1)[0]
    small = resize(frame[None], size)[0]
    places = np.random.default_rng(source).integers(0, (size, size, 3), (150, 3)).tolist()
    places += [[0, 0, 0], [0, size - 1, 1], [size - 1, 0, 2], [size - 1, size - 1, 0]]
    assert [int(small[*place]) for place in places] == [exact_value(frame, *place, size) for place in places]


def smooth(size: int, num_frames: int) -> np.ndarray:
    """Pictures with edges and gradients: between equal neighbours roundings show, in noise they hide."""
    rng = np.random.default_rng(size)
    pictures = [dead_leaves(rng, size).astype(np.float64) for _ in range(num_frames)]
    shade = np.linspace(0.3, 1.0, size)
    return np.stack([(picture * shade[:, None] * shade[None, ::-1, None]).astype(np.uint8) for picture in pictures])


# As the published wrapper calls it.
PUBLISHED = """
import sys
import numpy as np, torch
torch.set_num_threads(int(sys.argv[1]))
cases = np.load(sys.argv[2])
found = {}
for name in cases.files:
    large = torch.from_numpy(cases[name]).permute(0, 3, 1, 2).float() / 255.0
    size = int(name.split()[-1])
    small = torch.nn.functional.interpolate(large, size=(size, size), mode="bilinear", align_corners=False)
    found[name] = (small * 255.0).byte().permute(0, 2, 3, 1).numpy()
np.savez(sys.argv[3], **found)
"""


def published(cases: Mapping[str, np.ndarray], folder: Path, threads: int) -> dict[str, np.ndarray]:
    """What torch makes of frames in a process of its own; the size wanted is the last word of a case's name."""
    np.savez(folder / "large.npz", **cases)  # type: ignore[arg-type]
    arguments = [str(threads), str(folder / "large.npz"), str(folder / "small.npz")]
    subprocess.run([sys.executable, "-c", PUBLISHED, *arguments], check=True)
    with np.load(folder / "small.npz") as found:
        return dict(found)


@pytest.mark.parametrize("threads", [2, 3])
def test_the_bytes_of_torch_with_several_threads(threads: int, tmp_path: Path) -> None:
    cases = {f"{source} to {size}": smooth(source, 3) for source in (218, 352) for size in (65, 84, 100, 128, 352, 400)}
    for name, theirs in published(cases, tmp_path, threads).items():
        np.testing.assert_array_equal(resize(cases[name], len(theirs[0])), theirs, err_msg=name)


def test_small_pictures_differ_from_torch_by_one_at_most(tmp_path: Path) -> None:
    cases = {f"{source} to {size}": smooth(source, 3) for source in (218, 352) for size in (32, 48, 64)}
    for name, theirs in published(cases, tmp_path, 2).items():
        differs = np.abs(resize(cases[name], len(theirs[0])).astype(int) - theirs)
        assert differs.max() <= 1
        assert differs.mean() < 0.06


@pytest.mark.parametrize("split", ["video_easy", "video_hard"])
def test_the_published_bytes_on_real_videos(split: str, asset_store: AssetStore, tmp_path: Path) -> None:
    files = asset_store.find(split).files
    frames = [np.stack(list(itertools.islice(iterate(files[number]), 40)))[::5] for number in (0, len(files) // 2, -1)]
    cases = {f"{number} to {size}": large for number, large in enumerate(frames) for size in (84, 100)}
    for name, theirs in published(cases, tmp_path, 2).items():
        np.testing.assert_array_equal(resize(cases[name], len(theirs[0])), theirs, err_msg=name)


def test_a_frame_does_not_depend_on_its_batch() -> None:
    frames = smooth(120, 5)
    np.testing.assert_array_equal(resize(frames[3:4], 84)[0], resize(frames, 84)[3])
