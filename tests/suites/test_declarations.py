"""Every number that is published, or frozen under a suite's version, written out once more.

Who changes one on purpose changes it here too, and raises the suite's version.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

import harness.rendering.renderer  # noqa: F401 (first: it chooses the GL backend before mujoco is imported)

# isort: split
import numpy as np

from harness.assets.store import AssetStore
from harness.environment import make_env
from harness.registry import load_suite
from harness.spec import Suite
from harness.suites.domains import dmcontrol, metaworld, metaworld_drawerworld
from harness.suites.shifts import (
    camera_turn,
    color_table,
    deformed_shapes,
    distracting_color,
    projector_video,
    texture,
    video,
)
from harness.suites.shifts.distracting_background import VIDEOS, num_videos
from tests.suites.metaworld_helpers import make_drawerworld

STAND_INS = AssetStore([], allow_stand_ins=True)

# DMC-GB's tasks with the budgets of PIE-G's task files ("easy" and "medium"), in frames.
DMC_FRAMES = {
    "walker_walk": 1_000_000,
    "walker_stand": 1_000_000,
    "cartpole_swingup": 1_000_000,
    "ball_in_cup_catch": 1_000_000,
    "finger_spin": 1_000_000,
    "cheetah_run": 3_000_000,
}
PIEG = {"repeat": 2, "stack": 3, "size": 84, "control_steps": 1000, "episodes": 100, "offset": 42, "metric": "return"}


def measured(suite: Suite) -> dict[str, Any]:
    """How a suite is measured, without its budgets; one action repeat for all its tasks."""
    protocol = suite.protocol
    assert set(protocol.action_repeat) == set(protocol.train_frames) == set(suite.all_tasks)
    assert protocol.task_episode_frames == {}
    (repeat,) = set(protocol.action_repeat.values())
    numbers = (protocol.frame_stack, protocol.image_size, protocol.episode_frames, protocol.eval_episodes)
    return dict(zip(PIEG, (repeat, *numbers, protocol.eval_seed_offset, protocol.metric), strict=True))


def check_settings(suite: Suite, expected: dict[str, list[tuple[str, dict[str, Any]]]]) -> None:
    """Each shifted setting's shifts with all their parameters, in the order of the table."""
    assert (suite.train.name, suite.train.shifts) == ("train", ())
    found = {s.name: [(type(shift).__name__, asdict(shift)) for shift in s.shifts] for s in suite.settings}
    assert list(found.items()) == list(expected.items())


@pytest.mark.parametrize("level", ["easy", "hard"])
def test_color(level: str) -> None:
    suite = load_suite(f"color_{level}")
    assert (suite.version, suite.tasks, suite.published_suite) == (1, tuple(DMC_FRAMES), "dmcgb")
    assert measured(suite) == PIEG
    assert suite.protocol.train_frames == DMC_FRAMES
    check_settings(suite, {f"color_{level}": [("RandomColor", {"level": level})]})


def test_colours_that_stand_in_have_the_published_spread() -> None:
    """Around dm_control's stock colours; the spreads are the middles of the published tables' ranges."""
    assert (color_table.NUM_COLORS, color_table.GRID_STEP) == (100, 0.1)
    assert color_table.STOCK == {
        "grid_rgb1": (0.1, 0.2, 0.3),
        "self_rgb": (0.7, 0.5, 0.3),
        "skybox_rgb": (0.4, 0.6, 0.8),
    }
    assert color_table.SPREAD == {
        "easy": {"grid_rgb1": 0.09, "self_rgb": 0.1, "skybox_rgb": 0.1},
        "hard": {"grid_rgb1": 0.17, "self_rgb": 0.19, "skybox_rgb": 0.19},
    }


@pytest.mark.parametrize(("split", "num_videos"), [("easy", 10), ("hard", 100)])
def test_video(split: str, num_videos: int) -> None:
    suite = load_suite(f"video_{split}")
    assert (suite.version, suite.tasks, suite.published_suite) == (2, tuple(DMC_FRAMES), "dmcgb")
    assert measured(suite) == PIEG
    assert suite.protocol.train_frames == DMC_FRAMES
    check_settings(suite, {f"video_{split}": [("VideoBackground", {"split": split})]})
    assert video.NUM_VIDEOS[split] == num_videos
    painted = {"skybox_rgb", "skybox_rgb2", "skybox_markrgb"}
    painted |= {"grid_rgb1", "grid_rgb2", "grid_markrgb"} if split == "hard" else set()
    assert video.VideoBackground(split).colors == dict.fromkeys(painted, (0.2, 0.8, 0.2))
    assert (video.HUE, video.SATURATION, video.VALUE) == ((100, 185), (80, 255), (70, 255))
    assert (dmcontrol.CAMERA, dmcontrol.NO_TIME_LIMIT) == (0, 1e6)


