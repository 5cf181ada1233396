"""Cameras of the Adroit tasks: those that RRL added, and which of them an agent sees.

Source of every number: ShahRutav/mj_envs, branch `rrl`, `mj_envs/hand_manipulation_suite/assets/DAPG_*.xml`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

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
