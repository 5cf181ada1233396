"""Lights of another brightness, colour and direction in each episode."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from harness.errors import UsageError
from harness.lazy import np
from harness.spec import BoundShift, Shift
from harness.suites.shifts.scene import Restoring, Scene, draws, facts

if TYPE_CHECKING:
    from harness.assets.store import AssetStore

PARTS = ("ambient", "diffuse", "specular")


@dataclass(frozen=True)
class SceneLight(Shift):
    """Changes all lights of the scene together, the one at the camera included, within bounds.

    Args:
      brightness: all lights are multiplied by one factor between 1 / brightness and brightness, uniform in its
        logarithm; 1 changes nothing.
      color: each of red, green and blue is multiplied by a factor within 1 +- color; 0 changes nothing.
      direction: bound of what is added to each component of every light's unit direction; 0 changes nothing.
      intensity: multiplies what is drawn of all three (of the brightness, its logarithm); 0 changes nothing.
    Raises:
      UsageError: if the brightness is below 1, or the colour's bound not in [0, 1].
    """

    brightness: float = 1.0
    color: float = 0.0
    direction: float = 0.0
    intensity: float = 1.0
    sets: ClassVar[tuple[str, ...]] = (*(f"light_{part}" for part in PARTS), "light_dir")

    def __post_init__(self) -> None:
        if self.brightness < 1.0:
            raise UsageError(f"The bound of the brightness is at least 1, not {self.brightness}.")
        if not 0.0 <= self.color <= 1.0:
            raise UsageError(f"The bound of the colour lies from 0 to 1, not at {self.color}.")

    def bind(self, simulation: Scene, assets: AssetStore) -> BoundShift:  # type: ignore[override]
        return _BoundLight(self, simulation)


class _BoundLight(Restoring):
    def __init__(self, shift: SceneLight, scene: Scene) -> None:
        self._shift, self._model = shift, scene.model
        model = scene.model
        headlight = model.vis.headlight
        fields = [getattr(model, f"light_{part}") for part in PARTS] + [getattr(headlight, part) for part in PARTS]
        self._colors = [(field, field.copy()) for field in fields]  # (live, as in training)
        self._directions = model.light_dir.copy()
        super().__init__(scene, model.light_dir, *fields)

    def begin_episode(self, seed: int, episode: int) -> Mapping[str, Any]:
        shift, random = self._shift, draws("scene_light", seed, episode)
        brightness = float(shift.brightness ** (shift.intensity * random.uniform(-1.0, 1.0)))
        tint = 1.0 + shift.intensity * shift.color * random.uniform(-1.0, 1.0, 3)
        offset = shift.intensity * shift.direction * random.uniform(-1.0, 1.0, self._directions.shape)
        for live, home in self._colors:
            live[:] = np.clip(brightness * tint * home, 0.0, 1.0)
        moved = self._directions + offset
        self._model.light_dir[:] = moved / np.linalg.norm(moved, axis=1, keepdims=True)
        return {"brightness": brightness, "tint": facts(tint)}


METAWORLD_LIGHT = SceneLight(brightness=2.0, color=0.2, direction=0.5)  # this project's choice
