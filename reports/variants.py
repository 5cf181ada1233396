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
Policy = tuple[str, int | None]  # task, training seed
Key = tuple[Any, ...]  # values of COMPARISON_KEY
Run = tuple[str, str]  # its id, and where it is from

SAMPLE = ("train_seed", "eval_seed", "episode")  # which sample of a cell a row is
ORIGIN = "origin"  # the column that says where a row is from, "" for what was measured here
ELSEWHERE = " ‡"  # behind the label of what was not measured here
POLICY = ("train_seed", "checkpoint")  # of a task: which policy acted, by its seed and by its parameters
TASK_FIELDS = ("config_hash", "training", "train_frames", "action_repeat", "episode_frames")  # the same in its settings
CELL_FIELDS = (  # may differ from cell to cell of one measurement; all others are the same throughout
    "task",
    "setting",
    *TASK_FIELDS,
    "assets_json",
    "stand_ins",
    "notes",
)
AGENT_FIELDS = ("agent", "agent_version", "config_hash", "training", "assets_json")  # make two agents two agents
TRAINED_FIELDS = ("train_frames", "compute")  # say nothing of agents that were not trained
_AT = {name: index for index, name in enumerate(COMPARISON_KEY)}
_WIDE = tuple(index for name, index in _AT.items() if name not in CELL_FIELDS)
_NAMES = {"training": "trained under other conditions"}  # what a reader is told instead of the column's name
_DIGITS = 16  # of a policy's digest that are shown


@dataclass
class Variant:
    """Cells measured alike: one comparison key per cell, one set of a task's fields per task, one policy per seed.

    Attributes:
      wide: the values that are the same in all its cells.
      keys: the whole key of each cell.
      policies: the digest of the policy of each task and training seed.
      label: the agent's name, with a letter where the agent has several variants, and `ELSEWHERE` if not measured here.
      origin: where its rows are from; "" for what was measured here.
    """

    wide: Key
    keys: dict[Place, Key] = field(default_factory=dict)
    policies: dict[Policy, str] = field(default_factory=dict)
    label: str = ""
    origin: str = ""

    @property
    def agent(self) -> str:
        return str(self.values("agent")[0])

    @property
    def is_trained(self) -> bool:
        """Whether its policies came of a training; of what others measured nobody here knows for how many frames."""
        if self.values("train_frames")[-1] > 0 or self.values("training")[-1]:
            return True
        return bool(self.origin) and any(seed is not None for _, seed in self.policies)

    def values(self, name: str) -> list[Any]:
        """The different values of a field over its cells, sorted."""
        return sorted({key[_AT[name]] for key in self.keys.values()})

    def by_task(self, *names: str) -> dict[str, Key]:
        """Of each task, the values of some of `TASK_FIELDS`."""
        return {task: tuple(key[_AT[name]] for name in names) for (task, _), key in self.keys.items()}

    def accepts(self, other: Variant) -> bool:
        """Whether other cells were measured alike: equal wherever they overlap, else at least settings in common."""
        if (other.wide, other.origin) != (self.wide, self.origin) or not (
            agree(self.keys, other.keys) and agree(self.policies, other.policies)
        ):
            return False
        if not agree(self.by_task(*TASK_FIELDS), other.by_task(*TASK_FIELDS)):
            return False
        return bool(self.keys.keys() & other.keys.keys()) or {*other.values("config_hash")} <= {
            *self.values("config_hash")
        }

    def take(self, other: Variant) -> None:
        """Adds cells and policies of another one."""
        self.keys.update(other.keys)
        self.policies.update(other.policies)


def agree(one: Mapping[Any, Any], other: Mapping[Any, Any]) -> bool:
    """Whether two mappings have the same value wherever both have one."""
    return all(one[name] == other[name] for name in one.keys() & other.keys())


def assign_variants(rows: pd.DataFrame) -> tuple[list[Variant], list[int]]:
    """Sorts rows into as few variants as their keys and policies allow.

    Rows of one run belong together unless one of its cells was measured under two keys (as after an update of the
    code between two sittings), one of its tasks with two values of a field that is the task's, or one of its seeds with
    two policies (as after training anew); runs belong together if they agree wherever they overlap.

    Args:
      rows: one line per episode, with at least the columns of the comparison key, `POLICY`, `run_id` and, if some are
        from elsewhere, `ORIGIN`.

    Returns:
      The variants, in the order in which they first appear, and for each line the index of its variant.
    """
    keys: list[Key] = list(rows[list(COMPARISON_KEY)].itertuples(index=False, name=None))
    runs = list(zip(rows["run_id"], rows[ORIGIN] if ORIGIN in rows else [""] * len(rows), strict=True))
    policies = _policies(rows, keys)
    units: dict[tuple[Any, ...], Variant] = {}
    names = list(_unit_names(keys, runs, policies))
    for name, key, (policy, digest) in zip(names, keys, policies, strict=True):
        unit = units.setdefault(name, Variant(wide=name[1], origin=name[0][1]))
        unit.keys[_place(key)] = key
        unit.policies[policy] = digest
    variants: list[Variant] = []
    index: dict[tuple[Any, ...], int] = {}
    for name, unit in units.items():
        index[name] = next((i for i, variant in enumerate(variants) if variant.accepts(unit)), len(variants))
        if index[name] == len(variants):
            variants.append(Variant(wide=unit.wide, origin=unit.origin))
        variants[index[name]].take(unit)
    _label(variants)
    return variants, [index[name] for name in names]


