"""What the shifts of plain MuJoCo scenes share: a model to write to, and draws that depend on (seed, episode) alone.

Visual fields of the model are written when an episode begins, before the simulation resets, so that its reset computes
world poses from them. `mj_forward` is never called for a picture: it would move the solver's warm start.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol
from zlib import crc32

from harness.lazy import np
from harness.spec import BoundShift

if TYPE_CHECKING:
    import mujoco

    Draw = Callable[[np.random.Generator, np.ndarray], np.ndarray]

Vector = tuple[float, float, float]


class Scene(Protocol):
    """A simulation that shows its compiled model and its state."""

    @property
    def model(self) -> mujoco.MjModel: ...
    @property
    def data(self) -> mujoco.MjData: ...
    def discard_renderer(self) -> None: ...


class SceneWithCameras(Scene, Protocol):
    """A scene that says which of its cameras are drawn."""

    @property
    def cameras(self) -> tuple[int | str, ...]: ...


def drawn_cameras(scene: SceneWithCameras) -> list[int]:
    """The numbers of the cameras that are drawn, in their order."""
    return [scene.model.camera(camera).id for camera in scene.cameras]


def draws(name: str, seed: int, episode: int) -> np.random.Generator:
    """The generator of one shift for one episode; other names give independent draws."""
    return np.random.default_rng(np.random.SeedSequence((crc32(name.encode()), seed, episode)))


def blend(nominal: np.ndarray, drawn: np.ndarray, intensity: float) -> np.ndarray:
    """The drawn value at intensity 1, the nominal one at 0, between or beyond them else."""
    return nominal + intensity * (drawn - nominal)


def facts(values: np.ndarray) -> list[Any]:
    """Numbers worth storing in a row, rounded to a tenth of a millimetre or its like."""
    return np.round(values, 4).tolist()


class Restoring(BoundShift):
    """Remembers what a shift is about to write, and undoes it all when closed, so that training's picture is back.

    Poses of lights and cameras in `data` need not be remembered: they follow from the model and the bodies' poses.

    Args:
      scene: the simulation.
      fields: arrays of its model that the shift writes, live, as yet unwritten.
    """

    def __init__(self, scene: Scene, *fields: np.ndarray) -> None:
        self._scene = scene
        self._fields = [(live, live.copy()) for live in fields]

    def close(self) -> None:
        import mujoco

        for live, was in self._fields:
            live[:] = was
        mujoco.mj_camlight(self._scene.model, self._scene.data)  # poses of lights and cameras, nothing else
        self._scene.discard_renderer()  # it may hold other textures


class DrawnField(Restoring):
    """One field of the model, drawn anew for each episode from its nominal value.

    Args:
      scene: the simulation.
      name: of the shift; seeds its draws.
      field: of `MjModel`, such as "light_pos".
      draw: (generator, nominal value) -> new value, of the same shape.
      told: which entries of the field are worth storing in a row; None stands for all.
    """

    def __init__(self, scene: Scene, name: str, field: str, draw: Draw, told: Sequence[int] | None = None) -> None:
        self._name, self._field, self._draw = name, field, draw
        self._told = slice(None) if told is None else list(told)
        self._array: np.ndarray = getattr(scene.model, field)
        self._nominal = self._array.copy()
        super().__init__(scene, self._array)

    def begin_episode(self, seed: int, episode: int) -> Mapping[str, Any]:
        self._array[:] = self._draw(draws(self._name, seed, episode), self._nominal)
        return {self._field: facts(self._array[self._told])}


class Together(BoundShift):
    """Several bound shifts of one shift, in order."""

    def __init__(self, parts: Sequence[BoundShift]) -> None:
        self._parts = tuple(parts)

    def begin_episode(self, seed: int, episode: int) -> Mapping[str, Any]:
        return {key: value for part in self._parts for key, value in part.begin_episode(seed, episode).items()}

    def close(self) -> None:
        for part in reversed(self._parts):
            part.close()
