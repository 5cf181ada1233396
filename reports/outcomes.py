"""What every episode gave, found by who was measured and where: sorted columns, for rows by the million."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.reports.statistics import Floats, Pair
from harness.reports.variants import SAMPLE

if TYPE_CHECKING:
    import pandas as pd

Codes = NDArray[np.int64]
Place = tuple[Any, ...]  # who, suite, task, setting

OUTCOMES = ("episode_return", "success")
_LARGE = 2**50  # codes beyond are made dense before they are multiplied again


class Cell(NamedTuple):
    """The episodes of one cell, in the order of (train_seed, eval_seed, episode).

    Attributes:
      samples: which episode of which seed, as a number that is the same in every cell, (n,).
      seeds: a number per training seed, (n,).
      values: what each gave, (n,).
    """

    samples: Codes
    seeds: Codes
    values: Floats

    def of_each_seed(self) -> list[Floats]:
        """The values of each training seed, in the order of seeds."""
        return np.split(self.values, np.flatnonzero(np.diff(self.seeds)) + 1) if len(self.values) else []


class Outcomes:
    """The rows of several entrants as columns."""

    def __init__(self, rows: pd.DataFrame, who: Codes) -> None:
        """Sorts the rows.

        Args:
          rows: with the columns suite, task, setting, those of `SAMPLE`, and `OUTCOMES`.
          who: to which entrant each row belongs, (rows,).
        """
        self._places, cells = _dense([who, *(codes_of(rows[name]) for name in ("suite", "task", "setting"))])
        samples, self._num_per_seed = _sample_codes(rows)
        order = np.lexsort((samples, cells))
        repeated = np.zeros(len(order), np.bool_)
        repeated[1:] = (np.diff(cells[order]) == 0) & (np.diff(samples[order]) == 0)
        values = {name: _floats(rows[name])[order] for name in OUTCOMES}
        #: How many episodes were found again with the same outcome, and with another.
        self.num_repeated, self.num_contradicting = _count_repeats(repeated, values)
        order = order[~repeated]
        self._values = {name: column[~repeated] for name, column in values.items()}
        self._samples = samples[order]
        names = [rows[name].astype(object).to_numpy() for name in ("suite", "task", "setting")]
        starts = np.flatnonzero(np.diff(cells[order], prepend=-1))
        stops = np.append(starts[1:], len(order))[: len(starts)]
        self._slices: dict[Place, slice] = {
            (int(who[order[a]]), *(str(column[order[a]]) for column in names)): slice(a, b)
            for a, b in zip(starts.tolist(), stops.tolist(), strict=True)
        }
        self._largest: dict[tuple[int, str | None], int] = {}
        for (entrant, suite, _, _), found in self._slices.items():
            self._largest[entrant, suite] = max(self.largest((entrant, suite)), found.stop - found.start)

    def places(self) -> list[Place]:
        """Every (who, suite, task, setting) with episodes."""
        return list(self._slices)

    def count(self, place: Place) -> int:
        """How many episodes a cell has."""
        found = self._slices.get(place)
        return 0 if found is None else found.stop - found.start

    def largest(self, whose: tuple[int, str | None]) -> int:
        """How many episodes the largest cell of an entrant in a suite has."""
        return self._largest.get(whose, 0)

    def cell(self, place: Place, metric: str) -> Cell | None:
        """The episodes of a cell; None if there are none, or one has no such outcome.

        Args:
          place: (who, suite, task, setting).
          metric: "return" or "success".
        """
        found = self._slices.get(place)
        if found is None:
            return None
        values = self._values["success" if metric == "success" else "episode_return"][found]
        samples = self._samples[found]
        return None if np.isnan(values).any() else Cell(samples, samples // self._num_per_seed, values)

    def view(self, places: Sequence[Place], metric: str) -> Cell | None:
        """The episodes that several cells have in common, each with its mean over them; None if one cell is missing."""
        cells = [self.cell(place, metric) for place in places]
        there = [cell for cell in cells if cell is not None]
        if not there or len(there) < len(cells):
            return None
        if len(there) == 1:
            return there[0]
        common = there[0].samples
        for cell in there[1:]:
            common = common[np.isin(common, cell.samples, assume_unique=True)]
        values = np.mean([cell.values[np.searchsorted(cell.samples, common)] for cell in there], axis=0)
        return Cell(common, common // self._num_per_seed, values) if len(common) else None


def pair_of(train: Cell, shifted: Cell) -> Pair | None:
    """What the episodes that two settings share gave in each; None if there are none."""
    common = train.samples[np.isin(train.samples, shifted.samples, assume_unique=True)]
    if not len(common):
        return None
    sides = [
        Cell(common, side.seeds[at], side.values[at]).of_each_seed()
        for side in (train, shifted)
        for at in [np.searchsorted(side.samples, common)]
    ]
    return Pair(sides[0], sides[1], [True] * len(sides[0]))


def codes_of(column: pd.Series) -> Codes:
    """A number for each different value, (rows,), in the order of the values; an absent one comes first."""
    import pandas as pd

    if isinstance(column.dtype, pd.CategoricalDtype):
        ordered = column.cat.categories.argsort().argsort()
        return np.append(np.asarray(ordered, np.int64), -1)[column.cat.codes.to_numpy()] + 1
    codes, _ = pd.factorize(column, sort=True)
    return np.asarray(codes, np.int64) + 1


def combined_codes(columns: Sequence[Codes]) -> Codes:
    """A number for each different combination of codes that are not negative, in their order."""
    whole = np.zeros(len(columns[0]), np.int64)
    size = 1
    for codes in columns:
        extent = int(codes.max(initial=0)) + 1
        if size * extent > _LARGE:
            whole = np.unique(whole, return_inverse=True)[1].astype(np.int64)
            size = int(whole.max(initial=0)) + 1
        whole, size = whole * extent + codes, size * extent
    return whole


def _dense(columns: Sequence[Codes]) -> tuple[int, Codes]:
    values, codes = np.unique(combined_codes(columns), return_inverse=True)
    return len(values), codes.astype(np.int64)


def _sample_codes(rows: pd.DataFrame) -> tuple[Codes, int]:
    """Which sample each row is, and by what to divide to have its training seed."""
    train_seed, *others = (codes_of(rows[name]) for name in SAMPLE)
    num_others, episode = _dense(others)
    return train_seed * max(num_others, 1) + episode, max(num_others, 1)


def _floats(column: pd.Series) -> Floats:
    return np.asarray(column.to_numpy(np.float64, na_value=np.nan))


def _count_repeats(repeated: NDArray[np.bool_], values: dict[str, Floats]) -> tuple[int, int]:
    """Of the rows that repeat the one before: how many say the same, and how many do not."""
    again = np.flatnonzero(repeated)
    differ = np.zeros(len(again), np.bool_)
    for column in values.values():
        now, before = column[again], column[again - 1]
        differ |= (now != before) & ~(np.isnan(now) & np.isnan(before))
    return int((~differ).sum()), int(differ.sum())