def _place(key: Key) -> Place:
    return (key[_AT["task"]], key[_AT["setting"]])


def _policies(rows: pd.DataFrame, keys: list[Key]) -> list[tuple[Policy, str]]:
    """Of each row, the task and seed, and the digest of the policy that acted."""
    seeds = [None if seed != seed else int(seed) for seed in rows["train_seed"].to_numpy(float, na_value=float("nan"))]
    digests = rows["checkpoint"].tolist()
    return [((key[_AT["task"]], seed), str(d)) for key, seed, d in zip(keys, seeds, digests, strict=True)]


def _unit_names(keys: list[Key], runs: list[Run], policies: list[tuple[Policy, str]]) -> Iterator[tuple[Any, ...]]:
    """Names the smallest set of rows known to belong together: of one run, and never two keys in one cell, two values
    of a task's field in one task, or two policies of one seed."""
    split = _split_fields(keys, runs)
    known: dict[tuple[Any, ...], list[str]] = {}  # rows so far together and a policy's place -> the policies there
    for run, key, (policy, digest) in zip(runs, keys, policies, strict=True):
        name = (run, tuple(key[i] for i in _WIDE), tuple(key[i] for i in split[run]))
        digests = known.setdefault((*name, policy), [])
        if digest not in digests:
            digests.append(digest)
        yield (*name, digests.index(digest))


def _split_fields(keys: list[Key], runs: list[Run]) -> dict[Run, list[int]]:
    """Of each run, the fields that differ inside one of its cells, or, if they are the task's, of its tasks."""
    of_task = [_AT[name] for name in TASK_FIELDS]
    there: dict[tuple[Any, ...], set[Key]] = {}
    for run, key in dict.fromkeys(zip(runs, keys, strict=True)):
        there.setdefault((run, _place(key)), set()).add(key)
        there.setdefault((run, key[_AT["task"]]), set()).add(
            tuple(key[i] if i in of_task else None for i in _AT.values())
        )
    split: dict[Run, set[int]] = {}
    for (run, _), found in there.items():
        split.setdefault(run, set()).update(i for i in _AT.values() if len({key[i] for key in found}) > 1)
    return {run: sorted(fields) for run, fields in split.items()}


def _label(variants: list[Variant]) -> None:
    agents = [variant.agent for variant in variants]
    for variant in variants:
        same = [other for other in variants if other.agent == variant.agent]
        number = next(i for i, other in enumerate(same) if other is variant)
        label = variant.agent if agents.count(variant.agent) == 1 else f"{variant.agent} ({letters(number)})"
        variant.label = label + ELSEWHERE if variant.origin else label


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
    if len({variant.origin for variant in variants}) > 1:
        texts.append("origin: " + ", ".join(f"{v.label} {v.origin or 'measured here'}" for v in variants))
    return [*texts, *_policies_apart(variants)]


def _differs(variants: list[Variant], name: str) -> bool:
    """Whether a field has two values in one cell (one task if it is the task's), or in the table where it should be the
    same throughout."""
    values: dict[Any, set[Any]] = {}
    for variant in variants:
        for place, key in variant.keys.items():
            where = place[0] if name in TASK_FIELDS else place if name in CELL_FIELDS else None
            values.setdefault(where, set()).add(key[_AT[name]])
    return any(len(found) > 1 for found in values.values())


def _policies_apart(variants: list[Variant]) -> Iterator[str]:
    """Says where one agent has two policies of one task and seed."""
    held: dict[tuple[Any, ...], dict[str, str]] = {}
    for variant in variants:
        for policy, digest in variant.policies.items():
            held.setdefault((variant.agent, *policy), {})[variant.label] = digest
    apart = [(policy, found) for policy, found in held.items() if len(set(found.values())) > 1]
    if apart:
        (_, task, seed), found = apart[0]
        told = ", ".join(f"{label} {digest[:_DIGITS] or 'none'}" for label, digest in found.items())
        where = task if seed is None else f"{task}, training seed {seed}"
        more = f"; and {len(apart) - 1} more" if len(apart) > 1 else ""
        yield f"checkpoint: {told} ({where}{more})"


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
