"""The same run over several values of its settings: which runs these are, all checked before any work."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from harness.errors import UsageError
from harness.running.plan import RunOptions, RunPlan
from harness.running.planning import make_plan

MOST_RUNS = 1_000
# Commas between values: not those inside a list, an object or a text of JSON.
_PART = re.compile(r'(?:"(?:[^"\\]|\\.)*"|\[[^\]]*\]|\{[^}]*\}|[^,])+')


@dataclass(frozen=True)
class Variation:
    """One run of an ablation: an ordinary run, as `harness run --set` would have it."""

    values: Mapping[str, str]  # field -> its value as the user wrote it
    plan: RunPlan

    @property
    def label(self) -> str:
        return ", ".join(f"{field}={value}" for field, value in self.values.items())


def plan_ablation(options: RunOptions, over: Sequence[str]) -> list[Variation]:
    """Plans every combination of values, the last field's changing fastest.

    Args:
      options: what is the same in all runs.
      over: `field=value,value,...` each: settings as `--set` takes them.
    Raises:
      UsageError: for what is no such text, and whatever `make_plan` refuses.
    """
    axes = parse_axes(over)
    _check_not_set(axes, options.settings)
    if (num := _product(axes)) > MOST_RUNS:
        raise UsageError(f"--over asks for {num:,} runs, more than {MOST_RUNS:,}.")
    variations = []
    for chosen in itertools.product(*axes.values()):
        values = dict(zip(axes, chosen, strict=True))
        settings = (*options.settings, *(f"{field}={value}" for field, value in values.items()))
        variations.append(Variation(values, make_plan(replace(options, settings=settings))))
    _check_distinct(variations)
    return variations


def parse_axes(over: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Field -> its values, from `field=value,value,...`; commas inside brackets and quotes belong to a value.

    Raises:
      UsageError: if a text is not of this form, a field comes twice, or has fewer than two values or one twice.
    """
    axes: dict[str, tuple[str, ...]] = {}
    for text in over:
        field, equals, listed = text.partition("=")
        field, values = field.strip(), tuple(part.strip() for part in _PART.findall(listed))
        if not equals or not field or not all(values) or len(values) < 2:
            raise UsageError(f"--over takes field=value,value,... with two values or more, not '{text}'.")
        if field in axes:
            raise UsageError(f"--over {field} is given twice: name all its values at once.")
        if len(set(values)) < len(values):
            raise UsageError(f"--over {field} names a value twice: {listed}.")
        axes[field] = values
    if not axes:
        raise UsageError("An ablation needs at least one --over field=value,value,...")
    return axes


def _product(axes: Mapping[str, Sequence[str]]) -> int:
    number = 1
    for values in axes.values():
        number *= len(values)
    return number


def _check_not_set(axes: Mapping[str, object], settings: Sequence[str]) -> None:
    for pair in settings:
        if (field := pair.partition("=")[0].strip()) in axes:
            raise UsageError(f"{field} is given by --set and by --over: one of the two.")


def _check_distinct(variations: Sequence[Variation]) -> None:
    """Refuses values that are written in two ways and mean the same run."""
    known: dict[str, Variation] = {}
    for variation in variations:
        other = known.setdefault(variation.plan.run_id, variation)
        if other is not variation:
            raise UsageError(f"{other.label} and {variation.label} are the same run: leave one out.")
