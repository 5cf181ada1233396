"""Tables of a hundred colourings of ground, robot and sky: DMC-GB's, or one with its published spread.

In a table's entries, `grid` is the ground and `self` the robot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

from harness.errors import CorruptAssetError
from harness.lazy import np

if TYPE_CHECKING:
    from pathlib import Path

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
    from harness.reading import read_json  # here: it builds schemas, which declarations need not wait for

    entries = read_json(path, _Table, error=CorruptAssetError).colors
    return {name: [entry[name] for entry in entries] for name in NAMES}


@dataclass(frozen=True)
class _Table:
    """The part of the file that counts."""

    colors: list[dict[str, list[float]]]


def _read_npz(path: Path) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in NAMES}


def _as_table(columns: Mapping[str, np.ndarray]) -> ColorTable:
    return tuple({name: tuple(columns[name][i].tolist()) for name in NAMES} for i in range(NUM_COLORS))
