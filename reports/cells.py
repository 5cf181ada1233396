"""The rows of a table, found by task, setting and variant: what each training seed's episodes gave."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.reports import statistics
from harness.reports.table import Expected
from harness.reports.variants import SAMPLE, Variant

if TYPE_CHECKING:
    import pandas as pd

Sample = tuple[int | None, int, int]  # the columns SAMPLE of a row


class Cells:
    """Samples by task, setting and variant."""

    def __init__(self, rows: pd.DataFrame, variants: list[Variant], index: list[int], expected: Expected) -> None:
        self.expected = expected
        self.variants = variants
        self.rows = {
            (str(task), str(setting), int(str(variant))): cell.sort_values(list(SAMPLE))
            for (task, setting, variant), cell in rows.assign(variant=index).groupby(["task", "setting", "variant"])
        }
        # Every line asks several times, and so does the mean over tasks.
        self._sampled: dict[tuple[str, str, int], tuple[Sample, ...]] = {}
        self._gave: dict[tuple[str, str, int, str], dict[Any, statistics.Floats] | None] = {}
        self._unseeded: dict[int, bool] = {}  # variant -> whether none of its rows has a training seed
        for (_, _, number), cell in self.rows.items():
            self._unseeded[number] = self._unseeded.get(number, True) and bool(cell["train_seed"].isna().all())

    def present(self, tasks: Iterable[str], setting: str) -> list[int]:
        """The variants that have something for one of the tasks in the setting (or view)."""
        return [v for v in range(len(self.variants)) if any(self.count(task, setting, v) for task in tasks)]

    def absent_agents(self, tasks: Iterable[str], setting: str) -> list[str]:
        """The agents of the table that have none; "" if the table is empty."""
        here = {self.variants[v].agent for v in self.present(tasks, setting)}
        agents = dict.fromkeys(variant.agent for variant in self.variants)
        return [agent for agent in agents if agent not in here] if agents else [""]

    def count(self, task: str, setting: str, variant: int) -> int:
        """How many episodes there are; of a view, those that all its settings have."""
        return len(self._shared(task, setting, variant))

    def samples(self, task: str, setting: str, variant: int, what: str) -> dict[Any, statistics.Floats] | None:
        """What each training seed's episodes gave, in the order of seeds; None if there is nothing or not everywhere.

        In a view, an episode's outcome is its mean over the settings: episode i starts from the same state in each.

        Args:
          what: "return", "success", or "success:NAME" for one of the suite's own definitions.
        """
        key = (task, setting, variant, what)
        if key not in self._gave:
            self._gave[key] = self._samples(*key)
        return self._gave[key]

    def _samples(self, task: str, setting: str, variant: int, what: str) -> dict[Any, statistics.Floats] | None:
        parts = [_outcomes(cell, what) for cell in self._parts(task, setting, variant) if cell is not None]
        if len(parts) < len(self.expected.settings_of(setting)) or not all(parts):
            return None
        found: dict[Any, list[float]] = {}
        for sample in self._shared(task, setting, variant):
            found.setdefault(sample[0], []).append(sum(part[sample] for part in parts) / len(parts))
        return {seed: np.asarray(values, dtype=np.float64) for seed, values in found.items()} or None

    def seeds(self, variant: int) -> tuple[int | None, ...]:
        """The seeds a variant should have: a policy that is not made from one has none, whatever others have."""
        seeded = tuple(seed for seed in self.expected.train_seeds if seed is not None)
        return (None,) if self._unseeded.get(variant, False) else seeded or (None,)

    def complete(self, task: str, setting: str, variant: int) -> list[statistics.Floats] | None:
        """The samples of all expected seeds in the table's metric; None unless each has all its episodes."""
        expected = self.expected
        samples = self.samples(task, setting, variant, expected.metric) or {}
        found = [samples.get(seed, ()) for seed in self.seeds(variant)]
        return list(samples.values()) if all(len(values) >= expected.episodes for values in found) else None

    def episodes(self, task: str, setting: str, variant: int) -> dict[Any, list[tuple[int, int]]]:
        """Which episodes each training seed has, as (eval_seed, episode), in the order of `samples`."""
        found: dict[Any, list[tuple[int, int]]] = {}
        for train_seed, *episode in self._shared(task, setting, variant):
            found.setdefault(train_seed, []).append((episode[0], episode[1]))
        return found

    def remarks(self, tasks: Iterable[str], setting: str, variant: int) -> tuple[str, ...]:
        """What the rows themselves say a reader must know: where they are from, stand-ins, then notes."""
        cells = [cell for task in tasks for cell in self._parts(task, setting, variant) if cell is not None]
        stand_ins = [f"made with stand-ins ({text})" for cell in cells for text in cell["stand_ins"].unique() if text]
        notes = [text for cell in cells for text in cell["notes"].unique() if text]
        origin = self.variants[variant].origin
        elsewhere = [f"not measured here, but from {origin}"] if origin and cells else []
        return tuple(dict.fromkeys([*elsewhere, *stand_ins, *notes]))

    def definitions(self, task: str, setting: str, variant: int) -> set[str]:
        """Names of the success definitions the cell's rows hold."""
        cells = [cell for cell in self._parts(task, setting, variant) if cell is not None]
        return {name for cell in cells for text in cell["successes_json"].unique() for name in json.loads(text)}

    def _parts(self, task: str, setting: str, variant: int) -> list[pd.DataFrame | None]:
        """The rows of each setting that a block is about."""
        return [self.rows.get((task, name, variant)) for name in self.expected.settings_of(setting)]

    def _shared(self, task: str, setting: str, variant: int) -> tuple[Sample, ...]:
        """The samples that all settings of a block have, in the order of the rows."""
        key = (task, setting, variant)
        if key not in self._sampled:
            first, *others = self._parts(*key)
            rest = [set(_samples_in(cell)) for cell in others]
            found = (sample for sample in _samples_in(first) if all(sample in there for there in rest))
            self._sampled[key] = tuple(found)
        return self._sampled[key]


def _samples_in(cell: pd.DataFrame | None) -> list[Sample]:
    """Which sample each row is; a policy that was not trained here has no training seed."""
    if cell is None:
        return []
    seeds = [
        int(seed) if there else None for seed, there in zip(cell["train_seed"], cell["train_seed"].notna(), strict=True)
    ]
    return list(zip(seeds, cell["eval_seed"].tolist(), cell["episode"].tolist(), strict=True))


def _outcomes(cell: pd.DataFrame, what: str) -> dict[Sample, float]:
    """What each sample of a cell gave; empty if one of them lacks it."""
    values = cell["episode_return"].to_numpy(np.float64) if what == "return" else _successes(cell, what)
    if np.isnan(values).any():
        return {}
    return dict(zip(_samples_in(cell), values, strict=True))


def _successes(cell: pd.DataFrame, what: str) -> statistics.Floats:
    """0, 1 or, where it is not told, NaN, for every row."""
    _, _, name = what.partition(":")
    if not name:
        return np.asarray(cell["success"].astype("boolean").to_numpy(np.float64, na_value=np.nan))
    told = {text: json.loads(text).get(name) for text in cell["successes_json"].unique()}
    return np.array([np.nan if told[text] is None else told[text] for text in cell["successes_json"]], np.float64)
