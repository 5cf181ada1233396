"""DMC-GB2: the order of turns, colours and videos, and pictures against the published way of making them."""

from __future__ import annotations

import importlib
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

import harness.rendering.renderer  # noqa: F401 (first: it chooses the GL backend before mujoco is imported)

# isort: split
import mujoco
import numpy as np
from dm_control import suite
from PIL import Image
from scipy.spatial.transform import Rotation

from harness.assets.store import AssetStore
from harness.assets.videos import decode, procedural_video
from harness.environment import make_env
from harness.errors import CorruptAssetError
from harness.suites.dmcgb2 import SUITE
from harness.suites.shifts.camera_turn import (
    CameraRoll,
    LookAway,
    RandomRoll,
    about_up_and_right,
    about_view,
    look_away_angles,
    roll_angles,
    shuffled_order,
)
from harness.suites.shifts.color import SequentialColor
from harness.suites.shifts.color_table import stand_in_table
from harness.suites.shifts.projector_video import Film, ProjectorVideo, on_screen, pictures, video_shown

STAND_INS = AssetStore([], allow_stand_ins=True)


def test_declaration_is_the_published_one() -> None:
    families = ("rotate", "shift", "rotate_shift", "color", "video", "color_video")
    assert {s.name for s in SUITE.settings} == {
        f"{family}_{level}" for family in families for level in ("easy", "hard")
    }
    assert SUITE.setting("rotate_shift_hard").shifts == (LookAway("hard"), RandomRoll("hard"))
    assert SUITE.setting("video_hard").shifts == (ProjectorVideo("hard", hide_ground=True),)
    assert SUITE.setting("video_easy").shifts == (ProjectorVideo("easy"),)
    assert SUITE.setting("color_video_hard").shifts == (SequentialColor("hard"), ProjectorVideo("hard"))
    assert SUITE.setting("color_video_hard").assets == ("color_hard", "video_hard")
    protocol = SUITE.protocol
    assert set(protocol.train_frames.values()) == {1_000_000}
    assert set(protocol.action_repeat.values()) == {2}
    assert (protocol.eval_seed_offset, protocol.eval_episodes, SUITE.published_suite) == (0, 100, None)


@pytest.mark.parametrize(("level", "bound"), [("easy", 90), ("hard", 180)])
def test_rolls_are_a_hundred_even_steps(level: str, bound: int) -> None:
    np.testing.assert_allclose(roll_angles(level), np.linspace(-bound, bound, 100, endpoint=False), atol=1e-12)


# Largest angles in degrees about the camera's up axis and its right axis, and the smallest, as published (hard).
EDGES = {"walker": (10, -10, 10, -10), "cartpole": (8, -8, 10, -10), "finger": (6, -6, 12, -6)}


@pytest.mark.parametrize("level", ["easy", "hard"])
@pytest.mark.parametrize("domain", EDGES)
def test_look_away_walks_around_a_rectangle(domain: str, level: str) -> None:
    most_up, least_up, most_right, least_right = (e / (1.5 if level == "easy" else 1.0) for e in EDGES[domain])
    expected = []
    for k in range(25):
        expected.append((least_up + (most_up - least_up) * k / 25, least_right))
    for k in range(25):
        expected.append((most_up, least_right + (most_right - least_right) * k / 25))
    for k in range(25):
        expected.append((most_up + (least_up - most_up) * k / 25, most_right))
    for k in range(25):
        expected.append((least_up, most_right + (least_right - most_right) * k / 25))
    np.testing.assert_allclose(look_away_angles(domain, level), expected, atol=1e-12)


def test_turns_are_rotations_of_the_right_kind() -> None:
    for up, right in ((3.0, -7.0), (-10.0, 10.0)):
        expected = Rotation.from_euler("YX", [up, right], degrees=True).as_matrix()
        np.testing.assert_allclose(about_up_and_right(up, right), expected, atol=1e-12)
    np.testing.assert_allclose(about_view(33.0), Rotation.from_euler("z", 33, degrees=True).as_matrix(), atol=1e-12)


class Posed:
    """Enough of a simulation to turn its camera."""

    domain, cameras = "cheetah", (0,)
    model = SimpleNamespace(camera=lambda camera: SimpleNamespace(id=camera))

    def __init__(self) -> None:
        self.data = self
        self.cam_xmat = np.eye(3).reshape(1, 9)

    def turned(self, bound, seed: int, episode: int) -> np.ndarray:
        self.cam_xmat[:] = np.eye(3).ravel()
        bound.begin_episode(seed, episode)
        bound.before_render(0)
        return self.cam_xmat.reshape(3, 3).copy()


