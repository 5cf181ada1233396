"""Cameras that stand, look or zoom a little differently."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from harness.lazy import np
from harness.spec import BoundShift, Shift
from harness.suites.shifts.scene import DrawnField, SceneWithCameras, Together, drawn_cameras

if TYPE_CHECKING:
    from harness.assets.store import AssetStore


@dataclass(frozen=True)
class CameraJitter(Shift):
    """All cameras moved, turned and zoomed by one draw at each reset (RL-ViGen's camera factors).

    Rows tell the poses of the cameras that are drawn.

    Attributes:
      position: the largest offset of each coordinate, metres.
      quaternion: the largest offset of each component of the unit quaternion, before it is normalised again.
      fovy_low, fovy_high: integer bounds of the offset of the vertical field of view, degrees; the upper is excluded.
      intensity: multiplies what is drawn; 0 leaves every camera alone.
    """

    position: float = 0.0
    quaternion: float = 0.0
    fovy_low: int = 0
    fovy_high: int = 1
    intensity: float = 1.0
    sets: ClassVar[tuple[str, ...]] = ("cam_pos", "cam_quat", "cam_fovy")

    def bind(self, simulation: SceneWithCameras, assets: AssetStore) -> BoundShift:  # type: ignore[override]
        def move(rng: np.random.Generator, nominal: np.ndarray) -> np.ndarray:
            return nominal + self.intensity * rng.uniform(-self.position, self.position, 3)

        def turn(rng: np.random.Generator, nominal: np.ndarray) -> np.ndarray:
            turned = nominal + self.intensity * rng.uniform(-self.quaternion, self.quaternion, 4)
            return turned / np.linalg.norm(turned, axis=1, keepdims=True)

        def zoom(rng: np.random.Generator, nominal: np.ndarray) -> np.ndarray:
            return nominal + self.intensity * rng.integers(self.fovy_low, self.fovy_high)

        told = drawn_cameras(simulation)
        laws = zip(self.sets, (move, turn, zoom), strict=True)
        return Together([DrawnField(simulation, f"camera {field}", field, draw, told) for field, draw in laws])


VIGEN_CAMERA_EASY = CameraJitter(position=0.03, quaternion=0.03, fovy_low=-4, fovy_high=5)  # RL-ViGen's setting.yaml
VIGEN_CAMERA_HARD = CameraJitter(position=0.07, quaternion=0.08, fovy_low=-10, fovy_high=10)
METAWORLD_CAMERA = CameraJitter(position=0.05, quaternion=0.05, fovy_low=-5, fovy_high=6)  # this project's choice
