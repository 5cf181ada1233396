"""Lights that stand elsewhere, point elsewhere, shine in another colour, or move."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from harness.lazy import np
from harness.spec import BoundShift, Shift
from harness.suites.shifts.scene import DrawnField, Restoring, Scene, Vector, blend

if TYPE_CHECKING:
    from harness.assets.store import AssetStore


@dataclass(frozen=True)
class LightPosition(Shift):
    """Every light's position drawn uniformly from a box at each reset.

    Defaults: RRL's distractor (ShahRutav/mj_envs@0729354); the Adroit light stands at (-1, -1, 4).

    Attributes:
      low, high: corners of the box, metres.
      intensity: 1 draws from the box; 0 keeps the nominal position; between them the draw is pulled towards it.
    """

    low: Vector = (-1.0, -1.0, 2.0)
    high: Vector = (0.5, 0.5, 5.0)
    intensity: float = 1.0
    sets: ClassVar[tuple[str, ...]] = ("light_pos",)

    def bind(self, simulation: Scene, assets: AssetStore) -> BoundShift:  # type: ignore[override]
        def draw(rng: np.random.Generator, nominal: np.ndarray) -> np.ndarray:
            return blend(nominal, rng.uniform(self.low, self.high, nominal.shape), self.intensity)

        return DrawnField(simulation, "light_position", "light_pos", draw)


@dataclass(frozen=True)
class LightDirection(Shift):
    """Every light's direction drawn uniformly from a box at each reset; its length is of no consequence.

    Defaults: RRL's distractor (ShahRutav/mj_envs@0729354); the Adroit light points along (1, 1, -4), normalised.

    Attributes:
      low, high: corners of the box.
      intensity: as of `LightPosition`.
    """

    low: Vector = (-0.25, -0.25, -1.0)
    high: Vector = (0.25, 0.25, -0.5)
    intensity: float = 1.0
    sets: ClassVar[tuple[str, ...]] = ("light_dir",)

    def bind(self, simulation: Scene, assets: AssetStore) -> BoundShift:  # type: ignore[override]
        def draw(rng: np.random.Generator, nominal: np.ndarray) -> np.ndarray:
            return blend(nominal, rng.uniform(self.low, self.high, nominal.shape), self.intensity)

        return DrawnField(simulation, "light_direction", "light_dir", draw)


@dataclass(frozen=True)
class LightOffset(Shift):
    """All lights moved by one uniform offset at each reset (RL-ViGen's light position).

    Attributes:
      spread: half sides of the box of offsets, metres.
    """

    spread: Vector
    sets: ClassVar[tuple[str, ...]] = ("light_pos",)

    def bind(self, simulation: Scene, assets: AssetStore) -> BoundShift:  # type: ignore[override]
        def draw(rng: np.random.Generator, nominal: np.ndarray) -> np.ndarray:
            return nominal + rng.uniform(-1.0, 1.0, 3) * self.spread

        return DrawnField(simulation, "light_offset", "light_pos", draw)


@dataclass(frozen=True)
class LightColor(Shift):
    """The lights' diffuse colour: (nominal + offset per channel) x factor, both drawn at each reset (RL-ViGen).

    Attributes:
      spread: the largest offset of a channel, either way.
      low, high: bounds of the factor.
    """

    spread: float
    low: float
    high: float
    sets: ClassVar[tuple[str, ...]] = ("light_diffuse",)

    def bind(self, simulation: Scene, assets: AssetStore) -> BoundShift:  # type: ignore[override]
        def draw(rng: np.random.Generator, nominal: np.ndarray) -> np.ndarray:
            factor = rng.uniform(self.low, self.high)
            return (nominal + rng.uniform(-self.spread, self.spread, 3)) * factor

        return DrawnField(simulation, "light_color", "light_diffuse", draw)


@dataclass(frozen=True)
class MovingLight(Shift):
    """Lights that travel to and fro along y, a stretch with every step of the agent (RL-ViGen's moving light).

    Every episode starts in the middle and upwards (in RL-ViGen in the direction in which the one before ended).

    Attributes:
      step: metres per step of the agent.
      reach: they turn round at this distance from where they started, metres.
    """

    step: float
    reach: float
    sets: ClassVar[tuple[str, ...]] = ("light_pos",)

    def bind(self, simulation: Scene, assets: AssetStore) -> BoundShift:  # type: ignore[override]
        return _BoundMovingLight(simulation, self)


class _BoundMovingLight(Restoring):
    def __init__(self, scene: Scene, shift: MovingLight) -> None:
        super().__init__(scene, scene.model.light_pos)
        self._shift = shift
        self._nominal = scene.model.light_pos[:, 1].copy()

    def begin_episode(self, seed: int, episode: int) -> Mapping[str, Any]:
        self._scene.model.light_pos[:, 1] = self._nominal
        return {}

    def before_render(self, step: int) -> None:
        import mujoco

        offset = self._shift.step * moves(step, turn=round(self._shift.reach / self._shift.step))
        self._scene.model.light_pos[:, 1] = self._nominal + offset
        mujoco.mj_camlight(self._scene.model, self._scene.data)  # poses of lights and cameras, nothing else


def moves(count: int, *, turn: int) -> int:
    """Where a walker on the integers is after `count` moves that starts at 0 upwards and turns round at +-`turn`."""
    phase = (count + turn) % (4 * turn)
    return phase - turn if phase <= 2 * turn else 3 * turn - phase