def test_turns_come_in_the_order_of_a_shuffled_list() -> None:
    posed = Posed()
    for shift, turns in (
        (RandomRoll("hard"), [about_view(angle) for angle in roll_angles("hard")]),
        (LookAway("easy"), [about_up_and_right(*angles) for angles in look_away_angles("cheetah", "easy")]),
    ):
        bound = shift.bind(posed, STAND_INS)
        for seed in (0, 5):
            published = list(turns)  # the published code shuffles the list of matrices itself
            np.random.RandomState(seed).shuffle(published)
            for episode in (99, 0, 1, 100, 57):
                np.testing.assert_array_equal(posed.turned(bound, seed, episode), published[episode % 100])
    assert sorted(shuffled_order(3, 100)) == list(range(100))
    assert shuffled_order(3, 100) != shuffled_order(4, 100)
    np.testing.assert_array_equal(posed.turned(CameraRoll(20.0).bind(posed, STAND_INS), 1, 7), about_view(20.0))
    np.testing.assert_array_equal(posed.turned(CameraRoll(0.0).bind(posed, STAND_INS), 1, 7), np.eye(3))


def test_colours_and_videos_follow_each_other_from_where_the_seed_says() -> None:
    class Canvas:
        model = SimpleNamespace(mat_rgba=np.zeros((1, 4)), tex_data=np.zeros(1, np.uint8))

        def recolor(self, colors) -> None:
            self.colors = colors

    canvas = Canvas()
    bound = SequentialColor("hard").bind(canvas, STAND_INS)
    for seed in (0, 1, 17):
        start = int(np.random.RandomState(seed).randint(100))
        for episode in (0, 1, 99, 100):
            assert bound.begin_episode(seed, episode) == {"color": (start + episode) % 100}
            assert canvas.colors == stand_in_table("hard")[(start + episode) % 100]
            assert video_shown(seed, episode, list(range(100))) == (start + 1 + episode) % 100
            assert video_shown(seed, episode, list(range(10))) == (start % 10 + 1 + episode) % 10
    assert {video_shown(3, episode, [0, 1, 2, 6, 8, 9]) for episode in range(6)} == {0, 1, 2, 6, 8, 9}


def test_a_film_runs_forwards_and_starts_again(videos) -> None:
    whole = np.stack([np.asarray(Image.fromarray(p).resize((256, 256))) for p in decode(videos[1])])
    with ThreadPoolExecutor(max_workers=1) as reader:
        film = Film(lambda: pictures(videos[1]), reader)
        for step in (0, 1, 1, 4, 5, 6, 17, 3, 0):
            np.testing.assert_array_equal(film.frame(step), whole[step % len(whole)])


def test_a_film_that_breaks_off_says_so_when_the_picture_is_due(tmp_path: Path) -> None:
    (tmp_path / "video0.mp4").write_bytes(b"no film")
    with ThreadPoolExecutor(max_workers=1) as reader:
        film = Film(lambda: pictures(tmp_path / "video0.mp4"), reader)
        with pytest.raises(CorruptAssetError, match=r"video0\.mp4"):
            film.frame(0)


@pytest.mark.render
@pytest.mark.parametrize(
    ("task", "setting"), [("walker_walk", "video_easy"), ("ball_in_cup_catch", "color_video_hard")]
)
def test_a_moving_video_equals_plain_uploads(task: str, setting: str, renderers: list[mujoco.Renderer]) -> None:
    """Through two episodes, with MuJoCo's own renderer and upload on the same model and state."""
    env = make_env(SUITE, task, setting, assets=STAND_INS, profile="fast")
    env.reset(seed=2)
    plain = mujoco.Renderer(env.simulation.model, 84, 84)
    plain.scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = 0
    renderers.append(plain)
    random, seen = np.random.RandomState(0), set()
    for step in range(20):
        if step == 12:
            env.reset()
            plain._gl_context.make_current()
            for texture in (0, 1):  # the second episode's colours
                mujoco.mjr_uploadTexture(env.simulation.model, plain._mjr_context, texture)
        env.step(random.uniform(-1, 1, env.action_space.shape).astype(np.float32))
        plain.update_scene(env.simulation.data, 0)
        plain._gl_context.make_current()
        mujoco.mjr_uploadTexture(env.simulation.model, plain._mjr_context, 2)
        np.testing.assert_array_equal(env.render(), plain.render())
        seen.add(env.render().tobytes())
    assert len(seen) == 20
    env.close()


