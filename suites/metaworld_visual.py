"""Metaworld from one fixed camera, under other lights, on other tables, from a camera that is a little off."""

from __future__ import annotations

from harness.spec import Setting, Suite
from suites.domains import metaworld_protocol as metaworld
from suites.shifts.camera import CameraJitter
from suites.shifts.scene_light import SceneLight
from suites.shifts.texture import Texture

# Of the metaworld package itself; none of them is the table of training (wood2).
TABLES = (
    "brick1",
    "darkwood",
    "floor1",
    "granite",
    "light_wood_v2",
    "marble",
    "metal1",
    "navy_blue",
    "plaster1",
    "tennis",
)

LIGHT = SceneLight(brightness=2.0, color=0.2, direction=0.5)
CAMERA = CameraJitter(position=0.05, quaternion=0.05, fovy_low=-5, fovy_high=6)

SUITE = Suite(
    name="metaworld_visual",
    version=1,
    domain=metaworld.DOMAIN,
    tasks=metaworld.VISUAL_TASKS,
    settings=(
        Setting("light", (LIGHT,)),
        Setting("table_texture", (Texture(metaworld.TABLE, TABLES),)),
        Setting("camera", (CAMERA,)),
    ),
    protocol=metaworld.VISUAL_PROTOCOL,
    description="Metaworld push and drawer-open under other lights, tables and camera poses.",
    source=(
        "camera, action repeat and budget of Xu et al. 2024 (DrM, arXiv 2310.19668), XuGW-Kevin/DrM@317116a0; "
        "tasks of Yu et al. 2019 (Metaworld, arXiv 1910.10897), version 3; shifts of this project"
    ),
    held_out=("drawerworld",),  # some of those pictures are the package's too
    more_tasks=tuple(task for task in metaworld.TASKS if task not in metaworld.VISUAL_TASKS),
)
