"""Which rows may stand together: every row of a table gets a variant, and rows of two variants never share a number."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.results.comparison_key import COMPARISON_KEY

if TYPE_CHECKING:
    import pandas as pd

Place = tuple[str, str]  # task, setting
Key = tuple[Any, ...]  # values of COMPARISON_KEY

SAMPLE = ("train_seed", "eval_seed", "episode")  # which sample of a cell a row is
CELL_FIELDS = (  # may differ from cell to cell of one measurement; all others are the same throughout
    "task",
    "setting",
    "config_hash",
    "training",
    "train_frames",
    "action_repeat",
    "episode_frames",
    "assets_json",
    "stand_ins",
    "notes",
)
AGENT_FIELDS = ("agent", "agent_version", "config_hash", "training", "assets_json")  # make two agents two agents
TRAINED_FIELDS = ("train_frames", "compute")  # say nothing of agents that were not trained
_WIDE = tuple(COMPARISON_KEY.index(name) for name in COMPARISON_KEY if name not in CELL_FIELDS)
_CONFIG = COMPARISON_KEY.index("config_hash")
_NAMES = {"training": "trained under other conditions"}  # what a reader is told instead of the column's name


@dataclass
class Variant:
    """Cells measured alike: one comparison key per cell.

    Attributes:
      wide: the values that are the same in all its cells.
      keys: the whole key of each cell.
      label: the agent's name, with a letter where the agent has several variants.
    """

    wide: Key
    keys: dict[Place, Key] = field(default_factory=dict)
    label: str = ""

    @property
    def agent(self) -> str:
        return str(self.values("agent")[0])

    @property
    def is_trained(self) -> bool:
        return self.values("train_frames")[-1] > 0

    def values(self, name: str) -> list[Any]:
        """The different values of a field over its cells, sorted."""
        index = COMPARISON_KEY.index(name)
        return sorted({key[index] for key in self.keys.values()})

    def accepts(self, keys: Mapping[Place, Key]) -> bool:
        """Whether other cells were measured alike: equal wherever they overlap, else at least settings in common."""
        if any(tuple(key[i] for i in _WIDE) != self.wide for key in keys.values()):
            return False
        common = self.keys.keys() & keys.keys()
        if any(self.keys[place] != keys[place] for place in common):
            return False
        return bool(common) or {k[_CONFIG] for k in keys.values()} <= {k[_CONFIG] for k in self.keys.values()}


def assign_variants(rows: pd.DataFrame) -> tuple[list[Variant], list[int]]:
    """Sorts rows into as few variants as their keys allow.

    Rows of one run belong together unless one of its cells was measured under two keys (as after an update of the
    code between two sittings); runs belong together if they agree wherever they overlap.

    Args:
      rows: one line per episode, with at least the columns of the comparison key and `run_id`.

    Returns:
      The variants, in the order in which they first appear, and for each line the index of its variant.
    """
    keys: list[Key] = list(rows[list(COMPARISON_KEY)].itertuples(index=False, name=None))
    runs = rows["run_id"].tolist()
    units: dict[tuple[Any, ...], dict[Place, Key]] = {}
    names = list(_unit_names(keys, runs))
    for name, key in zip(names, keys, strict=True):
        units.setdefault(name, {})[_place(key)] = key
    variants: list[Variant] = []
    index: dict[tuple[Any, ...], int] = {}
    for name, cells in units.items():
        index[name] = next((i for i, variant in enumerate(variants) if variant.accepts(cells)), len(variants))
        if index[name] == len(variants):
            variants.append(Variant(wide=name[1]))
        variants[index[name]].keys.update(cells)
    _label(variants)
    return variants, [index[name] for name in names]


def _place(key: Key) -> Place:
    return (key[COMPARISON_KEY.index("task")], key[COMPARISON_KEY.index("setting")])


def _unit_names(keys: list[Key], runs: list[str]) -> Iterator[tuple[Any, ...]]:
    """Names the smallest set of rows known to belong together: of one run, and never two keys in one cell."""
    seen: dict[tuple[str, Place], list[Key]] = {}
    for run, key in zip(runs, keys, strict=True):
        known = seen.setdefault((run, _place(key)), [])
        if key not in known:
            known.append(key)
    split: dict[str, set[int]] = {}  # run -> fields that differ inside one of its cells
    for (run, _), known in seen.items():
        fields = split.setdefault(run, set())
        fields.update(i for i in range(len(COMPARISON_KEY)) if len({key[i] for key in known}) > 1)
    for run, key in zip(runs, keys, strict=True):
        yield (run, tuple(key[i] for i in _WIDE), tuple(key[i] for i in sorted(split[run])))


def _label(variants: list[Variant]) -> None:
    agents = [variant.agent for variant in variants]
    for variant in variants:
        same = [other for other in variants if other.agent == variant.agent]
        number = next(i for i, other in enumerate(same) if other is variant)
        variant.label = variant.agent if agents.count(variant.agent) == 1 else f"{variant.agent} ({letters(number)})"


def letters(number: int) -> str:
    """a, b, ..., z, aa, ab, ..."""
    text = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        text = chr(ord("a") + rest) + text
    return text


def differences(variants: list[Variant]) -> list[str]:
    """What differs between the variants of a table, one text per field: `code_revision: pieg (a) 123, pieg (b) 456`."""
    two_agents = len({variant.agent for variant in variants}) == len(variants)
    texts = []
    for name in COMPARISON_KEY:
        among = [v for v in variants if v.is_trained] if two_agents and name in TRAINED_FIELDS else variants
        if name in ("task", "setting") or (two_agents and name in AGENT_FIELDS) or not _differs(among, name):
            continue
        told = ", ".join(f"{variant.label} {_told(variant, name, among)}" for variant in among)
        texts.append(f"{_NAMES.get(name, name)}: {told}")
    return texts


def _differs(variants: list[Variant], name: str) -> bool:
    """Whether a field has two values in one cell, or in the table where it should be the same throughout."""
    index = COMPARISON_KEY.index(name)
    if name not in CELL_FIELDS:
        return len({variant.keys[place][index] for variant in variants for place in variant.keys}) > 1
    values: dict[Place, set[Any]] = {}
    for variant in variants:
        for place, key in variant.keys.items():
            values.setdefault(place, set()).add(key[index])
    return any(len(found) > 1 for found in values.values())


def _told(variant: Variant, name: str, variants: list[Variant]) -> str:
    """A field's values for a reader; of JSON texts only the entries that differ between variants."""
    values = variant.values(name)
    if name.endswith("_json"):
        parsed = [json.loads(text) for other in variants for text in other.values(name)]
        common = {k for k, v in parsed[0].items() if all(other.get(k) == v for other in parsed)}
        shown = {k: v for text in values for k, v in json.loads(text).items() if k not in common}
        values = [f"{k}={_short(str(v))}" for k, v in sorted(shown.items())]
    return "/".join(_short(str(value)) or '""' for value in values) or "none"


def _short(text: str, limit: int = 48) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
