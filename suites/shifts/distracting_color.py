"""Colours of all materials that wander (Distracting Control Suite, as in DMC-GB)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from harness.lazy import np
from harness.spec import BoundShift, Shift
from harness.suites.shifts.intensity import PERIOD, check_intensity
from harness.suites.shifts.scene import Restoring, Scene, draws

if TYPE_CHECKING:
    from harness.assets.store import AssetStore
    from harness.suites.domains.dmcontrol import DMControlSimulation

STEP_SPREAD = 0.03  # standard deviation of one move, per channel and unit of intensity


@dataclass(frozen=True)
class DistractingColor(Shift):
    """Every material's red, green and blue start uniform within +- intensity of stock and then wander in that box.

    Stone et al. 2021 (arXiv 2101.02722), with DMC-GB's spread and pace. Opacity stays; 0 leaves the colours alone.

    Args:
      intensity: in [0, 1].
    Raises:
      UsageError: if it is not.
    """

    sets: ClassVar[tuple[str, ...]] = ("mat_rgba",)

    intensity: float

    def __post_init__(self) -> None:
        check_intensity(self.intensity)

    def bind(self, simulation: DMControlSimulation, assets: AssetStore) -> BoundShift:  # type: ignore[override]
        return _BoundColor(simulation, self.intensity) if self.intensity else BoundShift()


class ColorWalk:
    """Colours on a random walk inside a box.

    Args:
      stock: colours of the materials, (num_materials, 3), in [0, 1].
      intensity: in (0, 1].
      random: its own generator.
    """

    def __init__(self, stock: np.ndarray, intensity: float, random: np.random.Generator) -> None:
        self._random, self._spread = random, STEP_SPREAD * intensity
        self.low, self.high = np.clip(stock - intensity, 0.0, 1.0), np.clip(stock + intensity, 0.0, 1.0)
        self.colors = random.uniform(self.low, self.high)

    def advance(self) -> None:
        step = self._random.normal(0.0, self._spread, self.colors.shape)
        self.colors = np.clip(self.colors + step, self.low, self.high)


class _BoundColor(Restoring):
    def __init__(self, scene: Scene, intensity: float) -> None:
        super().__init__(scene, scene.model.mat_rgba[:, :3])
        self._model, self._intensity = scene.model, intensity
        self._stock = self._model.mat_rgba[:, :3].astype(np.float64)

    def begin_episode(self, seed: int, episode: int) -> Mapping[str, Any]:
        random = draws("distracting color", seed, episode)
        self._walk = ColorWalk(self._stock, self._intensity, random)
        return {}

    def after_control_step(self, count: int) -> None:
        if count % PERIOD == 0:
            self._walk.advance()

    def before_render(self, step: int) -> None:
        self._model.mat_rgba[:, :3] = self._walk.colors
