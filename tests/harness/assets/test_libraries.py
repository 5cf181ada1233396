"""What other libraries make of pictures and videos: a version of theirs that moves a value fails here.

The digests are those of Pillow 10.4 to 13.0 and of PyAV 14.0 to 18.1 (x86-64).
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.assets.videos import decode
from harness.baselines.nn.overlay import crop_and_flip
from harness.suites.shifts.distracting_background import _square_picture
from harness.suites.shifts.projector_video import on_screen
from harness.suites.shifts.texture import blend

TINY_JPG, TINY_MP4 = (Path(__file__).with_name(name) for name in ("tiny.jpg", "tiny.mp4"))


def picture(height: int = 90, width: int = 120) -> np.ndarray:
    """A picture with edges and gradients, by integers alone; uint8 (height, width, 3)."""
    y, x = np.indices((height, width))
    waves = np.stack([x * y % 251, (x * x + 3 * y) % 256, 7 * (x // 9 + y // 7) ** 2 % 256], axis=-1)
    return np.where((x // 16 + y // 16)[..., None] % 2, waves, 2 * y[..., None] + np.array([0, 20, 60])).astype(
        np.uint8
    )


def digest(pixels: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()[:16]


MADE = {  # how, and the first 16 hex digits of the SHA-256
    "a JPEG file": (lambda: np.asarray(Image.open(TINY_JPG).convert("RGB")), "201e57fb335b4cf1"),
    "a JPEG file, bicubic, larger": (lambda: _square_picture(TINY_JPG, 100), "2df50b1f883655bd"),
    "bicubic, to the screen's 256 pixels": (lambda: on_screen(picture()), "ffe66d2e3881a37d"),
    "bicubic, smaller": (lambda: on_screen(picture(700, 500)), "dc8130eb2fea99ed"),
    "bilinear, halfway to another texture": (lambda: blend(picture(), picture(64, 64)[::-1], 0.5), "995b87761baab361"),
    "bilinear, cropped for overlay": (
        lambda: crop_and_flip(picture(), 84, np.random.default_rng(3)),
        "2f49c8592d4464f9",
    ),
    "H.264": (lambda: decode(TINY_MP4), "a4e4249554f086a1"),
}


@pytest.mark.parametrize("name", MADE)
def test_no_value_has_moved(name: str) -> None:
    make, expected = MADE[name]
    assert digest(make()) == expected
