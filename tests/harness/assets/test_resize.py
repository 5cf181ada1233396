"""harness/assets/resize.py: every rounding, and the published bytes on real videos."""

from __future__ import annotations

import itertools
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest

from harness.assets.resize import mix, resize, taps
from harness.assets.store import AssetStore
from harness.assets.videos import iterate


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


# As the published wrapper calls it. torch's kernel rounds otherwise with one thread, and for some other sizes; 84 and
# 100 pixels are what DMC-GB's agents see, on machines of more than one core.
PUBLISHED = """
import sys
import numpy as np, torch
torch.set_num_threads(int(sys.argv[1]))
frames = np.load(sys.argv[2])
small = torch.nn.functional.interpolate(
    torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255.0, size=(int(sys.argv[3]),) * 2, mode="bilinear",
    align_corners=False,
)
np.save(sys.argv[4], (small * 255.0).byte().permute(0, 2, 3, 1).numpy())
"""


@pytest.mark.parametrize("size", [84, 100])
@pytest.mark.parametrize("split", ["video_easy", "video_hard"])
def test_the_published_bytes_on_real_videos(split: str, size: int, asset_store: AssetStore, tmp_path) -> None:
    files = asset_store.find(split).files
    for number in (0, len(files) - 1):
        frames = np.stack(list(itertools.islice(iterate(files[number]), 12)))
        np.save(tmp_path / "frames.npy", frames)
        arguments = ["2", str(tmp_path / "frames.npy"), str(size), str(tmp_path / "small.npy")]
        subprocess.run([sys.executable, "-c", PUBLISHED, *arguments], check=True)
        np.testing.assert_array_equal(resize(frames, size), np.load(tmp_path / "small.npy"))
        np.testing.assert_array_equal(resize(frames[5:6], size)[0], resize(frames, size)[5])