def test_dmcgb2() -> None:
    suite = load_suite("dmcgb2")
    assert (suite.version, suite.tasks, suite.published_suite) == (1, tuple(DMC_FRAMES), None)
    assert measured(suite) == {**PIEG, "offset": 0}
    assert suite.protocol.train_frames == dict.fromkeys(DMC_FRAMES, 1_000_000)
    easy, hard = {"level": "easy"}, {"level": "hard"}
    film_easy, film_hard = ({"split": split, "hide_ground": False} for split in ("easy", "hard"))
    check_settings(
        suite,
        {
            "rotate_easy": [("RandomRoll", easy)],
            "rotate_hard": [("RandomRoll", hard)],
            "shift_easy": [("LookAway", easy)],
            "shift_hard": [("LookAway", hard)],
            "rotate_shift_easy": [("LookAway", easy), ("RandomRoll", easy)],
            "rotate_shift_hard": [("LookAway", hard), ("RandomRoll", hard)],
            "color_easy": [("SequentialColor", easy)],
            "color_hard": [("SequentialColor", hard)],
            "video_easy": [("ProjectorVideo", film_easy)],
            "video_hard": [("ProjectorVideo", {"split": "hard", "hide_ground": True})],
            "color_video_easy": [("SequentialColor", easy), ("ProjectorVideo", film_easy)],
            "color_video_hard": [("SequentialColor", hard), ("ProjectorVideo", film_hard)],
        },
    )


def test_dmcgb2_s_turns_and_screens() -> None:
    """Angles in degrees, lengths in metres."""
    assert (camera_turn.NUM_TURNS, camera_turn.ROLL, camera_turn.EASY_SHARE) == (
        100,
        {"easy": 90, "hard": 180},
        1 / 1.5,
    )
    assert camera_turn.LOOK_AWAY == {
        "walker": (10, (-10, 10)),
        "cheetah": (10, (-10, 10)),
        "cartpole": (8, (-10, 10)),
        "finger": (6, (-6, 12)),
        "ball_in_cup": (6, (-6, 12)),
    }
    assert (projector_video.SIZE, projector_video.COMPILED_SIZE, projector_video.HALF_DEPTH) == (256, 512, 0.1)
    assert projector_video.SCREENS == {
        "walker": (1.86, (0, 1.96, -0.7), -30, (0, -1.07)),
        "cheetah": (1.86, (0, 1.6, -0.7), 0, (-0.05, 0.15)),
        "cartpole": (1.86, (0, 0.5, 1), 0, None),
        "ball_in_cup": (0.66, (0, 0.5, 0.05), -27, None),
        "finger": (0.66, (0, 0.5, 0.05), -27, None),
    }


# Of DAVIS 2017 (Pont-Tuset et al. 2017), the training videos.
DAVIS = """
    bear bmx-bumps boat boxing-fisheye breakdance-flare bus car-turn cat-girl classic-car color-run crossing dance-jump
    dancing disc-jockey dog-agility dog-gooses dogs-scale drift-turn drone elephant flamingo hike hockey horsejump-low
    kid-football kite-walk koala lady-running lindy-hop longboard lucia mallard-fly mallard-water miami-surf
    motocross-bumps motorbike night-race paragliding planes-water rallye rhino rollerblade schoolgirls scooter-board
    scooter-gray sheep skate-park snowboard soccerball stroller stunt surf swing tennis tractor-sand train tuk-tuk
    upside-down varanus-cage walking
"""


def test_distracting_cs() -> None:
    suite = load_suite("distracting_cs")
    assert (suite.version, suite.tasks, suite.published_suite) == (1, (*DMC_FRAMES, "reacher_easy"), None)
    assert measured(suite) == PIEG
    assert suite.protocol.train_frames == {**DMC_FRAMES, "reacher_easy": 3_000_000}
    shifts = ("DistractingBackground", "DistractingCamera", "DistractingColor")
    intensities = (0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)
    check_settings(suite, {f"distracting_{c:g}": [(name, {"intensity": c}) for name in shifts] for c in intensities})
    assert [num_videos(c) for c in intensities] == [2, 2, 4, 6, 8, 60, 60, 60]
    assert list(VIDEOS) == DAVIS.split()
    assert distracting_color.STEP_SPREAD == 0.03


