"""Who takes part in a leaderboard: agents, one column for each way they were measured, sorted into comparable boards.

An entrant is one agent whose rows were measured alike throughout. Entrants stand on one board only if everything that
is not the agent's own was the same: then, and only then, is one better than another.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.reports.outcomes import Codes, codes_of, combined_codes
from harness.reports.variants import (
    AGENT_FIELDS,
    CELL_FIELDS,
    ELSEWHERE,
    ORIGIN,
    POLICY,
    TASK_FIELDS,
    TRAINED_FIELDS,
    Variant,
    agree,
    assign_variants,
    differences,
    letters,
)
from harness.results.comparison_key import COMPARISON_KEY

if TYPE_CHECKING:
    import pandas as pd

OWN_FIELDS = ("task", "setting", *AGENT_FIELDS, "notes")  # never keep two agents apart; notes are shown instead
ACROSS = tuple(name for name in COMPARISON_KEY if name not in (*OWN_FIELDS, "suite"))  # may be waived by name
_WIDE = tuple(name for name in COMPARISON_KEY if name not in (*CELL_FIELDS, "suite", "suite_version"))


@dataclass(frozen=True)
class Entrant:
    """One agent, measured alike throughout.

    Attributes:
      label: the agent's name, with a letter where it has several columns, and `ELSEWHERE` if not measured here.
      variants: by suite, what was measured.
    """

    label: str
    variants: Mapping[str, Variant]

    @property
    def agent(self) -> str:
        return next(iter(self.variants.values())).agent

    @property
    def origin(self) -> str:
        """Where its rows are from; "" for what was measured here."""
        return next(iter(self.variants.values())).origin

    @property
    def is_trained(self) -> bool:
        return any(variant.is_trained for variant in self.variants.values())

    def values(self, name: str) -> list[Any]:
        """The different values of a field of the comparison key, sorted."""
        return sorted({value for variant in self.variants.values() for value in variant.values(name)})

    def notes(self) -> list[str]:
        """What a reader must know of its rows."""
        return [str(text) for text in self.values("notes") if text]


def find_entrants(rows: pd.DataFrame) -> tuple[list[Entrant], Codes]:
    """Sorts rows by who was measured.

    Args:
      rows: with the columns of the comparison key, `POLICY` and `run_id`; of any number of suites, without stand-ins.

    Returns:
      The entrants, by name and in order of appearance, and for each row the index of its entrant.
    """
    units, unit_of = _units(rows)
    variants: list[tuple[str, Variant]] = []
    variant_of = np.zeros(len(units), np.int64)
    for suite in units["suite"].unique():
        here = np.flatnonzero(units["suite"] == suite)
        found, index = assign_variants(units.iloc[here])
        variant_of[here] = np.asarray(index) + len(variants)
        variants += [(str(suite), variant) for variant in found]
    entrants, entrant_of = _linked(variants)
    return entrants, np.asarray(entrant_of, np.int64)[variant_of][unit_of]


def into_boards(entrants: Sequence[Entrant], across: Sequence[str] = ()) -> list[list[int]]:
    """Sorts entrants into boards on which all were measured alike.

    Args:
      entrants: as from `find_entrants`.
      across: fields in which they may differ all the same.

    Returns:
      Per board, indices of entrants in order; one that was not trained may stand on several.
    """
    boards: list[list[int]] = []
    for index in sorted(range(len(entrants)), key=lambda i: not entrants[i].is_trained):
        fitting = [
            board for board in boards if all(not fields_apart(entrants[index], entrants[i], across) for i in board)
        ]
        chosen = fitting[:1] if entrants[index].is_trained else fitting
        for board in chosen:
            board.append(index)
        if not chosen:
            boards.append([index])
    return [sorted(board) for board in boards]


def fields_apart(one: Entrant, other: Entrant, across: Sequence[str] = ()) -> list[str]:
    """The fields, not the agents' own, in which two entrants were not measured alike."""
    both_trained = one.is_trained and other.is_trained
    names = [name for name in ACROSS if name not in across and (both_trained or name not in TRAINED_FIELDS)]
    apart = [name for name in names if any(_differ(a, b, name) for a, b in _common(one, other))]
    wide = [name for name in names if name in _WIDE and one.values(name) != other.values(name)]
    return list(dict.fromkeys([*apart, *wide, *(["assets_json"] if _other_assets(one, other) else [])]))


def told_apart(one: Entrant, other: Entrant) -> list[str]:
    """What differs between two entrants, a text per field, for a reader."""
    texts: list[str] = []
    for a, b in _common(one, other):
        labelled = [replace(a, label=one.label), replace(b, label=other.label)]
        texts += [text for text in differences(labelled) if text not in texts]
    told = {text.partition(":")[0] for text in texts}
    for name in fields_apart(one, other):
        if name not in told:
            sides = ((entrant.label, entrant.values(name)) for entrant in (one, other))
            texts.append(f"{name}: " + ", ".join(f"{label} {'/'.join(map(str, found))}" for label, found in sides))
    return texts


