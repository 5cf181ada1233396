"""`harness check --plan`: what a gate of some size would see, from the spread of a baseline alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.reports.gate import Question, margin_of
from harness.reports.gate_power import POWER, Size, Spread, smallest_drop, spread_of, verdict_chance
from harness.reports.gate_sides import num_settings, side_of, tables_of
from harness.reports.gate_test import Noise
from harness.results.text import escaped

if TYPE_CHECKING:
    import pandas as pd

FACTORS = (1, 2, 5)  # sizes that are shown where none is asked for, times the baseline's own


@dataclass(frozen=True)
class PlanLine:
    """What a gate of one size sees on one line.

    Attributes:
      name: of the task, or task and setting.
      noise: "episodes" (the same policies measured again) or "seeds" (trained again).
      size: of each side.
      margin: the loss that is accepted.
      drop: the smallest true drop that is called worse with the chance `POWER`; None where none is.
      passes: the chance that what has not changed is called not worse.
    """

    name: str
    noise: Noise
    size: Size
    margin: float
    drop: float | None
    passes: float


def plan(baseline: pd.DataFrame, question: Question, episodes: Sequence[int], seeds: Sequence[int]) -> list[PlanLine]:
    """What gates of some sizes see.

    Args:
      baseline: rows of one evaluation.
      question: what the gate will be asked.
      episodes: per policy; none for a few times the baseline's own.
      seeds: numbers of trainings, likewise.

    Raises:
      GateError: as `gate.check`.
    """
    side = side_of(baseline, "baseline", question.metric)
    tables = tables_of(side, each_setting=question.each_setting)
    found = []
    sizes_of = num_settings(side, each_setting=question.each_setting) if question.metric == "success" else {}
    for name, table in tables.items():
        own = Size(len(table), min(map(len, table)))
        spread, label = (
            spread_of(table, sizes_of.get(name)),
            escaped(" ".join([name[1], *(f"({setting})" for setting in name[2:])])),
        )
        margin = margin_of(question.margin, spread.mean, name[1])
        sizes: list[tuple[Noise, Size]] = []
        if question.noise != "seeds":
            sizes += [("episodes", Size(own.seeds, n)) for n in episodes or [f * own.episodes for f in FACTORS]]
        if question.noise != "episodes" and own.seeds > 1:
            per_seed = episodes or [own.episodes]
            for same in (True, False):
                several = seeds or [f * own.seeds for f in FACTORS]
                sizes += [("seeds", Size(m, n, same)) for m in several for n in per_seed]
        found += [_line(label, spread, noise, size, margin, question.alpha, len(tables)) for noise, size in sizes]
    return found


def _line(name: str, spread: Spread, noise: Noise, size: Size, margin: float, alpha: float, num_lines: int) -> PlanLine:
    drop = smallest_drop(spread, size, noise, margin, alpha / num_lines)  # Holm's first step
    passes = verdict_chance(spread, size, noise, margin, 0.0, alpha, worse=False)
    return PlanLine(name, noise, size, margin, drop, passes)


def whole_passes(lines: Sequence[PlanLine]) -> dict[tuple[Noise, Size], float]:
    """By size, the chance that a gate over all lines passes what has not changed."""
    found: dict[tuple[Noise, Size], float] = {}
    for line in lines:
        found[line.noise, line.size] = found.get((line.noise, line.size), 1.0) * line.passes
    return found


def plan_table(lines: Sequence[PlanLine]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Header and lines of the plan."""
    header = (
        "task",
        "chance is in",
        "seeds",
        "episodes",
        "margin",
        f"drop seen ({POWER:.0%})",
        "unchanged passes",
    )
    body = [(line.name, *_cells(line)) for line in lines]
    if len({line.name for line in lines}) > 1:
        for (noise, size), chance in whole_passes(lines).items():
            body.append(("all", _chance_in(noise, size), str(size.seeds), str(size.episodes), "", "", f"{chance:.0%}"))
    return header, body


def _chance_in(noise: Noise, size: Size) -> str:
    return noise if size.same_seeds else f"{noise}, others"


def _cells(line: PlanLine) -> tuple[str, ...]:
    drop = "none" if line.drop is None or not math.isfinite(line.drop) else f"{line.drop:.3g}"
    return (
        _chance_in(line.noise, line.size),
        str(line.size.seeds),
        str(line.size.episodes),
        f"{line.margin:.3g}",
        drop,
        f"{line.passes:.0%}",
    )
