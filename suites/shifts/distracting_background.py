"""Videos on the sky (Distracting Control Suite, as in DMC-GB)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from harness.errors import CorruptAssetError, MissingAssetError
from harness.lazy import np
from harness.rendering.cube_texture import CubePicture
from harness.spec import BoundShift, Shift
from harness.suites.shifts.intensity import PERIOD, check_intensity
from harness.suites.shifts.scene import Restoring, draws

if TYPE_CHECKING:
    from concurrent.futures import Future

    from harness.assets.found import FoundAsset
    from harness.assets.store import AssetStore
    from harness.suites.domains.dmcontrol import DMControlSimulation

ASSET = "davis"
SKY = 0  # texture; six square faces, one below the other
STAND_IN_FRAMES, STAND_IN_SIZE = 60, 160  # frames; pixels, enlarged like the real ones

# The first n of the 60 training videos appear at the intensities from the key on (DMC-GB's eight are 0.025, 0.05,
# 0.1, 0.15, 0.2, 0.3, 0.4 and 0.5).
NUM_VIDEOS = {0.0: 2, 0.1: 4, 0.15: 6, 0.2: 8, 0.3: 60}

# The ground lets the sky shine through, so that videos are seen where it fills the picture.
GROUND_OPACITY = {"reacher": 0.0, "walker": 1.0, "cheetah": 1.0}
OTHER_GROUND_OPACITY = 0.3

# DAVIS 2017 (Pont-Tuset et al., arXiv 1704.00675): names of the training videos' folders, in the order of use.
VIDEOS = (
    "bear", "bmx-bumps", "boat", "boxing-fisheye", "breakdance-flare", "bus", "car-turn", "cat-girl", "classic-car",
    "color-run", "crossing", "dance-jump", "dancing", "disc-jockey", "dog-agility", "dog-gooses", "dogs-scale",
    "drift-turn", "drone", "elephant", "flamingo", "hike", "hockey", "horsejump-low", "kid-football", "kite-walk",
    "koala", "lady-running", "lindy-hop", "longboard", "lucia", "mallard-fly", "mallard-water", "miami-surf",
    "motocross-bumps", "motorbike", "night-race", "paragliding", "planes-water", "rallye", "rhino", "rollerblade",
    "schoolgirls", "scooter-board", "scooter-gray", "sheep", "skate-park", "snowboard", "soccerball", "stroller",
    "stunt", "surf", "swing", "tennis", "tractor-sand", "train", "tuk-tuk", "upside-down", "varanus-cage", "walking",
)  # fmt: skip


@dataclass(frozen=True)
class DistractingBackground(Shift):
    """Shows a video on all six faces of the sky, from a random frame on, forwards or backwards, turning at its ends.

    Stone et al. 2021 (arXiv 2101.02722), with DMC-GB's choice of videos. The intensity decides from how many videos
    one is drawn; 0 leaves sky and ground alone.

    Args:
      intensity: in [0, 1].
    Raises:
      UsageError: if it is not.
    """

    sets: ClassVar[tuple[str, ...]] = ("sky",)

    intensity: float

    def __post_init__(self) -> None:
        check_intensity(self.intensity)

    @property
    def assets(self) -> tuple[str, ...]:
        return (ASSET,) if self.intensity else ()

    def check_assets(self, found: Mapping[str, FoundAsset]) -> None:
        if self.intensity:
            load_videos(found[ASSET], num_videos(self.intensity))

    def bind(self, simulation: DMControlSimulation, assets: AssetStore) -> BoundShift:  # type: ignore[override]
        if not self.intensity:
            return BoundShift()
        return _BoundBackground(simulation, load_videos(assets.find(ASSET), num_videos(self.intensity)))


@dataclass(frozen=True)
class Video:
    """A video whose pictures are made when first asked for."""

    name: str
    num_frames: int
    frame: Callable[[int, int], np.ndarray]  # (number, size) to uint8 (size, size, 3)


class BackAndForth:
    """A frame number that starts anywhere and turns at both ends; as published, the last frame is shown twice."""

    def __init__(self, num_frames: int, random: np.random.Generator) -> None:
        self._last = num_frames - 1
        self.frame = int(random.integers(num_frames))
        self._direction = int(random.choice((-1, 1)))

    def advance(self) -> None:
        self.frame, self._direction = self.following()

    def following(self) -> tuple[int, int]:
        """Frame and direction after the next move."""
        following, direction = self.frame + self._direction, self._direction
        if following <= 0:
            direction = 1
        if following > self._last:
            direction = -1
        return min(max(following, 0), self._last), direction


class _BoundBackground(Restoring):
    def __init__(self, simulation: DMControlSimulation, videos: Sequence[Video]) -> None:
        from concurrent.futures import ThreadPoolExecutor

        self._simulation, self._videos = simulation, videos
        model = simulation.model
        self._size = int(model.tex_width[SKY])
        start = int(model.tex_adr[SKY])
        texture = model.tex_data[start : start + 3 * self._size**2]  # a view
        ground = model.material("grid").rgba  # a view
        super().__init__(simulation, model.tex_height, texture, ground)
        self._reader = ThreadPoolExecutor(max_workers=1)
        self._kept: str | None = None
        model.tex_height[SKY] = self._size  # a square skybox texture serves all six faces
        ground[3] = GROUND_OPACITY.get(simulation.domain, OTHER_GROUND_OPACITY)

    def begin_episode(self, seed: int, episode: int) -> Mapping[str, Any]:
        random = draws("distracting background", seed, episode)
        self._video = self._videos[int(random.integers(len(self._videos)))]
        if self._kept != self._video.name:
            self._kept = self._video.name
            self._pictures: dict[int, Future[CubePicture]] = {}  # of this video, up to 250 MB with mipmaps
        self._walk = BackAndForth(self._video.num_frames, random)
        self._shown: int | None = None
        return {"background": self._video.name}

    def after_control_step(self, count: int) -> None:
        if count % PERIOD == 0:
            self._walk.advance()

    def before_render(self, step: int) -> None:
        number = self._walk.frame
        if number == self._shown:
            return
        self._simulation.show(SKY, self._picture(number).result())
        self._shown = number
        self._picture(self._walk.following()[0])  # is read while the simulation goes on

    def _picture(self, number: int) -> Future[CubePicture]:
        if number not in self._pictures:
            self._pictures[number] = self._reader.submit(read, self._video, number, self._size)
        return self._pictures[number]

    def close(self) -> None:
        super().close()
        self._pictures = {}
        self._reader.shutdown(wait=False, cancel_futures=True)


def read(video: Video, number: int, size: int) -> CubePicture:
    """A picture of a video for the sky."""
    return CubePicture(video.frame(number, size), returns=True)


def num_videos(intensity: float) -> int:
    """From how many videos one is drawn; between DMC-GB's intensities, as at the next lower one."""
    return max(count for least, count in NUM_VIDEOS.items() if least <= intensity)


