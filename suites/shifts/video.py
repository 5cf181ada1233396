"""DMC-GB's video backgrounds: a green screen in the model, keyed out of every picture."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from harness.lazy import np
from harness.spec import BoundShift, Shift
from harness.suites.shifts.scene import Restoring

if TYPE_CHECKING:
    from pathlib import Path

    from harness.assets.store import AssetStore
    from harness.suites.domains.dmcontrol import DMControlSimulation

NUM_VIDEOS = {"easy": 10, "hard": 100}
GREEN = (0.2, 0.8, 0.2)
SKY = ("skybox_rgb", "skybox_rgb2", "skybox_markrgb")
GROUND = ("grid_rgb1", "grid_rgb2", "grid_markrgb")

# A pixel is background if hue (degrees), saturation and value (both x 255) all lie in these closed intervals.
HUE, SATURATION, VALUE = (100, 185), (80, 255), (70, 255)
KEY_SHA256 = "19d1beccae38e70c0223df1a475c68c5a2ac4ff5b2866fc1f41a96b4067f4b31"  # of `packed_key()`'s bytes

STAND_IN_FRAMES = 150  # then it starts again


@dataclass(frozen=True)
class VideoBackground(Shift):
    """Videos behind the robot (DMC-GB, Hansen & Wang 2021).

    "easy" replaces the sky by one of ten videos; "hard" replaces sky and ground by one of a hundred. Episode i
    shows video (i + 1) mod N, whatever the seed; the picture of step k shows frame k mod length.
    """

    sets: ClassVar[tuple[str, ...]] = ("sky",)

    split: Literal["easy", "hard"]

    @property
    def assets(self) -> tuple[str, ...]:
        return (f"video_{self.split}",)

    @property
    def colors(self) -> dict[str, tuple[float, float, float]]:
        """The green screen, as names and colours of the model."""
        return dict.fromkeys(SKY if self.split == "easy" else SKY + GROUND, GREEN)

    def bind(self, simulation: DMControlSimulation, assets: AssetStore) -> BoundShift:  # type: ignore[override]
        found = assets.find(f"video_{self.split}")
        files = {video_number(path): path for path in found.files}
        num_videos = NUM_VIDEOS[self.split]
        order = video_order(range(num_videos) if found.stand_in else files, num_videos)
        bound = _BoundVideo(simulation, files, order)
        simulation.recolor(self.colors)
        return bound


class _BoundVideo(Restoring):
    def __init__(self, simulation: DMControlSimulation, files: Mapping[int, Path], order: tuple[int, ...]) -> None:
        super().__init__(simulation, simulation.model.mat_rgba, simulation.model.tex_data)  # what `recolor` writes
        self._size = size = simulation.image_size
        self._files = files
        self._order = order
        self._frames = np.empty((0, size, size, 3), np.uint8)

    def begin_episode(self, seed: int, episode: int) -> Mapping[str, Any]:
        from harness.assets.videos import load_video, procedural_video

        video = self._order[episode % len(self._order)]
        if self._files:
            self._frames = load_video(self._files[video], self._size)
        else:
            self._frames = procedural_video(video, STAND_IN_FRAMES, self._size)
        return {"video": video}

    def after_render(self, pixels: np.ndarray, step: int) -> np.ndarray:
        np.copyto(pixels, self._frames[step % len(self._frames)], where=background_mask(pixels)[..., None])
        return pixels


def video_order(present: Container[int], num_videos: int) -> tuple[int, ...]:
    """The videos in the order they are shown, one per episode, over and over.

    The published counter is raised before each load, so video 0 comes last. Videos that are not there are left out.

    Args:
      present: numbers of the videos at hand.
      num_videos: how many the full set has.
    """
    return tuple(n % num_videos for n in range(1, num_videos + 1) if n % num_videos in present)


def video_number(path: Path) -> int:
    """7 for `video7.mp4`."""
    return int(path.stem.removeprefix("video"))


def background_mask(pixels: np.ndarray) -> np.ndarray:
    """Which pixels the hue key takes for background.

    Args:
      pixels: uint8 (H, W, 3), RGB.
    Returns:
      bool (H, W).
    """
    index = pixels[..., 0].astype(np.uint32)
    index <<= 8
    index |= pixels[..., 1]
    index <<= 8
    index |= pixels[..., 2]
    return _key_table().take(index)


def is_background(red: np.ndarray, green: np.ndarray, blue: np.ndarray) -> np.ndarray:
    """The published key, in float64 and in its order of operations (HSV as in Python's `colorsys`).

    Args:
      red, green, blue: uint8, broadcastable.
    Returns:
      bool, the broadcast shape.
    """
    r, g, b = (channel.astype(np.float64) / 255.0 for channel in (red, green, blue))
    high, low = np.maximum(np.maximum(r, g), b), np.minimum(np.minimum(r, g), b)
    chroma = np.where(high > low, high - low, 1.0)  # grey has hue and saturation 0; avoids dividing by 0
    rc, gc, bc = (high - r) / chroma, (high - g) / chroma, (high - b) / chroma
    hue = np.where(r == high, bc - gc, np.where(g == high, 2.0 + rc - bc, 4.0 + gc - rc))
    hue = np.where(high > low, (hue / 6.0) % 1.0, 0.0) * 360.0
    saturation = (high - low) / np.where(high > 0.0, high, 1.0) * 255.0
    inside = (HUE[0] <= hue) & (hue <= HUE[1])
    inside &= (SATURATION[0] <= saturation) & (saturation <= SATURATION[1])
    return inside & (VALUE[0] <= high * 255.0) & (high * 255.0 <= VALUE[1])


def packed_key() -> bytes:
    """The key of all 2^24 colours, ordered [red][green][blue], eight to a byte (first in the highest bit)."""
    level = np.arange(256, dtype=np.uint8)
    rows = (is_background(level[red, None, None], level[:, None], level) for red in range(256))
    return b"".join(np.packbits(row).tobytes() for row in rows)


@lru_cache(maxsize=1)
def _key_table() -> np.ndarray:
    """The key as bool (2^24,); takes half a second, once per process."""
    return np.unpackbits(np.frombuffer(packed_key(), np.uint8)).view(bool)
