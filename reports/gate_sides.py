"""From rows to what the regression gate compares: checks that both sides measured the same, and pairs their episodes.

Whatever is not as it should be ends in a refusal that names the field or the place, and never in a verdict.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.reports.gate_test import Evidence, Noise
from harness.reports.statistics import Floats
from harness.reports.variants import ORIGIN, SAMPLE
from harness.results.comparison_key import COMPARISON_KEY
from harness.results.rows import shortened
from harness.results.text import escaped

if TYPE_CHECKING:
    import pandas as pd

Place = tuple[str, str, str]  # suite, task, setting
Sample = tuple[int, int]  # eval_seed, episode
PLACE = ("suite", "task", "setting")
KEY = (*COMPARISON_KEY, ORIGIN)  # what was imported is not what was measured, unless somebody says so
WAIVABLE = tuple(name for name in KEY if name not in PLACE)
OUTCOMES = ("episode_return", "success")
COLUMNS = (*KEY, *SAMPLE, *OUTCOMES, "checkpoint", "first_pixels", "trajectory")
NOISES = ("auto", "episodes", "seeds")
_UNSEEDED = -1  # stands for the seed of a policy that is not made from one


class GateError(ValueError):
    """Why two sides cannot be compared, in one sentence."""


@dataclass(frozen=True)
class Episode:
    """What the gate keeps of one row."""

    value: float
    first_pixels: str
    trajectory: str


@dataclass(frozen=True)
class Cell:
    """The episodes of one policy in one place."""

    checkpoint: str
    episodes: dict[Sample, Episode]


@dataclass(frozen=True)
class Side:
    """The baseline or the candidate.

    Attributes:
      name: "baseline" or "candidate".
      keys: of every place, how it was measured: the values of `KEY`.
      cells: by place and training seed (-1 for a policy without one).
    """

    name: str
    keys: dict[Place, tuple[Any, ...]]
    cells: dict[Place, dict[int, Cell]]

    def values(self, field: str) -> list[Any]:
        """The different values of a field of the comparison key, sorted."""
        return sorted({key[KEY.index(field)] for key in self.keys.values()})


@dataclass(frozen=True)
class Line:
    """One line of the gate: a task over its settings, or one setting of it.

    Attributes:
      suite, task: of the line.
      settings: over which its outcomes are means.
      evidence: what both sides gave.
      num_same: pairs of episodes that went exactly alike, if any were recorded.
      num_redrawn: pairs that began with different pictures.
      notes: what was left out.
    """

    suite: str
    task: str
    settings: tuple[str, ...]
    evidence: Evidence
    num_same: int
    num_redrawn: int
    notes: tuple[str, ...]


def side_of(rows: pd.DataFrame, name: str, metric: str) -> Side:
    """One side of the comparison.

    Args:
      rows: one line per episode, with `COLUMNS`.
      name: of the side, for sentences.
      metric: "return" or "success".

    Raises:
      GateError: if there are no rows, a place was measured in two ways, or an episode has two outcomes or none.
    """
    if rows.empty:
        raise GateError(f"The {name} has no rows: nothing has been measured there yet.")
    keys: dict[Place, tuple[Any, ...]] = {}
    for key in rows[list(KEY)].drop_duplicates().itertuples(index=False, name=None):
        place = _place_of(key)
        if place in keys:
            told = _differing([(name, keys[place]), (name, key)], ())
            raise GateError(f"The {name} holds {_told(place)} measured in two ways: {told}. Name one run of it.")
        keys[place] = key
    return Side(name, keys, _cells(rows, name, metric))


def check_alike(baseline: Side, candidate: Side, across: Sequence[str]) -> None:
    """Checks that both sides measured the same places in the same way.

    Args:
      across: fields of the comparison key that may differ.

    Raises:
      GateError: if the candidate lacks a place, or a field differs.
    """
    missing = [place for place in baseline.keys if place not in candidate.keys]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise GateError(
            f"The candidate has no episodes of {_told(missing[0])}{more}, which the baseline has: measure it, or "
            f"narrow the gate with --suite, --task or --setting."
        )
    pairs = [(("baseline", key), ("candidate", candidate.keys[place])) for place, key in baseline.keys.items()]
    told = [text for pair in pairs if (text := _differing(pair, across))]
    if told:
        fields = dict.fromkeys(f for pair in pairs for f in _fields([key for _, key in pair], across))
        remedy = " ".join(f"--across {field}" for field in fields)
        raise GateError(
            f"Baseline and candidate were not measured alike: {told[0]}. To compare them all the same: {remedy}."
        )


def lines_of(baseline: Side, candidate: Side, noise: str, *, each_setting: bool, metric: str) -> list[Line]:
    """What is tested, one line per task or setting, in the baseline's order.

    Raises:
      GateError: if a side is unfinished, or nothing of a task was measured on both.
    """
    groups: dict[tuple[str, ...], list[Place]] = {}
    for place in baseline.cells:
        groups.setdefault(place if each_setting else place[:2], []).append(place)
    for side in (baseline, candidate):
        _check_finished(side, baseline.cells)
    return [_line(baseline, candidate, places, noise, metric) for places in groups.values()]


def tables_of(side: Side, *, each_setting: bool) -> dict[tuple[str, ...], list[Floats]]:
    """Per line of one side, the outcomes of each policy, means over the line's settings."""
    _check_finished(side, side.cells)
    found = {}
    for name, places in _places(side, each_setting=each_setting).items():
        trainings = sorted(side.cells[places[0]])
        found[name] = [_values(side, places, seed, _samples([side], places, seed)) for seed in trainings]
    return found


