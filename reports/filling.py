"""How a table's cells are filled: means, intervals and gaps from rows, line by line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.reports import statistics
from harness.reports.beside import published_beside
from harness.reports.cells import Cells, Sample
from harness.reports.footnotes import footnotes
from harness.reports.table import (
    COMPLETE,
    MEAN,
    MISSING,
    PARTIAL,
    Aggregate,
    Estimate,
    Expected,
    Line,
    Published,
    Table,
)
from harness.reports.variants import ELSEWHERE, ORIGIN, SAMPLE, Variant, assign_variants
from harness.results.comparison_key import COMPARISON_KEY
from harness.results.published import compared_agents

if TYPE_CHECKING:
    import pandas as pd


def build_table(
    rows: pd.DataFrame,
    expected: Expected,
    *,
    published: bool = True,
    published_agents: Sequence[str] | None = None,
    title: str | None = None,
) -> Table:
    """The table of some rows.

    Args:
      rows: one line per episode, as from `harness.results.store.load_rows`; of one suite.
      expected: what should be there.
      published: whether to set published numbers beside.
      published_agents: whose; None takes those that go with the suite.
      title: the heading; None makes one.

    Raises:
      ValueError: if the rows are of several suites or a return is not finite.
    """
    if (suites := sorted(rows["suite"].unique())) and len(suites) > 1:
        raise ValueError(f"A table is about one suite, not about {', '.join(suites)}.")
    kept = _expected_rows(rows, expected)
    distinct = kept.drop_duplicates([*COMPARISON_KEY, *SAMPLE, "checkpoint", *([ORIGIN] if ORIGIN in kept else [])])
    variants, index = assign_variants(distinct)
    cells = Cells(distinct, variants, index, expected)
    agents = compared_agents(expected.published_suite) if published_agents is None else published_agents
    numbers = published_beside(expected, agents) if published else {}
    lines = tuple(line for place in expected.places for line in _section(cells, place, numbers))
    return Table(
        title=title or _title(suites, variants),
        expected=expected,
        lines=lines,
        published_agents=tuple(a for a in agents if any(a in line.published for line in lines)),
        footnotes=footnotes(lines, variants, expected, rows, kept, distinct, agents if published else ()),
        aggregates=tuple(_aggregates(cells)),
    )


def _title(suites: Sequence[str], variants: Sequence[Variant]) -> str:
    names = (variant.agent + (ELSEWHERE if variant.origin else "") for variant in variants)
    agents = ", ".join(dict.fromkeys(names))
    return " · ".join([*suites, agents]) if agents else "Nothing measured yet"


def expected_from_rows(rows: pd.DataFrame, **others: Any) -> Expected:
    """What rows themselves suggest should be there: all their tasks, settings and seeds, and as many episodes as the
    longest cell has. `others` are further fields of `Expected`."""
    seeds = sorted(rows["train_seed"].dropna().astype(int).unique().tolist())
    settings = sorted(rows["setting"].unique(), key=lambda name: (name != others.get("train_setting", "train"), name))
    return Expected(
        tasks=tuple(sorted(rows["task"].unique())),
        settings=tuple(settings),
        train_seeds=(*([None] if rows["train_seed"].isna().any() else []), *seeds),
        episodes=int(rows["episode"].max()) + 1,
        **others,
    )


def _expected_rows(rows: pd.DataFrame, expected: Expected) -> pd.DataFrame:
    seeds = [seed for seed in expected.train_seeds if seed is not None]
    has_seed = rows["train_seed"].isin(seeds) | (rows["train_seed"].isna() & (None in expected.train_seeds))
    return rows[
        rows["task"].isin(expected.tasks)
        & rows["setting"].isin(expected.settings)
        & has_seed
        & rows["episode"].between(0, expected.episodes - 1)
    ]


def _section(cells: Cells, setting: str, numbers: Mapping[tuple[str, str], dict[str, Published]]) -> list[Line]:
    """The lines of one setting: every task, then the mean over tasks."""
    tasks = cells.expected.tasks
    lines = []
    for task in tasks:
        beside = numbers.get((task, setting), {})
        lines += [_line(cells, [task], task, setting, v, beside) for v in cells.present([task], setting)]
        lines += [_missing(cells, [task], task, setting, a, beside) for a in cells.absent_agents([task], setting)]
    if len(tasks) > 1:
        beside = numbers.get((MEAN, setting), {})
        lines += [_line(cells, tasks, MEAN, setting, v, beside) for v in cells.present(tasks, setting)]
        lines += [_missing(cells, tasks, MEAN, setting, a, beside) for a in cells.absent_agents(tasks, setting)]
    return lines


def _num_expected(expected: Expected, tasks: Sequence[str], seeds: Sequence[int | None]) -> int:
    return len(tasks) * len(seeds) * expected.episodes


def _missing(
    cells: Cells, tasks: Sequence[str], name: str, setting: str, agent: str, beside: Mapping[str, Published]
) -> Line:
    variants = [number for number, variant in enumerate(cells.variants) if variant.agent == agent]
    seeds = max((cells.seeds(number) for number in variants), key=len, default=cells.expected.train_seeds)
    return Line(name, setting, agent, MISSING, 0, _num_expected(cells.expected, tasks, seeds), published=beside)


def _line(
    cells: Cells, tasks: Sequence[str], name: str, setting: str, variant: int, beside: Mapping[str, Published]
) -> Line:
    counts = [cells.count(task, setting, variant) for task in tasks]
    wanted = _num_expected(cells.expected, tasks, cells.seeds(variant))
    status = MISSING if 0 in counts else PARTIAL if sum(counts) < wanted else COMPLETE
    definitions = [] if 0 in counts else _shared_definitions(cells, tasks, setting, variant)
    successes = {d: _estimate(cells, tasks, setting, variant, f"success:{d}") for d in definitions}
    gap, gap_notes = _gap(cells, tasks, setting, variant)
    return Line(
        task=name,
        setting=setting,
        agent=cells.variants[variant].label,
        status=status,
        num_episodes=sum(counts),
        expected_episodes=wanted,
        episode_return=_estimate(cells, tasks, setting, variant, "return"),
        success=_estimate(cells, tasks, setting, variant, "success"),
        successes={d: estimate for d, estimate in successes.items() if estimate is not None},
        gap=gap,
        published=beside,
        key=_key(cells.variants[variant], tasks, cells.expected.settings_of(setting)),
        notes=cells.remarks(tasks, setting, variant) + gap_notes,
    )


def _shared_definitions(cells: Cells, tasks: Sequence[str], setting: str, variant: int) -> list[str]:
    names = [cells.definitions(task, setting, variant) for task in tasks]
    return sorted(set.intersection(*names))


def _estimate(cells: Cells, tasks: Sequence[str], setting: str, variant: int, what: str) -> Estimate | None:
    """The mean over tasks of a quantity; None as soon as one task lacks it."""
    found = [cells.samples(task, setting, variant, what) for task in tasks]
    samples = [list(by_seed.values()) for by_seed in found if by_seed is not None]
    if len(samples) < len(tasks):
        return None
    interval = statistics.task_mean_interval if what == "return" else statistics.task_success_interval
    return _as_estimate(statistics.task_mean(samples), interval(samples), samples)


def _gap(cells: Cells, tasks: Sequence[str], setting: str, variant: int) -> tuple[Estimate | None, tuple[str, ...]]:
    """The gap to the training setting over the (seed, episode) pairs that both have, and a note where one has more."""
    if setting == cells.expected.train_setting:
        return None, ()
    found = [_common_pairs(cells, task, setting, variant) for task in tasks]
    if any(pair is None for pair, _ in found):
        return None, ()
    pairs = [pair for pair, _ in found if pair is not None]
    is_success = cells.expected.metric == "success"
    interval = statistics.task_success_gap_interval if is_success else statistics.task_gap_interval
    estimate = _as_estimate(statistics.task_gap(pairs), interval(pairs), [pair.shifted for pair in pairs])
    unpaired = sum(number for _, number in found)
    if not unpaired:
        return estimate, ()
    shared = f"the gap is over the {estimate.num_episodes:,} (seed, episode) pairs measured in both settings"
    return estimate, (f"{shared}; {unpaired:,} episodes have no counterpart",)


def _common_pairs(cells: Cells, task: str, setting: str, variant: int) -> tuple[statistics.Pair | None, int]:
    """What the training and this setting gave in the episodes both have, and how many episodes only one has.

    Over common episodes the difference is known in pairs; an episode of one setting alone would only add the noise of
    its start state.
    """
    expected = cells.expected
    train, shifted = (_by_episode(cells, task, place, variant) for place in (expected.train_setting, setting))
    if train is None or shifted is None:
        return None, 0
    common = [sample for sample in shifted if sample in train]
    if not common:
        return None, 0
    seeds = dict.fromkeys(sample[0] for sample in common)
    sides = [
        [np.array([side[sample] for sample in common if sample[0] == seed]) for seed in seeds]
        for side in (train, shifted)
    ]
    return statistics.Pair(sides[0], sides[1], [True] * len(seeds)), len(train) + len(shifted) - 2 * len(common)


def _by_episode(cells: Cells, task: str, setting: str, variant: int) -> dict[Sample, float] | None:
    """What each episode gave in the table's metric; None if there is nothing or not everywhere."""
    samples = cells.samples(task, setting, variant, cells.expected.metric)
    if samples is None:
        return None
    episodes = cells.episodes(task, setting, variant)
    return {
        (seed, *episode): float(value)
        for seed, values in samples.items()
        for episode, value in zip(episodes[seed], values, strict=True)
    }