def _units(rows: pd.DataFrame) -> tuple[pd.DataFrame, Codes]:
    """One line for all rows of a run with one comparison key and policy, and for each row the number of its line."""
    names = [*COMPARISON_KEY, "run_id", *POLICY, *([ORIGIN] if ORIGIN in rows else [])]
    codes = combined_codes([codes_of(rows[name]) for name in names])
    _, first, unit_of = np.unique(codes, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))  # in order of appearance
    units = rows.iloc[np.sort(first)][names]
    return units.astype(dict.fromkeys(names, object)), np.asarray(rank[unit_of], np.int64)


def _linked(variants: Sequence[tuple[str, Variant]]) -> tuple[list[Entrant], list[int]]:
    """Joins what was measured alike in several suites, and gives every entrant its label."""
    groups: dict[tuple[Any, ...], dict[str, Variant]] = {}
    names = []
    for name, (suite, variant) in zip(_group_names(variants), variants, strict=True):
        numbered = ((*name, number) for number in range(len(variants)))
        names.append(next(n for n in numbered if _is_one_policy_per_seed(variant, groups.get(n, {}).values())))
        groups.setdefault(names[-1], {})[suite] = variant
    order = sorted(groups, key=lambda name: next(iter(groups[name].values())).agent)
    found = [Entrant("", groups[name]) for name in order]
    return _labelled(found), [order.index(name) for name in names]


def _is_one_policy_per_seed(variant: Variant, others: Iterable[Variant]) -> bool:
    """Whether what was trained alike is the same policy in several suites; trained for each, it is another in each."""
    return all(agree(_by_training(variant), _by_training(other)) for other in others)


def _by_training(variant: Variant) -> dict[tuple[Any, ...], str]:
    """The digest of the policy of each task, conditions of training, and seed."""
    training = variant.by_task("training")
    return {(task, training[task], seed): digest for (task, seed), digest in variant.policies.items()}


def _group_names(variants: Sequence[tuple[str, Variant]]) -> list[tuple[Any, ...]]:
    """Names under which variants of different suites are one entrant; never two variants of one suite.

    By the conditions of the whole measurement where these single one out in every suite, else by the settings and the
    conditions of training too, else each alone.
    """
    wide = [
        (variant.origin, *(tuple(variant.values(name)) for name in ("agent", "agent_version", *_WIDE)))
        for _, variant in variants
    ]
    close = [
        (*name, *(tuple(variant.values(field)) for field in ("config_hash", "training")))
        for name, (_, variant) in zip(wide, variants, strict=True)
    ]
    suites = [suite for suite, _ in variants]
    names: list[tuple[Any, ...]] = []
    for index, (by_conditions, by_training) in enumerate(zip(wide, close, strict=True)):
        if _is_one_per_suite(by_conditions, wide, suites):
            names.append(by_conditions)
        elif _is_one_per_suite(by_training, close, suites):
            names.append(by_training)
        else:
            names.append((index,))
    return names


def _is_one_per_suite(name: tuple[Any, ...], names: Sequence[tuple[Any, ...]], suites: Sequence[str]) -> bool:
    there = [suite for other, suite in zip(names, suites, strict=True) if other == name]
    return len(set(there)) == len(there)


def _labelled(entrants: Sequence[Entrant]) -> list[Entrant]:
    labels = []
    for index, entrant in enumerate(entrants):
        same = [i for i, other in enumerate(entrants) if other.agent == entrant.agent]
        letter = letters(same.index(index))
        label = entrant.agent if len(same) == 1 else f"{entrant.agent} ({letter})"
        labels.append(label + ELSEWHERE if entrant.origin else label)
    return [replace(entrant, label=label) for entrant, label in zip(entrants, labels, strict=True)]


def _common(one: Entrant, other: Entrant) -> Iterable[tuple[Variant, Variant]]:
    """What both measured in the same suites."""
    return [(one.variants[suite], other.variants[suite]) for suite in one.variants if suite in other.variants]


def _differ(one: Variant, other: Variant, name: str) -> bool:
    """Whether a field has two values in a cell (a task if it is the task's) that both have, or in the suite where it is
    the same throughout."""
    if name not in CELL_FIELDS:
        return one.values(name) != other.values(name)
    if name in TASK_FIELDS:
        return not agree(one.by_task(name), other.by_task(name))
    index = COMPARISON_KEY.index(name)
    return any(one.keys[place][index] != other.keys[place][index] for place in one.keys if place in other.keys)


def _other_assets(one: Entrant, other: Entrant) -> bool:
    """Whether a file that both used was not the same file."""
    index = COMPARISON_KEY.index("assets_json")
    for a, b in _common(one, other):
        for place in a.keys.keys() & b.keys.keys():
            mine, theirs = (json.loads(variant.keys[place][index]) for variant in (a, b))
            if any(mine[name] != theirs[name] for name in mine if name in theirs):
                return True
    return False
