"""RRL's versions of the Adroit models: gymnasium-robotics' own, edited before they are compiled.

Source of every number: ShahRutav/mj_envs, branch `rrl`, `mj_envs/hand_manipulation_suite/assets/DAPG_*.xml`.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Mapping
from typing import Any

import mujoco

from harness.spec import Shift
from harness.suites.domains.adroit_cameras import ADDED_CAMERAS, FOVY

# The library greets everyone who imports it with a notice about its own rewards, which are not used here.
with contextlib.redirect_stderr(io.StringIO()):
    from gymnasium_robotics.envs.adroit_hand.adroit_door import AdroitHandDoorEnv
    from gymnasium_robotics.envs.adroit_hand.adroit_hammer import AdroitHandHammerEnv
    from gymnasium_robotics.envs.adroit_hand.adroit_pen import AdroitHandPenEnv
    from gymnasium_robotics.envs.adroit_hand.adroit_relocate import AdroitHandRelocateEnv

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
