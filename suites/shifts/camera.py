"""Cameras that stand, look or zoom a little differently."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.spec import BoundShift, Shift
from suites.shifts.scene import DrawnField, Scene, Together

if TYPE_CHECKING:
    from harness.assets import AssetStore


@dataclass(frozen=True)
class CameraJitter(Shift):
    """All cameras moved, turned and zoomed by one draw at each reset (RL-ViGen's camera factors).

    Attributes:
      position: the largest offset of each coordinate, metres.
      quaternion: the largest offset of each component of the unit quaternion, before it is normalised again.
      fovy_low, fovy_high: integer bounds of the offset of the vertical field of view, degrees; the upper is excluded.
    """

    position: float = 0.0
    quaternion: float = 0.0
    fovy_low: int = 0
    fovy_high: int = 1

    def bind(self, simulation: Scene, assets: AssetStore) -> BoundShift:  # type: ignore[override]
        def move(rng: np.random.Generator, nominal: np.ndarray) -> np.ndarray:
            return nominal + rng.uniform(-self.position, self.position, 3)

        def turn(rng: np.random.Generator, nominal: np.ndarray) -> np.ndarray:
            turned = nominal + rng.uniform(-self.quaternion, self.quaternion, 4)
            return turned / np.linalg.norm(turned, axis=1, keepdims=True)

        def zoom(rng: np.random.Generator, nominal: np.ndarray) -> np.ndarray:
            return nominal + rng.integers(self.fovy_low, self.fovy_high)

        laws = (("cam_pos", move), ("cam_quat", turn), ("cam_fovy", zoom))
        return Together([DrawnField(simulation, f"camera {field}", field, draw) for field, draw in laws])