def _aggregates(cells: Cells) -> Iterator[Aggregate]:
    """The aggregates of every setting and variant that has two complete tasks."""
    expected = cells.expected
    for setting in expected.places:
        for variant in cells.present(expected.tasks, setting):
            found = {task: cells.complete(task, setting, variant) for task in expected.tasks}
            samples = {task: seeds for task, seeds in found.items() if seeds is not None}
            if len(samples) < 2:
                continue
            label = cells.variants[variant].label
            yield Aggregate(setting, label, tuple(samples), *_mean_and_iqm(list(samples.values()), expected.metric))


def _mean_and_iqm(tasks: list[list[statistics.Floats]], metric: str) -> tuple[Estimate, Estimate]:
    interval = statistics.task_success_interval if metric == "success" else statistics.task_mean_interval
    scores = np.array([[values.mean() for values in seeds] for seeds in tasks]).T  # (seeds, tasks)
    middle = float(statistics.interquartile_mean(scores))
    return (
        _as_estimate(statistics.task_mean(tasks), interval(tasks), tasks),
        _as_estimate(middle, statistics.score_interval(scores), tasks),
    )


def _as_estimate(mean: float, interval: statistics.Interval | None, samples: Sequence[statistics.Samples]) -> Estimate:
    low, high = interval or (None, None)
    num_seeds = min(len(seeds) for seeds in samples)
    return Estimate(mean, low, high, num_seeds, sum(np.size(values) for seeds in samples for values in seeds))


def _key(variant: Variant, tasks: Sequence[str], settings: Sequence[str]) -> dict[str, Any]:
    """The fields of the comparison key that all the tasks and settings share."""
    keys = [key for (task, setting), key in variant.keys.items() if task in tasks and setting in settings]
    columns = zip(COMPARISON_KEY, zip(*keys, strict=True), strict=True)
    return {name: values[0] for name, values in columns if len(set(values)) == 1}
