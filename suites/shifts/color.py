"""DMC-GB's random colours: one of a hundred colourings of ground, robot and sky per episode."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal
from zipfile import BadZipFile

import numpy as np
from pydantic import BaseModel, ConfigDict

from harness.errors import CorruptAssetError
from harness.reading import read_json
from harness.spec import BoundShift, Shift
from harness.suites.shifts.scene import Restoring

if TYPE_CHECKING:
    from pathlib import Path

    from harness.assets.store import AssetStore
    from harness.suites.domains.dmcontrol import DMControlSimulation

NUM_COLORS = 100
DRAWN = ("grid_rgb1", "self_rgb", "skybox_rgb")
NAMES = (*DRAWN, "grid_rgb2")
GRID_STEP = 0.1  # grid_rgb2 = grid_rgb1 + this, in every channel

# Stock colours, and the spread of the published tables around them (standard deviation per channel).
STOCK = {"grid_rgb1": (0.1, 0.2, 0.3), "self_rgb": (0.7, 0.5, 0.3), "skybox_rgb": (0.4, 0.6, 0.8)}
SPREAD = {
    "easy": {"grid_rgb1": 0.09, "self_rgb": 0.10, "skybox_rgb": 0.10},
    "hard": {"grid_rgb1": 0.17, "self_rgb": 0.19, "skybox_rgb": 0.19},
}

ColorTable = tuple[Mapping[str, tuple[float, ...]], ...]


@dataclass(frozen=True)
class RandomColor(Shift):
    """Colours of ground, robot and sky drawn anew at each reset (DMC-GB, Hansen & Wang 2021).

    Episode i of seed s shows entry number i of the stream `RandomState(s).randint(100)`, with replacement. "Robot"
    means the material `self` only: the ball of the cup, fingertips, rails and decorations keep their colours.
    """

    sets: ClassVar[tuple[str, ...]] = ("sky", "mat_rgba")

    level: Literal["easy", "hard"]

    @property
    def assets(self) -> tuple[str, ...]:
        return (f"color_{self.level}",)

    def bind(self, simulation: DMControlSimulation, assets: AssetStore) -> BoundShift:  # type: ignore[override]
        found = assets.find(f"color_{self.level}")
        table = stand_in_table(self.level) if found.stand_in else load_table(found.files[0])
        return _BoundColor(simulation, table, self.choose)

    def choose(self, seed: int, episode: int) -> int:
        """The entry shown in an episode."""
        return color_index(seed, episode)


@dataclass(frozen=True)
class SequentialColor(RandomColor):
    """The same colours one after the other, from an entry that the seed chooses (DMC-GB2, Almuzairee et al. 2024)."""

    def choose(self, seed: int, episode: int) -> int:
        return (first_entry(seed) + episode) % NUM_COLORS


class _BoundColor(Restoring):
    def __init__(self, simulation: DMControlSimulation, table: ColorTable, choose: Callable[[int, int], int]) -> None:
        super().__init__(simulation, simulation.model.mat_rgba, simulation.model.tex_data)  # what `recolor` writes
        self._simulation = simulation
        self._table = table
        self._choose = choose

    def begin_episode(self, seed: int, episode: int) -> Mapping[str, Any]:
        color = self._choose(seed, episode)
        self._simulation.recolor(self._table[color])
        return {"color": color}


def color_index(seed: int, episode: int) -> int:
    """The entry shown in an episode: one draw per reset of a generator made once per environment."""
    return int(np.random.RandomState(seed).randint(NUM_COLORS, size=episode + 1)[-1])


def first_entry(seed: int) -> int:
    """Where DMC-GB2's counters of colours and videos start."""
    return int(np.random.RandomState(seed).randint(100))


def load_table(path: Path) -> ColorTable:
    """Reads a table of colours.

    Args:
      path: `.json` ({"colors": [{name: [r, g, b]}]}) or `.npz` ({name: float64 (100, 3)}).
    Raises:
      CorruptAssetError: if it is not a hundred entries of the four colours.
    """
    try:
        columns = _read_npz(path) if path.suffix == ".npz" else _read_json(path)
        arrays = {name: np.asarray(columns[name], np.float64) for name in NAMES}
    except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile) as error:
        raise CorruptAssetError(f"'{path}' is not a table of colours ({error!r}).") from error
    for name, array in arrays.items():
        if array.shape != (NUM_COLORS, 3) or not ((array >= 0.0) & (array <= 1.0)).all():
            raise CorruptAssetError(f"'{path}' does not hold {NUM_COLORS} colours from 0 to 1 called {name}.")
    return _as_table(arrays)


def stand_in_table(level: str) -> ColorTable:
    """A seeded table with the published spread around the stock colours; other colours than the published ones."""
    random = np.random.RandomState(NUM_COLORS)
    arrays = {}
    for name in DRAWN:
        noise = random.standard_normal((NUM_COLORS, 3)) * SPREAD[level][name]
        arrays[name] = np.clip(np.array(STOCK[name]) + noise, 0.0, 1.0 - GRID_STEP)
    return _as_table({**arrays, "grid_rgb2": arrays["grid_rgb1"] + GRID_STEP})


def _read_json(path: Path) -> dict[str, Any]:
    entries = read_json(path, _Table, error=CorruptAssetError).colors
    return {name: [entry[name] for entry in entries] for name in NAMES}


class _Table(BaseModel):
    """The part of the file that counts."""

    model_config = ConfigDict(strict=True)

    colors: list[dict[str, list[float]]]


def _read_npz(path: Path) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in NAMES}


def _as_table(columns: Mapping[str, np.ndarray]) -> ColorTable:
    return tuple({name: tuple(columns[name][i].tolist()) for name in NAMES} for i in range(NUM_COLORS))