def num_settings(side: Side, *, each_setting: bool) -> dict[tuple[str, ...], int]:
    """Per line of one side, over how many settings its outcomes are means."""
    return {name: len(places) for name, places in _places(side, each_setting=each_setting).items()}


def _places(side: Side, *, each_setting: bool) -> dict[tuple[str, ...], list[Place]]:
    groups: dict[tuple[str, ...], list[Place]] = {}
    for place in side.cells:
        groups.setdefault(place if each_setting else place[:2], []).append(place)
    return groups


def _cells(rows: pd.DataFrame, name: str, metric: str) -> dict[Place, dict[int, Cell]]:
    found: dict[Place, dict[int, Cell]] = {}
    row: Any
    for row in rows[list(COLUMNS)].itertuples(index=False):
        place: Place = (str(row.suite), str(row.task), str(row.setting))
        seed = _UNSEEDED if _is_absent(row.train_seed) else int(row.train_seed)
        cell = found.setdefault(place, {}).setdefault(seed, Cell(str(row.checkpoint), {}))
        where = f"{_told(place)}, training seed {_seed_text(seed)}"
        if str(row.checkpoint) != cell.checkpoint:
            raise GateError(f"The {name} holds two policies of {where}: name one run of it.")
        episode = Episode(_value(row, metric, where, name), str(row.first_pixels), str(row.trajectory))
        if cell.episodes.setdefault((int(row.eval_seed), int(row.episode)), episode).value != episode.value:
            raise GateError(f"The {name} holds two outcomes of episode {row.episode} of {where}.")
    return dict(sorted(found.items()))


def _value(row: Any, metric: str, where: str, name: str) -> float:
    value = row.success if metric == "success" else row.episode_return
    if _is_absent(value):
        raise GateError(f"The {name} has no success in episode {row.episode} of {where}: compare --on return.")
    if not np.isfinite(float(value)):
        raise GateError(f"The {name} has a return that is no number in episode {row.episode} of {where}.")
    return float(value)


def _is_absent(value: Any) -> bool:
    import pandas as pd

    return value is None or value is pd.NA


def _check_finished(side: Side, places: Iterable[Place]) -> None:
    """A side that is still measured would be judged by what happened to be ready.

    Raises:
      GateError: if a policy was not measured in all settings of its task, or has fewer episodes than others of a suite.
    """
    most: dict[str, int] = {}
    everywhere: dict[tuple[str, str], set[int]] = {}
    for suite, task, setting in places:
        cells = side.cells[suite, task, setting]
        most[suite] = max([most.get(suite, 0), *(len(cell.episodes) for cell in cells.values())])
        everywhere.setdefault((suite, task), set()).update(cells)
    for place in places:
        for seed in sorted(everywhere[place[:2]]):
            cell = side.cells[place].get(seed)
            have = len(cell.episodes) if cell else 0
            if have < most[place[0]]:
                raise GateError(
                    f"The {side.name} is unfinished: {_told(place)}, training seed {_seed_text(seed)} has {have} of "
                    f"{most[place[0]]} episodes; the same harness run goes on with it."
                )


