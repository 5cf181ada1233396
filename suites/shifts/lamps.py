"""Lamps of another brightness, or moved aside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.errors import UsageError
from harness.lazy import np
from harness.spec import BoundShift, Shift
from harness.suites.shifts.scene import Restoring, Scene, draws, facts

if TYPE_CHECKING:
    from harness.assets.store import AssetStore

PARTS = ("ambient", "diffuse", "specular")


@dataclass(frozen=True)
class Lamps(Shift):
    """Multiplies the brightness of all lights by one factor, and moves every lamp aside by one distance.

    What a light gives is clipped at 1. A directional lamp shines from everywhere along its direction, so moving it
    changes nothing: its direction is tilted as if it hung one metre above the floor.

    Both hold for one picture at a time, so they come on top of whatever another shift makes of the lights.

    Args:
      brightness: factor, at least 0; 1 changes nothing.
      offset: metres in a horizontal direction drawn for each episode; 0 changes nothing.
    Raises:
      UsageError: if one of them is negative.
    """

    brightness: float = 1.0
    offset: float = 0.0

    def __post_init__(self) -> None:
        if self.brightness < 0.0 or self.offset < 0.0:
            raise UsageError("Neither the brightness of a light nor the distance it is moved can be negative.")

    def bind(self, simulation: Scene, assets: AssetStore) -> BoundShift:  # type: ignore[override]
        return _BoundLight(self, simulation)


class _BoundLight(Restoring):
    def __init__(self, shift: Lamps, scene: Scene) -> None:
        self._shift = shift
        self._directional = scene.model.light_directional.astype(bool)
        headlight = scene.model.vis.headlight
        self._lights = [getattr(scene.model, f"light_{part}") for part in PARTS]
        self._lights += [getattr(headlight, part) for part in PARTS]
        super().__init__(scene, *self._lights)

    def begin_episode(self, seed: int, episode: int) -> Mapping[str, Any]:
        angle = draws("light offset", seed, episode).uniform(-np.pi, np.pi)
        self._move = self._shift.offset * np.array([np.cos(angle), np.sin(angle), 0.0])
        return {"light_offset": facts(self._move)} if self._shift.offset else {}

    def before_render(self, step: int) -> None:
        """World poses are written, as lamps may follow the robot; each step of the physics puts the stock ones back."""
        self._unlit = [field.copy() for field in self._lights]
        for field in self._lights if self._shift.brightness != 1.0 else ():
            field[:] = np.clip(self._shift.brightness * field, 0.0, 1.0)
        data, lamps = self._scene.data, ~self._directional
        data.light_xpos[lamps] += self._move
        tilted = data.light_xdir[self._directional] - self._move
        data.light_xdir[self._directional] = tilted / np.linalg.norm(tilted, axis=1, keepdims=True)

    def after_render(self, pixels: np.ndarray, step: int) -> np.ndarray:
        """Gives the lights their brightness back."""
        if self._shift.brightness != 1.0:
            for field, was in zip(self._lights, self._unlit, strict=True):
                field[:] = was
        return pixels