# Task of each domain: opacity of its ground.
GROUNDS = {
    "reacher_easy": 0.0,
    "walker_walk": 1.0,
    "cheetah_run": 1.0,
    "cartpole_swingup": 0.3,
    "ball_in_cup_catch": 0.3,
    "finger_spin": 0.3,
}


@pytest.mark.render
@pytest.mark.parametrize(("task", "opacity"), GROUNDS.items())
def test_distracting_cs_s_grounds_and_half_domes(task: str, opacity: float) -> None:
    """Only reacher's camera, which looks straight down, may pass over the top."""
    env = make_env(load_suite("distracting_cs"), task, "distracting_0.5", assets=STAND_INS, profile="fast")
    env.reset(seed=0)
    assert env.simulation.model.material("grid").rgba[3] == pytest.approx(opacity)
    walk = env._shifts[1]._walk  # distance, azimuth, polar angle
    if task == "reacher_easy":
        np.testing.assert_allclose([walk.low[2], walk.high[2]], [-np.pi / 4, np.pi / 4], atol=1e-9)
    else:
        assert walk.low[2] >= 0.0
        assert walk.high[2] == np.pi / 2  # cut off: all these cameras stand low
        assert -np.pi <= walk.low[1] < walk.high[1] <= 0.0
    env.close()


@pytest.mark.render
def test_distractions_move_at_every_second_control_step() -> None:
    suite = load_suite("distracting_cs")
    once = suite.protocol.replace("cartpole_swingup", "action_repeat", 1)
    env = make_env(suite, "cartpole_swingup", "distracting_0.5", assets=STAND_INS, profile="fast", protocol=once)
    env.reset(seed=0)
    background, camera, colors = env._shifts

    def now() -> tuple[tuple[int, int], bytes, bytes]:
        walk = background._walk
        return (walk.frame, walk._direction), camera._walk.sphere.tobytes(), colors._walk.colors.tobytes()

    before = now()
    for count in range(1, 9):
        env.step(np.zeros(env.action_space.shape, np.float32))
        after = now()
        assert [a != b for a, b in zip(after, before, strict=True)] == [count % 2 == 0] * 3
        before = after
    env.close()


def test_jaco_deformed() -> None:
    suite = load_suite("jaco_deformed")
    assert (suite.version, suite.tasks) == (2, ("reach_duplo", "lift_brick", "place_brick"))
    assert measured(suite) == {**PIEG, "control_steps": 250}
    assert set(suite.protocol.train_frames.values()) == {3_000_000}
    arm, target = ("DeformedArm", {"amount": 1.0}), ("DeformedTarget", {"scale": 1.8})
    check_settings(suite, {"deformed_arm": [arm], "deformed_target": [target], "deformed_both": [arm, target]})
    assert deformed_shapes.ARM_SCALES == {
        "shoulder": (1.35, 1, 1.35),
        "arm": (1.5, 1, 1.5),
        "forearm": (1.5, 1, 1.5),
        "wrist": (1.3, 1.3, 1.3),
    }
    assert deformed_shapes.HAND_SCALES == {
        "hand_3finger_main": (1.3, 1.3, 1),
        "hand_3finger_insert": (1.3, 1.3, 1),
        "finger_proximal": (1, 1.4, 1.4),
        "finger_distal": (1, 1.4, 1.4),
    }


def test_metaworld_visual() -> None:
    suite = load_suite("metaworld_visual")
    assert (suite.version, suite.tasks, len(suite.all_tasks)) == (1, ("push", "drawer_open"), 50)
    assert measured(suite) == {**PIEG, "size": 112, "control_steps": 500, "metric": "success"}
    assert set(suite.protocol.train_frames.values()) == {2_100_000}
    light = {"brightness": 2.0, "color": 0.2, "direction": 0.5, "intensity": 1.0}
    tables = "brick1 darkwood floor1 granite light_wood_v2 marble metal1 navy_blue plaster1 tennis"
    table = {"material": "table_wood", "names": tuple(tables.split()), "intensity": 1.0}
    camera = {"position": 0.05, "quaternion": 0.05, "fovy_low": -5, "fovy_high": 6, "intensity": 1.0}
    check_settings(
        suite,
        {
            "light": [("SceneLight", light)],
            "table_texture": [("Texture", table)],
            "camera": [("CameraJitter", camera)],
        },
    )
    assert (metaworld.CAMERA, metaworld.NEAR) == ("corner4", {"drawer_open": "near_handle"})