def published_model(domain: str) -> mujoco.MjModel:
    """The screen put in by editing XML, as the published code does."""
    screens = {
        "walker": ("1.86 0.1 1.86", "0.0 1.96 -0.7", "-30 0 0"),
        "cheetah": ("1.86 0.1 1.86", "0.0 1.6 -0.7", "0 0 0"),
        "cartpole": ("1.86 0.1 1.86", "0.0 0.5 1.0", "0 0 0"),
        "ball_in_cup": ("0.66 0.1 0.66", "0.0 0.5 0.05", "-27 0 0"),
        "finger": ("0.66 0.1 0.66", "0.0 0.5 0.05", "-27 0 0"),
    }
    xml, assets = importlib.import_module(f"dm_control.suite.{domain}").get_model_and_assets()
    materials = ElementTree.fromstring(assets["./common/materials.xml"])
    flat = {"type": "skybox", "builtin": "flat", "width": "512", "height": "512", "mark": "none"}
    matte = dict.fromkeys(("specular", "shininess", "reflectance", "emission"), "0")
    ElementTree.SubElement(materials.find("asset"), "texture", name="projector", **flat)
    ElementTree.SubElement(materials.find("asset"), "material", name="projector", texture="projector", **matte)
    model = ElementTree.fromstring(xml)
    size, pos, euler = screens[domain]
    place = {"size": size, "pos": pos, "euler": euler}
    ElementTree.SubElement(model.find("worldbody"), "site", name="s", type="box", material="projector", **place)
    edited = {**assets, "./common/materials.xml": ElementTree.tostring(materials)}
    return mujoco.MjModel.from_xml_string(ElementTree.tostring(model).decode(), edited)


@pytest.fixture
def renderers() -> Iterator[list[mujoco.Renderer]]:
    opened: list[mujoco.Renderer] = []
    yield opened
    for renderer in opened:
        renderer.close()


@pytest.mark.render
@pytest.mark.parametrize("setting", ["video_easy", "video_hard"])
@pytest.mark.parametrize("task", ["walker_walk", "cartpole_swingup", "ball_in_cup_catch", "finger_spin", "cheetah_run"])
def test_pictures_equal_the_published_screen(task: str, setting: str, renderers: list[mujoco.Renderer]) -> None:
    """Through XML and mujoco's own renderer instead of MjSpec and ours; states and rewards are the plain suite's."""
    domain, _, name = task.rpartition("_")
    ours = make_env(SUITE, task, setting, assets=STAND_INS)
    plain = suite.load(domain, name, task_kwargs={"random": 6, "time_limit": 1e6})
    plain.reset()
    ours.reset(seed=6)
    action = np.full(ours.action_space.shape, 0.6, np.float32)
    for _ in range(3):
        reward = sum(plain.step(scaled(action, plain.action_spec())).reward for _ in range(2))
        assert ours.step(action)[1] == reward
    model, data = published_model(domain), mujoco.MjData(published_model(domain))
    data.qpos[:], data.qvel[:] = plain.physics.data.qpos, plain.physics.data.qvel
    mujoco.mj_forward(model, data)
    hide_what_the_task_hides(plain.physics.model.ptr, model)
    if setting == "video_hard":
        model.material("grid").rgba[3] = 0.0
    model.tex_width[2] = model.tex_height[2] = 256
    number = video_shown(6, 0, list(range(10 if setting == "video_easy" else 100)))
    model.tex_data[model.tex_adr[2] :][: 3 * 256**2] = on_screen(procedural_video(number, 150, 128)[3]).ravel()
    if domain in ("walker", "cheetah"):
        x, z = (0.0, -1.07) if domain == "walker" else (-0.05, 0.15)
        data.site("s").xpos[[0, 2]] = data.body("torso").subtree_com[[0, 2]] + [x, z]
    renderers.append(mujoco.Renderer(model, 84, 84))
    renderers[0].update_scene(data, 0)
    np.testing.assert_array_equal(ours.render(), renderers[0].render())
    ours.close()


def scaled(action: np.ndarray, spec) -> np.ndarray:
    unit = (action.astype(np.float64) + 1) / 2
    return (unit * (spec.maximum - spec.minimum) + spec.minimum).astype(np.float32)


def hide_what_the_task_hides(source: mujoco.MjModel, model: mujoco.MjModel) -> None:
    """The finger's task makes target and tip invisible at its reset."""
    for site in range(source.nsite):
        model.site(source.site(site).name).rgba[:] = source.site_rgba[site]


@pytest.mark.render
def test_turned_pictures_are_turned() -> None:
    """A quarter turn of the camera turns the picture by a quarter, up to how lines are rasterized."""
    task = "ball_in_cup_catch"
    train = make_env(SUITE, task, "train", assets=STAND_INS)
    train.reset(seed=0)
    upright = train.render().astype(float)
    simulation = train.simulation
    bound = CameraRoll(90.0).bind(simulation, STAND_INS)
    simulation.begin_episode(0, 0)
    bound.begin_episode(0, 0)
    bound.before_render(0)
    turned = simulation.render().astype(float)
    differences = {k: np.abs(turned - np.rot90(upright, k)).mean() for k in range(4)}
    assert min(differences, key=lambda k: differences[k]) == 3  # clockwise
    assert differences[3] < 0.2 * min(differences[k] for k in (0, 1, 2))
    train.close()
