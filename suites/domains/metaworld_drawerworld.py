"""DrawerWorld's two tasks (Wang et al. 2021) rebuilt on Metaworld version 3, with the looks of version 1.

The original textures the table of Metaworld v1 (TonyLianLong/VAI-ReinforcementLearning, src/env/drawerworld). Here
physics, reward and success are those of v3; docs/metaworld.md lists what differs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.rendering.renderer import OffscreenRenderer as _chooses_gl_first  # noqa: F401

# isort: split
import mujoco

from harness.errors import unknown
from harness.spec import Shift
from harness.suites.domains.metaworld import Expert as Expert
from harness.suites.domains.metaworld import MetaworldSimulation
from harness.suites.domains.metaworld import expert as expert
from harness.suites.domains.metaworld_protocol import DRAWERWORLD_TABLE, DRAWERWORLD_TASKS
from harness.suites.shifts.texture import package_texture

CAMERA = "drawerworld"
JOINT = "goal_slidey"  # 0 with the drawer shut, -0.16 m pulled out

# Success of version 1, in metres the drawer is out of the cabinet.
V1_OPEN = 0.07  # within 8 cm of a goal 15 cm out
V1_CLOSED = 0.06


class DrawerWorldSimulation(MetaworldSimulation):
    """Opening or closing the drawer seen from straight above."""

    def successes(self) -> Mapping[str, bool]:
        """Success at any control step as Metaworld v3 defines it, then as version 1 did (`v1`)."""
        return dict(self._ever)

    def _conditions(self, info: Mapping[str, Any]) -> dict[str, bool]:
        out = -float(self.data.joint(JOINT).qpos[0])
        v1 = out >= V1_OPEN if self.task == "drawer_open" else out <= V1_CLOSED
        return {"v3": bool(info.get("success")), "v1": bool(info) and v1}


def make_simulation(task: str, *, image_size: int, profile: str, shifts: tuple[Shift, ...]) -> DrawerWorldSimulation:
    """Builds one of the two tasks.

    Args:
      task: "drawer_open" or "drawer_close".
      image_size: height and width of the picture, pixels.
      profile: "standard" or "fast".
      shifts: may add to the model before it is compiled.
    Raises:
      UsageError: for an unknown task.
    """
    if task not in DRAWERWORLD_TASKS:
        raise unknown("task", task, DRAWERWORLD_TASKS)

    def edit(spec: mujoco.MjSpec) -> None:
        edit_scene(spec)
        for shift in shifts:
            shift.edit_spec(spec)

    return DrawerWorldSimulation(task, image_size, profile, camera=CAMERA, edit=edit)


def edit_scene(spec: mujoco.MjSpec) -> None:
    """Gives the scene of v3 the table, camera, lights and colours of v1; nothing here has mass or contact."""
    _add_table(spec)
    _add_camera(spec)
    _replace_lights(spec)
    _paint_drawer(spec)
    for geom in spec.body("RetainingWall").geoms:
        geom.rgba[3] = 0.0  # v1 has no walls; without alpha they are not drawn and still hold things back
    # The table covers the floor: the picture is the same without it (tested), and no mirror image of it is drawn.
    spec.geom("floor").rgba[3] = 0.0


def _add_table(spec: mujoco.MjSpec) -> None:
    """A checkered plane just above the table; one square of the texture per metre."""
    spec.add_texture(
        name=DRAWERWORLD_TABLE,
        type=mujoco.mjtTexture.mjTEXTURE_2D,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_CHECKER,
        mark=mujoco.mjtMark.mjMARK_EDGE,
        rgb1=(0.1, 0.2, 0.3),
        rgb2=(0.2, 0.3, 0.4),
        markrgb=(0.2, 0.3, 0.4),
        width=300,
        height=300,
    )
    material = spec.add_material(name=DRAWERWORLD_TABLE, texrepeat=(1, 1), texuniform=True)
    material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = DRAWERWORLD_TABLE
    spec.worldbody.add_geom(
        name=DRAWERWORLD_TABLE,
        type=mujoco.mjtGeom.mjGEOM_PLANE,
        pos=(0, 0.6, 0.0005),
        size=(0.4, 0.4, 0.5),
        rgba=(0.6, 0.6, 0.5, 1),
        material=DRAWERWORLD_TABLE,
        contype=0,
        conaffinity=0,
        group=1,
        mass=0,
    )


def _add_camera(spec: mujoco.MjSpec) -> None:
    """Azimuth 180, elevation -90, distance 0.96 from the middle of the table."""
    half = 0.5**0.5
    spec.worldbody.add_camera(name=CAMERA, pos=(0, 0.6, 0.96), quat=(half, 0, 0, half), fovy=45)


def _replace_lights(spec: mujoco.MjSpec) -> None:
    """Two spot lights without shadows instead of v3's three directional ones."""
    for light in list(spec.lights):
        light.delete()
    for position in ((1, 1, 4), (-3, -3, 4)):
        spec.worldbody.add_light(
            pos=position,
            dir=(0, -0.15, -1),
            ambient=(0.7, 0.7, 0.7),
            diffuse=(0.9, 0.9, 0.9),
            specular=(0.9, 0.9, 0.9),
            castshadow=False,
            directional=False,
        )
    spec.visual.headlight.ambient = (0.5, 0.5, 0.5)


def _paint_drawer(spec: mujoco.MjSpec) -> None:
    """Light wood instead of green; the picture comes with the metaworld package and is the one v1 used."""
    spec.add_texture(
        name="light_wood", type=mujoco.mjtTexture.mjTEXTURE_CUBE, file=str(package_texture("light_wood_v2"))
    )
    material = spec.material("drawer_beige")
    material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = "light_wood"
    material.rgba = (1, 1, 1, 1)
    material.reflectance, material.shininess, material.specular = 0.0, 0.1, 0.4
