"""RRL's versions of the Adroit models: gymnasium-robotics' own, edited before they are compiled.

Source of every number: ShahRutav/mj_envs, branch `rrl`, `mj_envs/hand_manipulation_suite/assets/DAPG_*.xml`.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import mujoco

from harness.spec import Shift

# The library greets everyone who imports it with a notice about its own rewards, which are not used here.
with contextlib.redirect_stderr(io.StringIO()):
    from gymnasium_robotics.envs.adroit_hand.adroit_door import AdroitHandDoorEnv
    from gymnasium_robotics.envs.adroit_hand.adroit_hammer import AdroitHandHammerEnv
    from gymnasium_robotics.envs.adroit_hand.adroit_pen import AdroitHandPenEnv
    from gymnasium_robotics.envs.adroit_hand.adroit_relocate import AdroitHandRelocateEnv

FOVY = 45.0  # degrees, every camera


class Camera(NamedTuple):
    """A fixed camera: metres, and a unit quaternion (w, x, y, z). Euler angles of MjSpec 3.3.0 are not used: it takes
    them for degrees although these files are in radians."""

    pos: tuple[float, float, float]
    quat: tuple[float, float, float, float]


LOOK_DOWN = (0.00079633, 0.0, 0.0, 0.99999968)
LOOK_BACK = (0.00056331, -0.00056286, 0.70682496, 0.70738804)  # towards the forearm
LOOK_LEFT = (0.50039816, 0.49960184, 0.49999984, 0.49999984)
TILTED = (0.92388, 0.382683, 0.0, 0.0)

# Cameras that RRL added.
ADDED_CAMERAS: Mapping[str, Mapping[str, Camera]] = {
    "door": {"top": Camera((0.0, 0.0, 1.5), LOOK_DOWN)},
    "hammer": {"top": Camera((0.0, 0.0, 1.1), LOOK_DOWN)},
    "pen": {"left": Camera((0.4, -0.2, 0.2), LOOK_LEFT), "front": Camera((0.0, 0.4, 0.2), LOOK_BACK)},
    "relocate": {
        "cam1": Camera((0.0, -0.04, -1.0), (6.3e-7, -0.00079633, 0.99999937, 0.00079633)),  # from below
        "cam2": Camera((0.0, 0.8, 0.2), LOOK_BACK),
        "cam3": Camera((0.8, 0.0, 0.2), LOOK_LEFT),
    },
}

# What the agent sees, in this order. RRL's job files say bottom, top, left_cross for relocate's, as they were called
# before; that these are cam1, cam2, cam3 is inferred from the order and the renaming commit.
CAMERAS: Mapping[str, tuple[str, ...]] = {
    "door": ("top",),
    "hammer": ("top",),
    "pen": ("vil_camera",),
    "relocate": ("cam1", "cam2", "cam3"),
}

LIBRARY: Mapping[str, type] = {
    "door": AdroitHandDoorEnv,
    "hammer": AdroitHandHammerEnv,
    "pen": AdroitHandPenEnv,
    "relocate": AdroitHandRelocateEnv,
}


def make_library_env(name: str, shifts: tuple[Shift, ...]) -> Any:
    """The library's environment over the edited model.

    Its reset and observation are used; its rewards are not (they add the palm's distance where the original subtracts
    it), and its renderer never is.

    Args:
      name: "door", "hammer", "pen" or "relocate".
      shifts: their `edit_spec` is called after RRL's edits, in this order.
    """
    base: Any = LIBRARY[name]

    class Edited(base):
        def _initialize_simulation(self) -> tuple[mujoco.MjModel, mujoco.MjData]:
            spec = mujoco.MjSpec.from_file(self.fullpath)
            edit_as_rrl(name, spec)
            for shift in shifts:
                shift.edit_spec(spec)
            model = spec.compile()
            return model, mujoco.MjData(model)

    return Edited()


def edit_as_rrl(name: str, spec: mujoco.MjSpec) -> None:
    """Adds RRL's cameras and makes its changes to what is seen; nothing that moves or collides changes."""
    for camera, (pos, quat) in ADDED_CAMERAS[name].items():
        spec.worldbody.add_camera(name=camera, pos=pos, quat=quat, fovy=FOVY)
    if name in EDITS:
        EDITS[name](spec)


def _edit_pen(spec: mujoco.MjSpec) -> None:
    spec.camera("vil_camera").pos = (0.0, -0.8, 0.8)
    spec.camera("view_4").pos = (0.4, -0.4, 0.4)
    for name in ("pen", "target"):  # were translucent
        spec.geom(name).rgba[3] = 1.0


def _edit_relocate(spec: mujoco.MjSpec) -> None:
    for light in spec.lights:
        light.castshadow = False
    for geom in spec.body("table").geoms:  # unseen, still solid
        geom.rgba = (0.0, 0.0, 0.0, 0.0)
    spec.site("target").rgba[3] = 0.3
    ball = spec.geom("sphere")
    ball.material, ball.rgba = "", (1.0, 0.0, 0.0, 1.0)


EDITS: Mapping[str, Callable[[mujoco.MjSpec], None]] = {"pen": _edit_pen, "relocate": _edit_relocate}
