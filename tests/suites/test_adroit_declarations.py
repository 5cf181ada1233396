"""Every published number of the Adroit suites, written out once more; who changes one raises the suite's version."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from harness.registry import load_suite
from harness.suites.shifts import new_object, object_color, physics, sky, table_texture, video
from harness.suites.shifts.camera import CameraJitter
from harness.suites.shifts.lighting import LightColor, LightDirection, LightOffset, LightPosition, MovingLight
from harness.suites.shifts.new_object import NewObject
from harness.suites.shifts.object_color import ObjectColor, SceneColor
from harness.suites.shifts.other_object import HALF, HANDLE, HEAD, QUARTER, OtherObject
from harness.suites.shifts.physics import Physics
from harness.suites.shifts.sky import SkyColor, SkyVideo
from harness.suites.shifts.table_texture import TableTexture

DISTRACTORS, VIGEN = load_suite("adroit_distractors"), load_suite("adroit_vigen")

TABLES = {
    "easy": (
        "metaworld/metal2",
        "metaworld/metal1",
        "adroit/skin",
        "metaworld/light_wood_v2",
        "metaworld/wood1",
        "adroit/woodb",
        "metaworld/floor1",
        "metaworld/granite",
        "metaworld/metal",
    ),
    "hard": (
        "adroit/foil",
        "adroit/silverRaw",
        "adroit/square",
        "adroit/darkwood",
        "metaworld/brick1",
        "metaworld/tennis",
        "metaworld/wood4",
    ),
}


def spelled_out(shift) -> tuple:
    """A shift's class and every number of it, defaults included."""
    return type(shift), asdict(shift)


def declared(suite) -> dict[str, list[tuple]]:
    return {setting.name: [spelled_out(shift) for shift in setting.shifts] for setting in suite.settings}


def of_a_level(level: str, *, offset, spread, low, high, step, reach, place, turn, zoom) -> dict[str, list[tuple]]:
    """RL-ViGen's settings of a level, in the table's order."""
    table = (TableTexture, {"pictures": TABLES[level]})
    objects = (SceneColor, {"level": level, "with_sky": False})
    film = (SkyVideo, {"level": level})
    moving = (MovingLight, {"step": step, "reach": reach})
    camera = {"position": place, "quaternion": turn, "fovy_low": zoom[0], "fovy_high": zoom[1], "intensity": 1.0}
    settings = {
        "color": [
            (SkyColor, {"level": level, "with_objects": True}),
            (SceneColor, {"level": level, "with_sky": True}),
            table,
        ],
        "video": [film, objects, table, moving],
        "object_color": [objects],
        "table_texture": [table],
        "background_color": [(SkyColor, {"level": level, "with_objects": False})],
        "background_video": [film],
        "light": [(LightOffset, {"spread": offset}), (LightColor, {"spread": spread, "low": low, "high": high})],
        "moving_light": [moving],
        "camera": [(CameraJitter, camera)],
        "physics": [(Physics, {"level": level})],
    }
    return {f"{name}_{level}": shifts for name, shifts in settings.items()}


def test_rl_vigens_settings() -> None:
    """gemcollector/RL-ViGen:DHM/cfg/setting/setting.yaml."""
    easy = of_a_level(
        "easy",
        offset=(0.5, 0.5, 0.2),
        spread=0.1,
        low=0.7,
        high=1.4,
        step=0.04,
        reach=1.2,
        place=0.03,
        turn=0.03,
        zoom=(-4, 5),
    )
    hard = of_a_level(
        "hard",
        offset=(1.0, 1.0, 0.5),
        spread=0.2,
        low=0.4,
        high=2.5,
        step=0.12,
        reach=3.0,
        place=0.07,
        turn=0.08,
        zoom=(-10, 10),
    )
    expected = {**easy, **hard, "other_object": [(OtherObject, {})]}
    assert declared(VIGEN) == expected
    assert list(declared(VIGEN)) == list(expected)


def test_what_rl_vigens_shifts_hold_themselves() -> None:
    assert physics.HAMMER_MASS == {"easy": 0.3, "hard": 0.35}
    assert physics.FRAME_MASS == {"easy": 8.85398, "hard": 10.85398}
    assert physics.PEN_DENSITY == {"easy": 1400, "hard": 1200}
    assert sky.PURPLE == (0.42137, 0.20392, 0.50196)
    assert sky.GROUND == "ground"
    assert object_color.REPAINTED == ("neck", "head", "pen", "target")
    assert object_color.UNCOLORED == (0.5, 0.5, 0.5, 1.0)
    assert object_color.NUM_COLORS == 100
    assert table_texture.TABLE == "tablecube"
    assert video.NUM_VIDEOS == {"easy": 10, "hard": 100}
    assert HANDLE == (0.02, 0.14)
    assert (QUARTER, HALF) == (0.785, 1.57)
    assert HEAD == (
        ((0.16, 0.0), (0.026, 0.025), 0.2),
        ((0.16, 0.026), (0.02, 0.015), 0.1),
        ((0.16, 0.056), (0.038, 0.016), 0.3),
        ((0.16, -0.056), (0.038, 0.016), 0.3),
        ((0.16, -0.026), (0.02, 0.015), 0.1),
    )


