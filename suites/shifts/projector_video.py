"""DMC-GB2's videos: shown on a screen that stands in the scene, behind the robot."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from harness.lazy import np
from harness.rendering.cube_texture import CubePicture
from harness.spec import BoundShift, Shift
from harness.suites.shifts.color import first_entry
from harness.suites.shifts.scene import Restoring
from harness.suites.shifts.video import NUM_VIDEOS, STAND_IN_FRAMES, video_number

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

    from harness.assets.store import AssetStore
    from harness.suites.domains.dmcontrol import DMControlSimulation

SIZE = 256  # pixels, height and width of a picture on the screen
STAND_IN_SIZE = 128  # pixels, enlarged like the videos
COMPILED_SIZE = 512  # pixels of the texture as declared; only its first SIZE x SIZE values are used
SCREEN = "video_screen"


class Screen(NamedTuple):
    """A box: half-sizes and position in metres, tilt about x in degrees."""

    half_size: float  # of width and height; the depth is HALF_DEPTH
    position: tuple[float, float, float]
    tilt: float
    follow: tuple[float, float] | None = None  # x and z relative to the robot's centre of mass, where it moves along


HALF_DEPTH = 0.1
SCREENS = {
    "walker": Screen(1.86, (0.0, 1.96, -0.7), -30.0, follow=(0.0, -1.07)),
    "cheetah": Screen(1.86, (0.0, 1.6, -0.7), 0.0, follow=(-0.05, 0.15)),
    "cartpole": Screen(1.86, (0.0, 0.5, 1.0), 0.0),
    "ball_in_cup": Screen(0.66, (0.0, 0.5, 0.05), -27.0),
    "finger": Screen(0.66, (0.0, 0.5, 0.05), -27.0),
}
# By the name inside the model's file, where that differs.
DOMAIN_OF_MODEL = {"planar walker": "walker", "cart-pole": "cartpole", "ball in cup": "ball_in_cup"}


@dataclass(frozen=True)
class ProjectorVideo(Shift):
    """A video on a screen behind the robot (DMC-GB2, Almuzairee et al. 2024).

    Videos follow each other from one that the seed chooses; the picture of step k shows frame k mod length. Nothing is
    keyed: rails, string and shadows stay. The screen has no mass and touches nothing.

    Args:
      split: which videos.
      hide_ground: whether the ground is made invisible.
    """

    split: Literal["easy", "hard"]
    hide_ground: bool = False

    @property
    def assets(self) -> tuple[str, ...]:
        return (f"video_{self.split}",)

    def edit_spec(self, spec: Any) -> None:
        """Adds the screen, unseen until the shift is bound, and its texture to an `MjSpec` of the suite."""
        import mujoco

        screen = SCREENS[DOMAIN_OF_MODEL.get(spec.modelname, spec.modelname)]
        half_tilt = np.radians(screen.tilt) / 2
        spec.add_texture(
            name=SCREEN,
            type=mujoco.mjtTexture.mjTEXTURE_SKYBOX,
            builtin=mujoco.mjtBuiltin.mjBUILTIN_FLAT,
            width=COMPILED_SIZE,
            height=COMPILED_SIZE,
        )
        dull = {"specular": 0.0, "shininess": 0.0, "reflectance": 0.0, "emission": 0.0}
        material = spec.add_material(name=SCREEN, rgba=(1.0, 1.0, 1.0, 0.0), **dull)
        material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = SCREEN
        spec.worldbody.add_site(
            name=SCREEN,
            type=mujoco.mjtGeom.mjGEOM_BOX,
            size=[screen.half_size, HALF_DEPTH, screen.half_size],
            pos=screen.position,
            quat=[np.cos(half_tilt), np.sin(half_tilt), 0.0, 0.0],
            material=SCREEN,
        )

    def bind(self, simulation: DMControlSimulation, assets: AssetStore) -> BoundShift:  # type: ignore[override]
        found = assets.find(f"video_{self.split}")
        files = {video_number(path): path for path in found.files}
        present = sorted(files) or list(range(NUM_VIDEOS[self.split]))
        bound = _BoundProjector(simulation, files, present)
        if self.hide_ground:
            simulation.model.material("grid").rgba[3] = 0.0
        return bound


class _BoundProjector(Restoring):
    def __init__(self, simulation: DMControlSimulation, files: Mapping[int, Path], present: list[int]) -> None:
        from concurrent.futures import ThreadPoolExecutor

        self._simulation, self._files, self._present = simulation, files, present
        model = simulation.model
        super().__init__(simulation, model.mat_rgba)
        model.material(SCREEN).rgba[3] = 1.0
        self._texture = model.texture(SCREEN).id
        model.tex_height[self._texture] = model.tex_width[self._texture] = SIZE
        self._follow = SCREENS[simulation.domain].follow
        self._reader = ThreadPoolExecutor(max_workers=1)

    def begin_episode(self, seed: int, episode: int) -> Mapping[str, Any]:
        video = video_shown(seed, episode, self._present)
        start = partial(pictures, self._files[video]) if self._files else partial(stand_in_pictures, video)
        self._film = Film(start, self._reader)
        return {"video": video}

    def before_render(self, step: int) -> None:
        self._simulation.show(self._texture, CubePicture(self._film.frame(step), returns=False))
        if self._follow is not None:
            data = self._simulation.data
            centre, place = data.body("torso").subtree_com, data.site(SCREEN).xpos
            place[0], place[2] = centre[0] + self._follow[0], centre[2] + self._follow[1]

    def close(self) -> None:
        super().close()
        self._reader.shutdown(wait=False, cancel_futures=True)


class Film:
    """A film that is watched forwards: each picture is decoded while the one before is looked at, and none is kept.

    Args:
      start: gives the pictures from the beginning, at least one.
      reader: decodes, one picture at a time.
    """

    def __init__(self, start: Callable[[], Iterator[np.ndarray]], reader: Executor) -> None:
        self._start, self._reader = start, reader
        self._ahead: Future[np.ndarray]
        self._rewind()

    def frame(self, step: int) -> np.ndarray:
        """Picture number step mod length, uint8 (SIZE, SIZE, 3); cheapest if steps only grow."""
        if step < self._next - 1:
            self._ahead.exception()  # waits: what is being read comes from the film that is rewound
            self._rewind()
        while self._next <= step:
            self._picture = self._ahead.result()
            self._ahead = self._reader.submit(self._read)
            self._next += 1
        return self._picture

    def _rewind(self) -> None:
        self._rest = self._start()
        self._ahead = self._reader.submit(self._read)
        self._next: int = 0

    def _read(self) -> np.ndarray:
        picture = next(self._rest, None)
        if picture is None:
            self._rest = self._start()
            picture = next(self._rest)
        return picture


def video_shown(seed: int, episode: int, present: list[int]) -> int:
    """The counter starts where the seed says and is raised before each load; absent videos are passed over."""
    start = first_entry(seed) % len(present)
    return present[(start + 1 + episode) % len(present)]


def pictures(path: Path) -> Iterator[np.ndarray]:
    """Every frame of a video, at the screen's size."""
    from harness.assets.videos import iterate

    return map(on_screen, iterate(path))


def stand_in_pictures(number: int) -> Iterator[np.ndarray]:
    """A procedural video instead."""
    from harness.assets.videos import procedural_video

    return map(on_screen, procedural_video(number, STAND_IN_FRAMES, STAND_IN_SIZE))


def on_screen(picture: np.ndarray) -> np.ndarray:
    """Squeezes uint8 (H, W, 3) to the screen's size with Pillow's default filter (bicubic)."""
    from PIL import Image

    return np.asarray(Image.fromarray(picture).resize((SIZE, SIZE)))
