"""Metaworld from one fixed camera, under other lights, on other tables, from a camera that is a little off."""

from __future__ import annotations

from harness.spec import Setting, Suite
from harness.suites.domains import metaworld_protocol as metaworld
from harness.suites.shifts import AXES
from harness.suites.shifts.camera import METAWORLD_CAMERA
from harness.suites.shifts.scene_light import METAWORLD_LIGHT
from harness.suites.shifts.texture import METAWORLD_TABLES, Texture

SUITE = Suite(
    name="metaworld_visual",
    version=1,
    domain=metaworld.DOMAIN,
    axes=AXES,
    offers_states=True,
    demonstrators={"expert": dict.fromkeys(metaworld.TASKS, "")},
    tasks=metaworld.VISUAL_TASKS,
    settings=(
        Setting("light", (METAWORLD_LIGHT,)),
        Setting("table_texture", (Texture(metaworld.TABLE, METAWORLD_TABLES),)),
        Setting("camera", (METAWORLD_CAMERA,)),
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
