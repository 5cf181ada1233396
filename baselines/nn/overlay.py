"""Pictures for overlay augmentation: a folder of photographs, or dead leaves where there is none.

The pipeline is that of nicklashansen/dmcontrol-generalization-benchmark src/augmentations.py: RandomResizedCrop with
torchvision's defaults, horizontal flip, values in 0..1, shuffled epochs without the incomplete last batch.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from harness.errors import CorruptAssetError

if TYPE_CHECKING:
    from harness.assets.found import FoundAsset

CROP_AREA = (0.08, 1.0)  # of the picture's
CROP_RATIO = (3.0 / 4.0, 4.0 / 3.0)  # width over height
CROP_TRIES = 10
CACHE_BYTES = 500_000_000  # decoded pictures kept in RAM
STAND_IN_PICTURES = 32


def random_crop_box(width: int, height: int, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Chooses what RandomResizedCrop would: a box (left, top, right, bottom) of random area and shape.

    Ten tries, then the largest centred box within the allowed shapes.
    """
    low, high = np.log(CROP_RATIO)
    for _ in range(CROP_TRIES):
        area = width * height * rng.uniform(*CROP_AREA)
        ratio = math.exp(rng.uniform(low, high))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            top, left = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
            return left, top, left + w, top + h
    ratio = min(max(width / height, CROP_RATIO[0]), CROP_RATIO[1])
    w, h = min(width, round(height * ratio)), min(height, round(width / ratio))
    left, top = (width - w) // 2, (height - h) // 2
    return left, top, left + w, top + h


def crop_and_flip(picture: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """A random crop of uint8 (H, W, 3), scaled (bilinear, antialiased) and perhaps mirrored: uint8 (size, size, 3)."""
    box = random_crop_box(picture.shape[1], picture.shape[0], rng)
    # Crop first: PIL's own `box` argument of resize would blend in pixels from outside the box.
    scaled = Image.fromarray(picture).crop(box).resize((size, size), Image.Resampling.BILINEAR)
    pixels = np.asarray(scaled)
    return pixels[:, ::-1] if rng.uniform() < 0.5 else pixels


def dead_leaves(rng: np.random.Generator, size: int = 96, num_leaves: int = 160) -> np.ndarray:
    """A picture of discs that cover one another, with the scale statistics of photographs; uint8 (size, size, 3).

    Lee, Mumford, Huang, "Occlusion models for natural images", 2001: radii with density r^-3.
    """
    smallest, largest = size / 32, size / 2
    # Inverse of the distribution function of a density proportional to r^-3 between the two.
    u = rng.uniform(size=num_leaves)
    radii = (smallest**-2 - u * (smallest**-2 - largest**-2)) ** -0.5
    centers = rng.uniform(0, size, (2, num_leaves))
    colors = rng.integers(0, 256, (num_leaves, 3), dtype=np.uint8)
    ticks = np.arange(size) + 0.5
    x = (ticks[None, :] - centers[0][:, None]) ** 2
    y = (ticks[None, :] - centers[1][:, None]) ** 2
    inside = y[:, :, None] + x[:, None, :] < (radii**2)[:, None, None]
    inside[-1] = True  # whatever no leaf covers shows the last one
    return colors[inside.argmax(axis=0)]


class OverlayPictures:
    """Batches of random pictures; what comes next depends on the seed and on how many batches were drawn alone.

    Args:
      found: the pictures, or a stand-in.
      size: height and width of what is drawn, pixels.
      seed: of order, crops and flips. (The stand-in's pictures are always the same ones.)
      prefetch: prepare the next batch in the background while the caller works on this one.
    """

    def __init__(self, found: FoundAsset, size: int, seed: int, *, prefetch: bool = False) -> None:
        self._files = found.files
        self._size = size
        self._seed = seed
        self._prefetch = prefetch
        self._rng = np.random.default_rng((seed, 0))
        self._epoch = -1
        self._order = np.empty(0, np.int64)
        self._position = 0
        self._cache: dict[int, np.ndarray] = {}
        self._cached_bytes = 0
        self._pool: ThreadPoolExecutor | None = None
        self._pending: tuple[dict[str, Any], list[Future[np.ndarray]]] | None = None
        if found.stand_in:
            rng = np.random.default_rng(0)
            self._cache = {index: dead_leaves(rng) for index in range(STAND_IN_PICTURES)}
        self._num_pictures = len(self._cache) if found.stand_in else len(self._files)

    def draw(self, num: int) -> np.ndarray:
        """Draws `num` pictures, float32 (num, 3, size, size), values in 0..1.

        Raises:
          CorruptAssetError: if a file is not a picture.
        """
        if self._pending is not None and len(self._pending[1]) != num:
            self.set_state(self._pending[0])
        futures = self._pending[1] if self._pending is not None else self._start(num)
        pictures = np.stack([future.result() for future in futures])
        self._pending = (self._position_now(), self._start(num)) if self._prefetch else None
        return np.ascontiguousarray(pictures.transpose(0, 3, 1, 2), np.float32) / np.float32(255)

    def state(self) -> dict[str, Any]:
        """Where the stream of pictures stands, JSON-compatible; batches prepared but not drawn do not count."""
        return self._pending[0] if self._pending is not None else self._position_now()

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Goes back to where `state` was taken."""
        self._pending = None
        self._rng.bit_generator.state = state["generator"]
        self._epoch, self._position = state["epoch"], state["position"]
        self._order = self._permutation(self._epoch)

    def _position_now(self) -> dict[str, Any]:
        return {"generator": self._rng.bit_generator.state, "epoch": self._epoch, "position": self._position}

    def _start(self, num: int) -> list[Future[np.ndarray]]:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1), "overlay")
        # A seed per picture, so that threads may finish in any order.
        seeds = self._rng.integers(2**63, size=num).tolist()
        return [self._pool.submit(self._prepare, i, s) for i, s in zip(self._next_indices(num), seeds, strict=True)]

    def _prepare(self, index: int, seed: int) -> np.ndarray:
        return crop_and_flip(self._picture(index), self._size, np.random.default_rng(seed))

    def _next_indices(self, num: int) -> list[int]:
        """The next `num` of the shuffled pictures; a rest too small for the batch is dropped with its epoch."""
        if num > self._num_pictures:
            # A handful of pictures cannot fill a batch once: draw with replacement.
            return self._rng.integers(self._num_pictures, size=num).tolist()
        if self._position + num > len(self._order):
            self._epoch += 1
            self._order, self._position = self._permutation(self._epoch), 0
        chosen = self._order[self._position : self._position + num]
        self._position += num
        return chosen.tolist()

    def _permutation(self, epoch: int) -> np.ndarray:
        if epoch < 0:
            return np.empty(0, np.int64)
        return np.random.default_rng((self._seed, 1, epoch)).permutation(self._num_pictures)

    def _picture(self, index: int) -> np.ndarray:
        if index in self._cache:
            return self._cache[index]
        path = self._files[index]
        try:
            with Image.open(path) as image:
                picture = np.asarray(image.convert("RGB"))
        except OSError as error:
            raise CorruptAssetError(f"Overlay picture {path} cannot be read: {error}.") from error
        if self._cached_bytes + picture.nbytes <= CACHE_BYTES:
            self._cache[index] = picture
            self._cached_bytes += picture.nbytes
        return picture
