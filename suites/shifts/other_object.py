"""Another object to handle: a second hammer, pen or door handle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from harness.spec import BoundShift, Shift
from harness.suites.shifts.table_texture import picture_path

if TYPE_CHECKING:
    from harness.assets.store import AssetStore
    from harness.simulation import Simulation

QUARTER = 1.57 / 2  # half of the quarter turns, radians, as rounded in RL-ViGen's files
HALF = 3.14 / 2

# The second hammer's cylinders: middle on its axis (x, y) and size (radius, half length), m; mass of the solid one, kg.
# All but the first lie across the handle, the faces of the head outermost.
HEAD = (
    ((0.16, 0.0), (0.026, 0.025), 0.2),
    ((0.16, 0.026), (0.02, 0.015), 0.1),
    ((0.16, 0.056), (0.038, 0.016), 0.3),
    ((0.16, -0.056), (0.038, 0.016), 0.3),
    ((0.16, -0.026), (0.02, 0.015), 0.1),
)
HANDLE = (0.02, 0.14)  # capsule: radius, half length, m


@dataclass(frozen=True)
class OtherObject(Shift):
    """RL-ViGen's `object: 2`, with the numbers of its DAPG_{door,hammer,pen}_template.xml.

    The door's lever is a thin box; the pen and its target are longer, thinner and without a clip; the hammer is a red
    mallet of 2 instead of 0.25 kg. What the hand touches changes, and so does the physics. The hammer's site `tool`
    keeps its numbers, as in RL-ViGen, and is now beyond the end of the handle (DAPG's dense reward measures to it).
    The shapes are compiled in: closing the shift does not bring the first object back.
    """

    changes_shapes: ClassVar[bool] = True

    def edit_spec(self, spec: Any) -> None:
        if spec.body("latch"):
            _square_lever(spec)
        elif spec.body("nail_board"):
            _mallet(spec)
        else:
            _longer_pen(spec)

    def bind(self, simulation: Simulation, assets: AssetStore) -> BoundShift:
        return BoundShift()


def _square_lever(spec: Any) -> None:
    import mujoco

    lever = spec.body("latch").geoms[1]
    lever.type, lever.size = mujoco.mjtGeom.mjGEOM_BOX, (0.015, 0.015, 0.1)


def _longer_pen(spec: Any) -> None:
    for shaft, cap, tip, clip, ends in (
        ("pen", "top", "bot", "cli", "object"),
        ("target", "t_top", "t_bot", "t_cli", "target"),
    ):
        spec.geom(shaft).size = (0.01, 0.085, 0.0)
        spec.geom(cap).size, spec.geom(cap).pos = (0.012, 0.02, 0.0), (0.0, 0.0, -0.0655)
        spec.geom(tip).size, spec.geom(tip).pos = (0.011, 0.002, 0.0), (0.0, 0.0, 0.087)
        spec.geom(clip).delete()
        spec.site(f"{ends}_top").pos, spec.site(f"{ends}_bottom").pos = (0.0, 0.0, 0.085), (0.0, 0.0, -0.085)


def _mallet(spec: Any) -> None:
    import mujoco
    import numpy as np

    body = spec.body("Object")
    for geom in list(body.geoms):
        geom.delete()
    body.explicitinertial, body.ipos[:] = False, np.nan  # MuJoCo's own sign that mass and inertia follow the shapes
    body.pos, body.quat = (0.0, -0.2, 0.055), (np.cos(HALF), 0.0, 0.0, np.sin(HALF))
    along, across = (np.cos(QUARTER), 0.0, np.sin(QUARTER), 0.0), (np.cos(QUARTER), np.sin(QUARTER), 0.0, 0.0)
    capsule, cylinder = mujoco.mjtGeom.mjGEOM_CAPSULE, mujoco.mjtGeom.mjGEOM_CYLINDER
    red, metal = _materials(spec)
    _add_part(body, capsule, (0.0, 0.0), HANDLE, along, material=red, mass=0.1)
    for number, (place, size, mass) in enumerate(HEAD):
        _add_part(body, cylinder, place, size, across if number else along, material=metal, mass=mass)


def _materials(spec: Any) -> tuple[str, str]:
    """Adds what the mallet is made of; returns the names for handle and head."""
    import mujoco

    shine = {"shininess": 1.0, "reflectance": 0.7, "specular": 0.5}
    spec.add_material(name="mallet_red", rgba=(0.65, 0.0, 0.0, 1.0), **shine)
    picture = str(picture_path("metaworld/metal1"))
    spec.add_texture(name="mallet_metal", type=mujoco.mjtTexture.mjTEXTURE_CUBE, file=picture)
    metal = spec.add_material(name="mallet_metal", rgba=(0.65, 0.65, 0.65, 1.0), **shine)
    metal.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = "mallet_metal"
    return "mallet_red", "mallet_metal"


def _add_part(
    body: Any,
    shape: Any,
    place: tuple[float, float],
    size: tuple[float, float],
    quat: tuple[float, ...],
    *,
    material: str,
    mass: float,
) -> None:
    """A part that is seen (and weighs like water, as in RL-ViGen's file), and the same once more that is solid."""
    common = {"type": shape, "pos": (*place, 0.0), "size": (*size, 0.0), "quat": quat}
    body.add_geom(**common, material=material, contype=0, conaffinity=0, group=1)
    solid = body.add_geom(**common, mass=mass, contype=1, conaffinity=1, condim=3, group=4)
    solid.solimp[:3], solid.solref[:] = (0.99, 0.99, 0.01), (0.01, 1.0)