def _line(baseline: Side, candidate: Side, places: Sequence[Place], noise: str, metric: str) -> Line:
    sides = (baseline, candidate)
    seeds = [sorted(side.cells[places[0]]) for side in sides]
    common = [seed for seed in seeds[0] if seed in seeds[1]]
    source = _noise(noise, sides, places, common)
    shared = {seed: _samples(sides, places, seed) for seed in common}
    is_paired = bool(common) and all(shared.values()) and _same_version(sides, places)
    notes = []
    if source == "seeds" and seeds[0] != seeds[1]:  # trainings that have no partner count as well
        is_paired = False
    elif common and seeds[0] != seeds[1]:
        notes.append(f"only the policies of both sides are compared: {len(common)} of {max(map(len, seeds))}")
        seeds = [common, common]
    values = [
        [_values(side, places, s, shared[s] if is_paired else _samples([side], places, s)) for s in of]
        for side, of in zip(sides, seeds, strict=True)
    ]
    same, redrawn = _compared(sides, places, shared) if is_paired else (0, 0)
    evidence = Evidence(values[0], values[1], is_paired, source, metric, len(places))
    suite, task, _ = places[0]
    return Line(suite, task, tuple(setting for _, _, setting in places), evidence, same, redrawn, tuple(notes))


def _noise(asked: str, sides: Sequence[Side], places: Sequence[Place], common: Sequence[int]) -> Noise:
    """Episodes where both sides are known to be the same policies, or asked for; else trainings."""
    if asked == "episodes":
        return "episodes"
    same = asked == "auto" and bool(common)
    for place in places:
        first, second = (side.cells[place] for side in sides)
        same = same and all(first[seed].checkpoint == second[seed].checkpoint for seed in common)
    return "episodes" if same else "seeds"


def _samples(sides: Sequence[Side], places: Sequence[Place], seed: int) -> list[Sample]:
    """The episodes of a policy that all sides have in all places, in order."""
    found = [set(side.cells[place][seed].episodes) for side in sides for place in places]
    return sorted(set.intersection(*found))


def _values(side: Side, places: Sequence[Place], seed: int, samples: Sequence[Sample]) -> Floats:
    """The outcomes of one policy's episodes, means over places."""
    if not samples:
        raise GateError(f"The {side.name} has no episode that all settings of {places[0][1]} share.")
    table = [[side.cells[place][seed].episodes[sample].value for sample in samples] for place in places]
    return np.asarray(np.mean(table, axis=0), dtype=np.float64)


def _same_version(sides: Sequence[Side], places: Sequence[Place]) -> bool:
    """Whether equal numbers of episodes mean equal start states: those are a matter of the suite's version."""
    index = KEY.index("suite_version")
    return all(len({side.keys[place][index] for side in sides}) == 1 for place in places)


def _compared(sides: Sequence[Side], places: Sequence[Place], shared: dict[int, list[Sample]]) -> tuple[int, int]:
    """How many pairs of episodes went exactly alike, and how many began with different pictures."""
    pairs = [
        tuple(side.cells[place][seed].episodes[sample] for side in sides)
        for place in places
        for seed, samples in shared.items()
        for sample in samples
    ]
    same = sum(bool(x.trajectory) and x.trajectory == y.trajectory for x, y in pairs)
    return same, sum(x.first_pixels != y.first_pixels for x, y in pairs)


def _place_of(key: Sequence[Any]) -> Place:
    suite, task, setting = (str(key[KEY.index(name)]) for name in PLACE)
    return suite, task, setting


def _told(place: Place) -> str:
    return escaped(", ".join(place[1:]))


def _seed_text(seed: int) -> str:
    return "none" if seed == _UNSEEDED else str(seed)


def _fields(keys: Sequence[Sequence[Any]], across: Sequence[str]) -> list[str]:
    """Which fields differ between two ways of measuring one place."""
    return [name for index, name in enumerate(KEY) if name not in across and str(keys[0][index]) != str(keys[1][index])]


def _differing(sides: Sequence[tuple[str, Sequence[Any]]], across: Sequence[str]) -> str:
    """What differs, such as `code_revision: baseline abc, candidate def`; empty if nothing does."""
    texts = []
    for name in _fields([key for _, key in sides], across):
        values = [str(key[KEY.index(name)]) for _, key in sides]
        if name.endswith("_json"):
            values = _differing_entries(values)
        told = ", ".join(
            f"{side} {shortened(value) or '(empty)'}" for (side, _), value in zip(sides, values, strict=True)
        )
        texts.append(f"{name}: {told}")
    return escaped("; ".join(texts))


def _differing_entries(texts: Sequence[str]) -> list[str]:
    """Of objects in JSON, the entries that differ."""
    parsed = [json.loads(text) for text in texts]
    common = {name for name, value in parsed[0].items() if parsed[1].get(name) == value}
    return [" ".join(f"{k}={shortened(str(v), 24)}" for k, v in each.items() if k not in common) for each in parsed]
