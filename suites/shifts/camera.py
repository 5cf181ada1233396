"""A camera that is a little off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.errors import UsageError
from harness.spec import BoundShift, Shift

if TYPE_CHECKING:
    from harness.assets import AssetStore
    from suites.domains.metaworld import MetaworldSimulation

STREAM = 2  # keeps this shift's draws apart from those of others at the same (seed, episode)


@dataclass(frozen=True)
class MovedCamera(Shift):
    """Moves, turns and zooms the camera that is drawn, anew in each episode, within bounds.

    Args:
      position: bound of what is added to each coordinate, metres.
      rotation: bound of the angle about an axis in a direction that is uniform, degrees.
      fovy: bound of what is added to the vertical field of view, degrees.
    Raises:
      UsageError: if a bound is negative.
    """

    position: float = 0.0
    rotation: float = 0.0
    fovy: float = 0.0

    def __post_init__(self) -> None:
        if min(self.position, self.rotation, self.fovy) < 0.0:
            raise UsageError("The bounds of a moved camera are not negative.")

    def bind(self, simulation: MetaworldSimulation, assets: AssetStore) -> BoundShift:  # type: ignore[override]
        return _BoundCamera(self, simulation.model, simulation.model.camera(simulation.camera).id)


class _BoundCamera(BoundShift):
    def __init__(self, shift: MovedCamera, model: Any, camera: int) -> None:
        self._shift, self._model, self._camera = shift, model, camera
        self._home = (model.cam_pos[camera].copy(), model.cam_quat[camera].copy(), float(model.cam_fovy[camera]))

    def begin_episode(self, seed: int, episode: int) -> Mapping[str, Any]:
        import mujoco

        shift, random = self._shift, np.random.default_rng((seed, episode, STREAM))
        position, quaternion, fovy = self._home
        offset = shift.position * random.uniform(-1.0, 1.0, 3)
        axis = random.standard_normal(3)
        angle = shift.rotation * random.uniform(-1.0, 1.0)
        zoom = shift.fovy * random.uniform(-1.0, 1.0)
        turn, turned = np.empty(4), np.empty(4)
        mujoco.mju_axisAngle2Quat(turn, axis / np.linalg.norm(axis), np.radians(angle))
        mujoco.mju_mulQuat(turned, quaternion, turn)
        self._set(position + offset, turned, fovy + zoom)
        return {"camera": {"offset": offset.tolist(), "degrees": float(angle), "fovy": fovy + float(zoom)}}

    def close(self) -> None:
        """Puts the camera back where it was in training."""
        self._set(*self._home)

    def _set(self, position: np.ndarray, quaternion: np.ndarray, fovy: float) -> None:
        self._model.cam_pos[self._camera] = position
        self._model.cam_quat[self._camera] = quaternion
        self._model.cam_fovy[self._camera] = fovy