def test_drawerworld() -> None:
    suite = load_suite("drawerworld")
    assert (suite.version, suite.tasks, suite.published_suite) == (1, ("drawer_open", "drawer_close"), "drawerworld")
    assert measured(suite) == {**PIEG, "size": 100, "control_steps": 200, "metric": "success"}
    assert suite.protocol.train_frames == {"drawer_open": 1_000_000, "drawer_close": 1_000_000}
    shown = {"material": "table_grid", "intensity": 1.0}
    names = ("wood", "metal", "blanket", "black", "fabric", "marble")
    check_settings(suite, {name: [("Texture", {**shown, "names": (name,)})] for name in names})
    assert texture.ASSET_SIZES == {"blanket": 199, "fabric": 200}
    assert not texture.load_picture("black").any()
    assert (metaworld_drawerworld.V1_OPEN, metaworld_drawerworld.V1_CLOSED) == (0.07, 0.06)


@pytest.fixture(scope="module")
def scene() -> Any:
    """DrawerWorld's compiled model."""
    return make_drawerworld("drawer_open").model


def test_drawerworld_s_lights_and_camera(scene: Any) -> None:
    np.testing.assert_allclose(scene.light_pos, [[1, 1, 4], [-3, -3, 4]])
    aim = np.array([0, -0.15, -1]) / np.hypot(0.15, 1)
    np.testing.assert_allclose(scene.light_dir, [aim, aim], atol=1e-7)
    np.testing.assert_allclose(scene.light_ambient, np.full((2, 3), 0.7), atol=1e-7)
    np.testing.assert_allclose(scene.light_diffuse, np.full((2, 3), 0.9), atol=1e-7)
    np.testing.assert_allclose(scene.light_specular, np.full((2, 3), 0.9), atol=1e-7)
    assert not scene.light_castshadow.any()
    assert not scene.light_directional.any()
    np.testing.assert_allclose(scene.vis.headlight.ambient, [0.5] * 3, atol=1e-7)
    camera = scene.camera("drawerworld")
    np.testing.assert_allclose(camera.pos, [0, 0.6, 0.96])
    np.testing.assert_allclose(camera.quat, [np.sqrt(0.5), 0, 0, np.sqrt(0.5)])
    assert camera.fovy[0] == 45


def test_drawerworld_s_table(scene: Any) -> None:
    table, material = scene.geom("table_grid"), scene.material("table_grid")
    np.testing.assert_allclose(table.pos, [0, 0.6, 0.0005])
    np.testing.assert_allclose(table.size, [0.4, 0.4, 0.5])
    np.testing.assert_allclose(table.rgba, [0.6, 0.6, 0.5, 1], atol=1e-7)
    assert [int(field[0]) for field in (table.contype, table.conaffinity, table.group)] == [0, 0, 1]
    assert scene.geom_matid[table.id] == material.id
    np.testing.assert_array_equal(material.texrepeat, [1, 1])
    assert material.texuniform[0]
    dark, light, edge = (25, 51, 76), (51, 76, 102), (51, 76, 102)  # 255 times (.1, .2, .3), (.2, .3, .4) twice
    expected = np.empty((300, 300, 3), np.uint8)
    expected[:150, :150] = expected[150:, 150:] = dark
    expected[:150, 150:] = expected[150:, :150] = light
    expected[0] = expected[-1] = expected[:, 0] = expected[:, -1] = edge
    np.testing.assert_array_equal(texture.training_picture(scene, "table_grid"), expected)


def test_drawerworld_s_drawer_and_what_is_hidden(scene: Any) -> None:
    drawer = scene.material("drawer_beige")
    np.testing.assert_array_equal(drawer.rgba, [1, 1, 1, 1])
    np.testing.assert_allclose(
        [drawer.reflectance[0], drawer.shininess[0], drawer.specular[0]], [0, 0.1, 0.4], atol=1e-7
    )
    wood = texture.load_picture("light_wood_v2")
    np.testing.assert_array_equal(texture.training_picture(scene, "drawer_beige")[: len(wood)], wood)
    walls = [g for g in range(scene.ngeom) if scene.body(scene.geom_bodyid[g]).name == "RetainingWall"]
    assert len(walls) > 1
    assert not scene.geom_rgba[[*walls, scene.geom("floor").id], 3].any()
