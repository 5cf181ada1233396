"""Pictures on cube textures: what is left in GL against MuJoCo's own upload, and which faces a view touches."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import harness.rendering.renderer as rendering  # first: it chooses the GL backend before mujoco is imported

# isort: split
import mujoco
import numpy as np
from scipy.spatial.transform import Rotation

from harness.rendering.cube_texture import ALL_FACES, CubePicture, CubeTexture, faces_in_view, works_as_plain

# A sky of 50 pixels a face (not a power of two), and a box with a cube texture of 32.
SCENE = """
<mujoco>
  <asset>
    <texture name="sky" type="skybox" builtin="flat" rgb1="0 0 0" width="50" height="50"/>
    <texture name="paint" type="cube" builtin="flat" rgb1="0 0 0" width="32" height="32"/>
    <material name="paint" texture="paint"/>
  </asset>
  <worldbody>
    <light pos="1 -2 3"/>
    <geom type="box" size="0.3 0.3 0.3" material="paint"/>
    <camera name="eye" pos="0 -1.5 0.2"/>
  </worldbody>
</mujoco>
"""
SKY, PAINT = 0, 1
SIZES = {SKY: 50, PAINT: 32}
PICTURE_SIZE = 40


class Scene:
    """The scene above, drawn by our renderer with `show` and by a second one with plain uploads."""

    def __init__(self) -> None:
        self.model = mujoco.MjModel.from_xml_string(SCENE)
        for texture, size in SIZES.items():
            self.model.tex_height[texture] = size  # one square for all six faces
        self.data = mujoco.MjData(self.model)
        mujoco.mj_forward(self.model, self.data)
        self.ours, self.plain = (rendering.OffscreenRenderer(self.model, PICTURE_SIZE) for _ in range(2))

    def show(self, texture: int, picture: CubePicture) -> None:
        rendering.set_texture(self.model, texture, picture.pixels)
        self.ours.show(texture, picture)
        self.plain.upload_texture(texture)

    def turn(self, rotation: Rotation) -> None:
        self.data.cam_xmat[0] = rotation.as_matrix().ravel()

    def close(self) -> None:
        self.ours.close()
        self.plain.close()


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene()
    yield made
    made.close()


def noise(random: np.random.RandomState, size: int) -> np.ndarray:
    return random.randint(0, 256, (size, size, 3)).astype(np.uint8)


@pytest.mark.render
def test_pictures_equal_those_after_plain_uploads(scene: Scene) -> None:
    """New and returning pictures, wild turns that bring stale faces into view, and a plain upload in between."""
    random = np.random.RandomState(0)
    kept = {
        texture: [CubePicture(noise(random, size), returns=True) for _ in range(3)] for texture, size in SIZES.items()
    }
    seen = set()
    for step in range(60):
        scene.turn(Rotation.random(random_state=random))
        for texture, pictures in kept.items():
            fresh = CubePicture(noise(random, SIZES[texture]), returns=False)
            scene.show(texture, fresh if random.rand() < 0.3 else pictures[random.randint(3)])
        if step % 20 == 10:
            scene.ours.upload_texture(SKY)
        ours = scene.ours.draw(scene.data, 0)
        np.testing.assert_array_equal(ours, scene.plain.draw(scene.data, 0))
        seen.add(ours.tobytes())
    assert len(seen) == 60
    assert all(scene.ours._cubes[texture] is not None for texture in SIZES)  # the fast way was taken
    assert all(picture.mipmaps for pictures in kept.values() for picture in pictures)


@pytest.mark.render
def test_only_visible_faces_of_the_sky_are_sent_but_all_of_a_painted_box(scene: Scene) -> None:
    random = np.random.RandomState(1)
    scene.turn(Rotation.from_euler("x", 90, degrees=True))  # towards +y, which is GL's -z in MuJoCo's sky
    pictures = {texture: CubePicture(noise(random, size), returns=False) for texture, size in SIZES.items()}
    for texture, picture in pictures.items():
        scene.show(texture, picture)
    scene.ours.draw(scene.data, 0)
    shown = {t: [held is pictures[t] for held in scene.ours._cubes[t]._on_faces] for t in SIZES}
    assert shown == {SKY: [False, False, False, False, False, True], PAINT: [True] * 6}


@pytest.mark.render
def test_where_the_driver_differs_the_plain_way_is_taken(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CubeTexture, "_copy", lambda self, source, face: None)  # a driver that does not copy
    picture = CubePicture(noise(np.random.RandomState(2), SIZES[SKY]), returns=True)
    scene.show(SKY, picture)
    assert scene.ours._cubes == {SKY: None}
    np.testing.assert_array_equal(scene.ours.draw(scene.data, 0), scene.plain.draw(scene.data, 0))


@pytest.mark.render
def test_the_check_on_a_driver_finds_wrong_bytes(scene: Scene) -> None:
    pixels = noise(np.random.RandomState(3), SIZES[PAINT])
    rendering.set_texture(scene.model, PAINT, pixels)
    for wrong, verdict in ((0, True), (1, False)):
        scene.ours.upload_texture(PAINT)
        texture = CubeTexture(int(scene.ours._renderer._mjr_context.texture[PAINT]), SIZES[PAINT])
        changed = pixels.copy()
        changed[5, 7, 1] ^= wrong
        with scene.ours._held():
            assert works_as_plain(texture, changed) is verdict


def view(rotation: Rotation, half: float) -> np.ndarray:
    return rotation.apply([[-half, -half, 1.0], [-half, half, 1.0], [half, half, 1.0], [half, -half, 1.0]])


def test_faces_in_view_are_those_that_rays_hit() -> None:
    random = np.random.RandomState(4)
    numbers = []
    for _ in range(300):
        rotation, half = Rotation.random(random_state=random), random.uniform(0.05, 1.2)
        i, j = (axis.ravel() for axis in np.meshgrid(*[np.linspace(-half, half, 81)] * 2))
        rays = rotation.apply(np.stack([i, j, np.ones_like(i)], axis=1))
        axis = np.abs(rays).argmax(axis=1)
        hit = set((2 * axis + (rays[np.arange(len(rays)), axis] < 0)).tolist())
        found = faces_in_view(view(rotation, half))
        slightly_wider = set(faces_in_view(view(rotation, half * 1.03)))
        assert hit <= set(found) <= slightly_wider
        numbers.append(len(found) - len(hit))
    assert sum(numbers) <= 5  # grazed between two rays


def test_faces_in_plain_views() -> None:
    ahead = {"x": ([0, 90, 0], 0), "-x": ([0, -90, 0], 1), "y": ([-90, 0, 0], 2), "-y": ([90, 0, 0], 3)}
    for turn, face in [*ahead.values(), ([0, 0, 0], 4), ([0, 180, 0], 5)]:
        rotation = Rotation.from_euler("xyz", turn, degrees=True)
        assert faces_in_view(view(rotation, 0.9)) == [face]
        assert len(faces_in_view(view(rotation, 1.1))) == 5
    assert faces_in_view(view(Rotation.from_euler("y", 45, degrees=True), 0.3)) == [0, 4]
    assert list(ALL_FACES) == [0, 1, 2, 3, 4, 5]