def load_videos(found: FoundAsset, count: int) -> tuple[Video, ...]:
    """The first `count` videos, or as many procedural ones.

    Raises:
      MissingAssetError: if one of them is not in the folder.
    """
    if found.stand_in:
        return tuple(_stand_in(number) for number in range(count))
    wanted = VIDEOS[:count]
    pictures: dict[str, list[Path]] = {name: [] for name in wanted}
    for path in found.files:  # sorted by name, so in order
        if path.parent.name in pictures:
            pictures[path.parent.name].append(path)
    missing = [name for name in wanted if not pictures[name]]
    if missing:
        raise MissingAssetError(
            f"{len(missing)} of the {count} DAVIS videos that are shown lack pictures, such as '{missing[0]}': "
            "unpack DAVIS-2017-trainval-480p.zip as a whole."
        )
    return tuple(_real(name, paths) for name, paths in pictures.items())


def _real(name: str, paths: Sequence[Path]) -> Video:
    return Video(name, len(paths), lambda number, size: _square_picture(paths[number], size))


def _square_picture(path: Path, size: int) -> np.ndarray:
    """A picture squeezed to a square with Pillow's default filter (bicubic), uint8 (size, size, 3)."""
    from PIL import Image

    try:
        with Image.open(path) as picture:
            return np.asarray(picture.convert("RGB").resize((size, size)))
    except OSError as error:
        raise CorruptAssetError(f"Cannot read the picture '{path}' ({error}).") from error


def _stand_in(number: int) -> Video:
    from PIL import Image

    from harness.assets.videos import procedural_video

    def frame(index: int, size: int) -> np.ndarray:
        small = procedural_video(number, STAND_IN_FRAMES, STAND_IN_SIZE)[index]
        return np.asarray(Image.fromarray(small).resize((size, size)))

    return Video(f"stand-in {number}", STAND_IN_FRAMES, frame)
