"""Shifts with one number that goes from nothing to a lot: for `--shift name=value` and sweeps of one factor.

At the value that changes nothing the picture is the training picture. Loads no simulator, as shifts do not until they
are bound.
"""

from __future__ import annotations

from dataclasses import replace

from harness.axis import Axis, Make
from harness.suites.domains.adroit_protocol import DOMAIN as ADROIT
from harness.suites.domains.adroit_protocol import SOURCE as RRL
from harness.suites.domains.metaworld_protocol import DOMAIN as METAWORLD
from harness.suites.domains.metaworld_protocol import DRAWERWORLD_DOMAIN as DRAWERWORLD
from harness.suites.domains.metaworld_protocol import DRAWERWORLD_TABLE, TABLE
from harness.suites.shifts.camera import METAWORLD_CAMERA, VIGEN_CAMERA_HARD
from harness.suites.shifts.camera_turn import CameraRoll
from harness.suites.shifts.deformed_shapes import DeformedArm, DeformedTarget
from harness.suites.shifts.distracting_background import DistractingBackground
from harness.suites.shifts.distracting_camera import DistractingCamera
from harness.suites.shifts.distracting_color import DistractingColor
from harness.suites.shifts.lamps import Lamps
from harness.suites.shifts.lighting import LightDirection, LightPosition
from harness.suites.shifts.object_color import ObjectColor
from harness.suites.shifts.scene_light import METAWORLD_LIGHT
from harness.suites.shifts.texture import METAWORLD_TABLES, Texture

DMCONTROL = "harness.suites.domains.dmcontrol"
JACO = "harness.suites.domains.jaco"
EVERYWHERE = (DMCONTROL, JACO, METAWORLD, DRAWERWORLD, ADROIT)
STONE = "Stone et al. 2021 (arXiv 2101.02722), as in nicklashansen/dmcontrol-generalization-benchmark@ff9c0aa8"
OWN = "this project"

DRAWERWORLD_TABLES = ("wood", "metal", "marble")  # of DrawerWorld's; none is a third-party file


def _on(domains: tuple[str, ...], make: Make) -> dict[str, Make]:
    return dict.fromkeys(domains, make)


def _axes(*axes: Axis) -> dict[str, Axis]:
    return {axis.name: axis for axis in axes}


AXES: dict[str, Axis] = _axes(
    Axis(
        "distracting_background",
        0.0,
        1.0,
        0.0,
        "intensity",
        "Videos on the sky; the intensity says from how many one is drawn (2 to 60).",
        STONE,
        _on((DMCONTROL,), DistractingBackground),
    ),
    Axis(
        "distracting_camera",
        0.0,
        1.0,
        0.0,
        "intensity",
        "A camera that starts off its place, rolled and zoomed, and wanders.",
        STONE,
        _on((DMCONTROL,), DistractingCamera),
    ),
    Axis(
        "distracting_color",
        0.0,
        1.0,
        0.0,
        "intensity",
        "Colours of all materials that start off stock and wander.",
        STONE,
        _on((DMCONTROL,), DistractingColor),
    ),
    Axis(
        "camera_roll",
        -180.0,
        180.0,
        0.0,
        "degrees",
        "The camera turned about its view axis, the same in every episode.",
        OWN,
        _on(EVERYWHERE, CameraRoll),
    ),
    Axis(
        "camera_jitter",
        0.0,
        2.0,
        0.0,
        "intensity",
        "The camera moved, turned and zoomed, drawn per episode; 1 is adroit_vigen's hard, or metaworld_visual's.",
        "RL-ViGen (arXiv 2307.10224) on Adroit, else this project",
        {
            ADROIT: lambda value: replace(VIGEN_CAMERA_HARD, intensity=value),
            **_on((METAWORLD, DRAWERWORLD), lambda value: replace(METAWORLD_CAMERA, intensity=value)),
        },
    ),
    Axis(
        "light",
        0.0,
        4.0,
        1.0,
        "factor",
        "Brightness of all lights, the one at the camera included, the same in every episode.",
        OWN,
        _on(EVERYWHERE, lambda value: Lamps(brightness=value)),
    ),
    Axis(
        "light_offset",
        0.0,
        2.0,
        0.0,
        "metres",
        "Every lamp moved sideways by this much, in a direction drawn for each episode.",
        OWN,
        _on(EVERYWHERE, lambda value: Lamps(offset=value)),
    ),
    Axis(
        "light_jitter",
        0.0,
        2.0,
        0.0,
        "intensity",
        "Brightness, colour and direction of all lights, drawn per episode; 1 is metaworld_visual's.",
        OWN,
        _on((METAWORLD, DRAWERWORLD), lambda value: replace(METAWORLD_LIGHT, intensity=value)),
    ),
    Axis(
        "light_position",
        0.0,
        1.0,
        0.0,
        "intensity",
        "Where the lamp stands, drawn per episode; 1 is RRL's distractor.",
        RRL,
        _on((ADROIT,), lambda value: LightPosition(intensity=value)),
    ),
    Axis(
        "light_direction",
        0.0,
        1.0,
        0.0,
        "intensity",
        "Where the lamp points, drawn per episode; 1 is RRL's distractor.",
        RRL,
        _on((ADROIT,), lambda value: LightDirection(intensity=value)),
    ),
    Axis(
        "object_color",
        0.0,
        1.0,
        0.0,
        "intensity",
        "Colours of the task's objects, drawn per episode; 1 is RRL's distractor.",
        RRL,
        _on((ADROIT,), lambda value: ObjectColor(intensity=value)),
    ),
    Axis(
        "table_texture",
        0.0,
        1.0,
        0.0,
        "intensity",
        "The table's picture blended with another, drawn per episode; at 1 the other alone is seen.",
        OWN,
        {
            METAWORLD: lambda value: Texture(TABLE, METAWORLD_TABLES, value),
            DRAWERWORLD: lambda value: Texture(DRAWERWORLD_TABLE, DRAWERWORLD_TABLES, value),
        },
    ),
    Axis(
        "arm_thickness",
        0.0,
        1.5,
        0.0,
        "intensity",
        "Thickness of the Jaco arm and hand; 1 is the suite jaco_deformed's. Changes shapes.",
        OWN,
        _on((JACO,), DeformedArm),
    ),
    Axis(
        "target_scale",
        0.5,
        2.5,
        1.0,
        "factor",
        "Size of the brick; 1.8 is the suite jaco_deformed's. Changes shapes.",
        OWN,
        _on((JACO,), DeformedTarget),
    ),
)
