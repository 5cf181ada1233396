"""What lies behind the table: a plain sky of another colour, or a video."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from harness.lazy import np
from harness.spec import BoundShift, Shift
from harness.suites.shifts.color_table import ColorTable
from harness.suites.shifts.object_color import color_table, drawn_color
from harness.suites.shifts.scene import Restoring, Scene
from harness.suites.shifts.video import NUM_VIDEOS, STAND_IN_FRAMES, video_number, video_order

if TYPE_CHECKING:
    from harness.assets.store import AssetStore

NAME = "plain_sky"
PURPLE = (0.42137, 0.20392, 0.50196)  # RL-ViGen's sky, which its video is keyed on
SKY_SIZE = 16  # pixels of a side of the sky's cube; it is plain
GROUND = "ground"  # the floor far below the table; it would hide the sky


class SceneWithTextures(Scene, Protocol):
    """A scene whose textures can be changed, in pictures of a known size."""

    @property
    def image_size(self) -> int: ...
    def upload_texture(self, texture: int) -> None: ...


def add_plain_sky(spec: Any) -> None:
    """Adds the texture of a purple sky, as yet that of a cube which is nowhere to be seen."""
    import mujoco

    sky = spec.add_texture(name=NAME, type=mujoco.mjtTexture.mjTEXTURE_CUBE, width=SKY_SIZE, height=6 * SKY_SIZE)
    sky.builtin, sky.rgb1, sky.rgb2 = mujoco.mjtBuiltin.mjBUILTIN_FLAT, PURPLE, PURPLE


def sky_bytes(model: Any) -> np.ndarray:
    """The sky's colours in the model, a view, uint8 (N, 3)."""
    texture = model.texture(NAME)
    start, size = int(texture.adr[0]), int(texture.height[0] * texture.width[0] * 3)
    return model.tex_data[start : start + size].reshape(-1, 3)


class _BoundSky(Restoring):
    """Shows the sky and hides the ground, which stays solid (RL-ViGen removes it); training has no sky."""

    def __init__(self, scene: SceneWithTextures) -> None:
        import mujoco

        model = scene.model
        super().__init__(scene, model.geom_rgba, model.tex_type)
        model.geom(GROUND).rgba[:] = 0.0
        model.texture(NAME).type[:] = mujoco.mjtTexture.mjTEXTURE_SKYBOX


@dataclass(frozen=True)
class SkyColor(Shift):
    """Another plain sky at each reset, the ground hidden (RL-ViGen's background colour).

    Each episode shows an entry of DMC-GB's `skybox_rgb`, chosen by `drawn_color`.

    Attributes:
      level: of the table.
      with_objects: whether the setting draws the objects' colour, too. It does not share the entry, but the generator.
    """

    level: Literal["easy", "hard"]
    with_objects: bool = False

    @property
    def assets(self) -> tuple[str, ...]:
        return (f"color_{self.level}",)

    def edit_spec(self, spec: Any) -> None:
        add_plain_sky(spec)

    def bind(self, simulation: SceneWithTextures, assets: AssetStore) -> BoundShift:  # type: ignore[override]
        return _BoundSkyColor(simulation, color_table(self.level, assets), self.with_objects)


class _BoundSkyColor(_BoundSky):
    def __init__(self, scene: SceneWithTextures, table: ColorTable, with_objects: bool) -> None:
        super().__init__(scene)
        self._textured, self._table, self._with_objects = scene, table, with_objects
        self._bytes, self._texture = sky_bytes(scene.model), scene.model.texture(NAME).id

    def begin_episode(self, seed: int, episode: int) -> Mapping[str, Any]:
        entry = drawn_color("sky", seed, episode, both=self._with_objects)
        self._bytes[:] = np.array(self._table[entry]["skybox_rgb"]) * 255
        self._textured.upload_texture(self._texture)
        return {"sky_color": entry}


@dataclass(frozen=True)
class SkyVideo(Shift):
    """A video behind the table, the ground hidden (RL-ViGen's background video).

    Episode i shows video (i + 1) mod N, resized to the picture; the picture of the agent's step k shows frame k mod
    length. The videos are DMC-GB's (RL-ViGen has clips of its own).
    A pixel is background if it has exactly the colour of the sky, so edges keep a seam, as published.
    """

    level: Literal["easy", "hard"]

    @property
    def assets(self) -> tuple[str, ...]:
        return (f"video_{self.level}",)

    def edit_spec(self, spec: Any) -> None:
        add_plain_sky(spec)

    def bind(self, simulation: SceneWithTextures, assets: AssetStore) -> BoundShift:  # type: ignore[override]
        found = assets.find(f"video_{self.level}")
        files = {video_number(path): path for path in found.files}
        num_videos = NUM_VIDEOS[self.level]
        order = video_order(range(num_videos) if found.stand_in else files, num_videos)
        first = NUM_VIDEOS["easy"] if self.level == "hard" else 0
        return _BoundSkyVideo(simulation, files, order, first)


class _BoundSkyVideo(_BoundSky):
    """Where there are no files, stand-ins from number `first_stand_in` on: the levels have none in common."""

    def __init__(
        self, scene: SceneWithTextures, files: Mapping[int, Path], order: tuple[int, ...], first_stand_in: int
    ) -> None:
        super().__init__(scene)
        self._files, self._order, self._size = files, order, scene.image_size
        self._first_stand_in = first_stand_in
        self._key = sky_bytes(scene.model)[0].copy()
        self._frames = np.empty((0, self._size, self._size, 3), np.uint8)

    def begin_episode(self, seed: int, episode: int) -> Mapping[str, Any]:
        from harness.assets.videos import load_video, procedural_video

        video = self._order[episode % len(self._order)]
        if self._files:
            self._frames = load_video(self._files[video], self._size)
        else:
            self._frames = procedural_video(self._first_stand_in + video, STAND_IN_FRAMES, self._size)
        return {"video": video}

    def after_render(self, pixels: np.ndarray, step: int) -> np.ndarray:
        frame = self._frames[step % len(self._frames)]
        for start in range(0, pixels.shape[2], 3):  # every camera
            view = pixels[:, :, start : start + 3]
            np.copyto(view, frame, where=(view == self._key).all(axis=2, keepdims=True))
        return pixels