def test_rrls_distractors() -> None:
    """ShahRutav/mj_envs@0729354; the ranges of the new object's place in mode "paper" are this project's."""
    position = (LightPosition, {"low": (-1.0, -1.0, 2.0), "high": (0.5, 0.5, 5.0), "intensity": 1.0})
    direction = (LightDirection, {"low": (-0.25, -0.25, -1.0), "high": (0.25, 0.25, -0.5), "intensity": 1.0})
    color = {"offset": 0.52, "factor": 0.2, "intensity": 1.0}
    new = {"size": (0.03, 0.04), "x": (-0.3, 0.3), "y": (-0.3, 0.1)}
    painted, thing = ((ObjectColor, {"mode": "paper", **color}), (NewObject, {"mode": "paper", **new}))
    expected = {
        "light_position": [position],
        "light_direction": [direction],
        "object_color": [painted],
        "object_color_code": [(ObjectColor, {"mode": "code", **color})],
        "new_object": [thing],
        "new_object_code": [(NewObject, {"mode": "code", **new})],
        "combined": [position, direction, painted, thing],
    }
    assert declared(DISTRACTORS) == expected
    assert list(declared(DISTRACTORS)) == list(expected)
    assert new_object.SHAPES == ("sphere", "capsule", "ellipsoid", "cylinder", "box")
    assert (new_object.FIRST_TYPE, new_object.RED, new_object.HEIGHT) == (2, (1.0, 0.0, 0.0), 0.04)


def test_protocol_of_adroit_distractors() -> None:
    tasks = ("door", "hammer", "pen", "relocate")
    every = (*tasks, *(f"{task}_dense" for task in tasks))
    assert (DISTRACTORS.tasks, DISTRACTORS.all_tasks, DISTRACTORS.version) == (tasks, every, 1)
    assert asdict(DISTRACTORS.protocol) == {
        "action_repeat": dict.fromkeys(every, 1),
        "train_frames": dict.fromkeys(every, 12_000_000),
        "frame_stack": 1,
        "image_size": 256,
        "episode_frames": 200,
        "eval_episodes": 75,
        "eval_seed_offset": 42,
        "metric": "success",
        "task_episode_frames": {"pen": 100, "pen_dense": 100},
    }
    assert (DISTRACTORS.domain, DISTRACTORS.published_suite) == ("harness.suites.domains.adroit", "adroit")


def test_protocol_of_adroit_vigen() -> None:
    tasks = ("door", "hammer", "pen")
    assert (VIGEN.tasks, VIGEN.all_tasks, VIGEN.version) == (tasks, tasks, 4)
    assert asdict(VIGEN.protocol) == {
        "action_repeat": {"door": 2, "hammer": 2, "pen": 2},
        "train_frames": {"door": 1_000_000, "hammer": 1_000_000, "pen": 2_000_000},
        "frame_stack": 3,
        "image_size": 84,
        "episode_frames": 200,
        "eval_episodes": 100,
        "eval_seed_offset": 42,
        "metric": "success",
        "task_episode_frames": {"pen": 100},
    }
    assert (VIGEN.domain, VIGEN.published_suite) == ("harness.suites.domains.adroit", "adroit_vigen")
    assert VIGEN.held_out == ("drawerworld",)


def test_the_defaults_are_rrls_distractors() -> None:
    """The axes `light_position`, `light_direction` and `object_color` rely on them."""
    assert declared(DISTRACTORS)["combined"] == [
        spelled_out(shift()) for shift in (LightPosition, LightDirection, ObjectColor, NewObject)
    ]


def test_a_camera_without_numbers_stays_where_it_is() -> None:
    nothing = {"position": 0.0, "quaternion": 0.0, "fovy_low": 0, "fovy_high": 1, "intensity": 1.0}
    assert asdict(CameraJitter()) == nothing


@pytest.mark.render
def test_cameras_and_how_the_domain_measures() -> None:
    """RRL's cameras (ShahRutav/mj_envs, branch rrl), and its constants of time and success."""
    from harness.suites.domains import adroit, adroit_cameras, adroit_success

    assert dict(adroit_cameras.CAMERAS) == {
        "door": ("top",),
        "hammer": ("top",),
        "pen": ("vil_camera",),
        "relocate": ("cam1", "cam2", "cam3"),
    }
    down, back = (0.00079633, 0.0, 0.0, 0.99999968), (0.00056331, -0.00056286, 0.70682496, 0.70738804)
    left = (0.50039816, 0.49960184, 0.49999984, 0.49999984)
    assert {task: dict(cameras) for task, cameras in adroit_cameras.ADDED_CAMERAS.items()} == {
        "door": {"top": ((0.0, 0.0, 1.5), down)},
        "hammer": {"top": ((0.0, 0.0, 1.1), down)},
        "pen": {"left": ((0.4, -0.2, 0.2), left), "front": ((0.0, 0.4, 0.2), back)},
        "relocate": {
            "cam1": ((0.0, -0.04, -1.0), (6.3e-7, -0.00079633, 0.99999937, 0.00079633)),
            "cam2": ((0.0, 0.8, 0.2), back),
            "cam3": ((0.8, 0.0, 0.2), left),
        },
    }
    assert adroit_cameras.FOVY == 45.0
    assert (adroit.FRAME_SKIP, adroit.NUM_HAND_JOINTS, adroit.RELOCATE_TARGET_HEIGHT) == (5, 24, 0.25)
    assert adroit_success.SUSTAINED_STEPS == {"door": 25, "hammer": 25, "pen": 20, "relocate": 25}
    assert adroit.OBJECT_BODIES == {
        "door": ("frame", "door", "latch"),
        "hammer": ("nail_board", "nail", "Object"),
        "pen": ("Object", "target"),
        "relocate": ("Object",),
    }
