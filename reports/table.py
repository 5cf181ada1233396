"""The table of measured cells, with published numbers beside: what stands in each cell, and under which conditions.

`build_table` turns rows into a frozen `Table`; `render` turns that into text. See docs/table.md for the definitions.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.reports import statistics
from harness.reports.variants import SAMPLE, Variant, assign_variants
from harness.results.published import PublishedNumber, compared_agents, mean_over, published_cell
from harness.results.rows import COMPARISON_KEY

if TYPE_CHECKING:
    import pandas as pd

MEAN = "mean over tasks"
Sample = tuple[int | None, int, int]  # the columns SAMPLE of a row

COMPLETE, PARTIAL, MISSING = "complete", "partial", "missing"


@dataclass(frozen=True)
class Expected:
    """What a table should hold, so that what is not there is seen.

    Attributes:
      tasks: in table order.
      settings: in table order, the training setting first where it is measured.
      train_seeds: None stands for a policy that was not trained here.
      episodes: per task, setting and training seed; episodes 0 .. episodes - 1.
      train_setting: the setting gaps are counted from.
      metric: the headline, "return" or "success": what gaps and published numbers are about.
      published_suite: the suite's name among the published numbers, if it has any.
      protocol_frames: the published training budget per task, in frames, for the footnotes.
      protocol_episodes: the published number of episodes per task, setting and seed, for the footnotes.
      protocol_action_repeat: the published action repeat per task, for the footnotes.
      protocol_episode_frames: the published length of an episode per task, in frames, for the footnotes.
      views: means over some of the settings, by name; further blocks of the table below those of the settings.
      published_note: what a reader of the published numbers must know, a sentence for the footnotes.
    """

    tasks: tuple[str, ...]
    settings: tuple[str, ...]
    train_seeds: tuple[int | None, ...]
    episodes: int
    train_setting: str = "train"
    metric: str = "return"
    published_suite: str | None = None
    protocol_frames: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    protocol_episodes: int | None = None
    protocol_action_repeat: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    protocol_episode_frames: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    views: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    published_note: str = ""

    def __post_init__(self) -> None:
        if self.metric not in ("return", "success"):
            raise ValueError(f"A table's metric is 'return' or 'success', not '{self.metric}'.")
        if not (self.tasks and self.settings and self.train_seeds and self.episodes > 0):
            raise ValueError("A table needs at least one task, setting, training seed and episode.")
        for name, settings in self.views.items():
            if name in self.settings or not settings or set(settings) - set(self.settings):
                raise ValueError(f"The view '{name}' needs a name of its own and settings of the table.")

    @property
    def places(self) -> tuple[str, ...]:
        """The table's blocks: the settings, then the views."""
        return (*self.settings, *self.views)

    def settings_of(self, place: str) -> tuple[str, ...]:
        """The settings a block is about: those of a view, else the one setting."""
        return self.views.get(place, (place,))


@dataclass(frozen=True)
class Estimate:
    """A mean with its interval, and what it is a mean of; low and high are None where there is no interval."""

    mean: float
    low: float | None
    high: float | None
    num_seeds: int
    num_episodes: int


@dataclass(frozen=True)
class Published:
    """What papers say about a cell.

    Attributes:
      mean: of the preferred source, in the table's metric.
      std: the spread the source prints, if any; None for a mean over tasks.
      label: the source for a reader, with the variant where the paper has several.
      others: the values of all further sources.
    """

    mean: float
    std: float | None
    label: str
    others: tuple[PublishedNumber, ...] = ()


@dataclass(frozen=True)
class Line:
    """One line of the table: one task (or the mean over tasks) in one setting, measured in one way.

    Attributes:
      task: the task, or `MEAN`.
      setting: the setting, or the name of a view.
      agent: the agent's name, with a letter where rows of the same agent may not share a cell; "" if nothing is there.
      status: "complete", "partial" (fewer episodes than expected) or "missing".
      num_episodes: found, over all seeds (and tasks).
      expected_episodes: that there should be.
      episode_return: undiscounted; None if missing.
      success: success rate by the suite's headline definition; None if missing or undefined.
      successes: success rate under each of the suite's definitions.
      gap: training setting minus this one, in the metric; None for the training setting and where either is missing.
      published: per published agent that has a number.
      key: the comparison key; for a mean over tasks, what all its tasks share.
      notes: what the reader must know about this line.
    """

    task: str
    setting: str
    agent: str
    status: str
    num_episodes: int
    expected_episodes: int
    episode_return: Estimate | None = None
    success: Estimate | None = None
    successes: Mapping[str, Estimate] = field(default_factory=dict)
    gap: Estimate | None = None
    published: Mapping[str, Published] = field(default_factory=dict)
    key: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Aggregate:
    """One agent in one setting over all its complete tasks, in the table's metric.

    Attributes:
      agent: as in `Line`.
      tasks: the complete ones, at least two; another agent's may differ.
      mean: over tasks; its interval is the table's.
      interquartile_mean: of the (seed, task) scores; its interval draws seeds within each task, None for one seed.
    """

    setting: str
    agent: str
    tasks: tuple[str, ...]
    mean: Estimate
    interquartile_mean: Estimate


@dataclass(frozen=True)
class Table:
    """All lines in order, the published columns that have numbers, and the sentences that belong under them."""

    title: str
    expected: Expected
    lines: tuple[Line, ...]
    published_agents: tuple[str, ...]
    footnotes: tuple[str, ...]
    aggregates: tuple[Aggregate, ...] = ()


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
    from harness.reports.footnotes import footnotes

    if (suites := sorted(rows["suite"].unique())) and len(suites) > 1:
        raise ValueError(f"A table is about one suite, not about {', '.join(suites)}.")
    kept = _expected_rows(rows, expected)
    distinct = kept.drop_duplicates([*COMPARISON_KEY, *SAMPLE])
    variants, index = assign_variants(distinct)
    cells = _Cells(distinct, variants, index, expected)
    agents = compared_agents(expected.published_suite) if published_agents is None else published_agents
    numbers = _published(expected, agents) if published else {}
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
    agents = ", ".join(dict.fromkeys(variant.agent for variant in variants))
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


def render(table: Table, fmt: str = "terminal", *, width: int | None = None) -> str:
    """The table as text; see `harness.reports.render.render`."""
    from harness.reports.render import render as render_table

    return render_table(table, fmt, width=width)


def _expected_rows(rows: pd.DataFrame, expected: Expected) -> pd.DataFrame:
    seeds = [seed for seed in expected.train_seeds if seed is not None]
    has_seed = rows["train_seed"].isin(seeds) | (rows["train_seed"].isna() & (None in expected.train_seeds))
    return rows[
        rows["task"].isin(expected.tasks)
        & rows["setting"].isin(expected.settings)
        & has_seed
        & rows["episode"].between(0, expected.episodes - 1)
    ]


class _Cells:
    """Samples by task, setting and variant."""

    def __init__(self, rows: pd.DataFrame, variants: list[Variant], index: list[int], expected: Expected) -> None:
        self.expected = expected
        self.variants = variants
        self.rows = {
            (str(task), str(setting), int(str(variant))): cell.sort_values(list(SAMPLE))
            for (task, setting, variant), cell in rows.assign(variant=index).groupby(["task", "setting", "variant"])
        }

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
        parts = [_outcomes(cell, what) for cell in self._parts(task, setting, variant) if cell is not None]
        if len(parts) < len(self.expected.settings_of(setting)) or not all(parts):
            return None
        found: dict[Any, list[float]] = {}
        for sample in self._shared(task, setting, variant):
            found.setdefault(sample[0], []).append(sum(part[sample] for part in parts) / len(parts))
        return {seed: np.asarray(values, dtype=np.float64) for seed, values in found.items()} or None

    def complete(self, task: str, setting: str, variant: int) -> list[statistics.Floats] | None:
        """The samples of all expected seeds in the table's metric; None unless each has all its episodes."""
        expected = self.expected
        samples = self.samples(task, setting, variant, expected.metric) or {}
        found = [samples.get(seed, ()) for seed in expected.train_seeds]
        return list(samples.values()) if all(len(values) >= expected.episodes for values in found) else None

    def episodes(self, task: str, setting: str, variant: int) -> dict[Any, list[tuple[int, int]]]:
        """Which episodes each training seed has, as (eval_seed, episode), in the order of `samples`."""
        found: dict[Any, list[tuple[int, int]]] = {}
        for train_seed, *episode in self._shared(task, setting, variant):
            found.setdefault(train_seed, []).append((episode[0], episode[1]))
        return found

    def remarks(self, tasks: Iterable[str], setting: str, variant: int) -> tuple[str, ...]:
        """What the rows themselves say a reader must know: stand-ins, then notes."""
        cells = [cell for task in tasks for cell in self._parts(task, setting, variant) if cell is not None]
        stand_ins = [f"made with stand-ins ({text})" for cell in cells for text in cell["stand_ins"].unique() if text]
        notes = [text for cell in cells for text in cell["notes"].unique() if text]
        return tuple(dict.fromkeys([*stand_ins, *notes]))

    def definitions(self, task: str, setting: str, variant: int) -> set[str]:
        """Names of the success definitions the cell's rows hold."""
        cells = [cell for cell in self._parts(task, setting, variant) if cell is not None]
        return {name for cell in cells for text in cell["successes_json"].unique() for name in json.loads(text)}

    def _parts(self, task: str, setting: str, variant: int) -> list[pd.DataFrame | None]:
        """The rows of each setting that a block is about."""
        return [self.rows.get((task, name, variant)) for name in self.expected.settings_of(setting)]

    def _shared(self, task: str, setting: str, variant: int) -> list[Sample]:
        """The samples that all settings of a block have, in the order of the rows."""
        first, *others = self._parts(task, setting, variant)
        rest = [set(_samples_in(cell)) for cell in others]
        return [sample for sample in _samples_in(first) if all(sample in there for there in rest)]


def _samples_in(cell: pd.DataFrame | None) -> list[Sample]:
    """Which sample each row is; a policy that was not trained here has no training seed."""
    if cell is None:
        return []
    seeds = [
        int(seed) if there else None for seed, there in zip(cell["train_seed"], cell["train_seed"].notna(), strict=True)
    ]
    return list(zip(seeds, cell["eval_seed"], cell["episode"], strict=True))


def _outcomes(cell: pd.DataFrame, what: str) -> dict[Sample, float]:
    """What each sample of a cell gave; empty if one of them lacks it."""
    values = cell["episode_return"] if what == "return" else _successes(cell, what)
    if values.isna().any():
        return {}
    return dict(zip(_samples_in(cell), values.astype(np.float64), strict=True))


def _successes(cell: pd.DataFrame, what: str) -> pd.Series:
    import pandas as pd

    _, _, name = what.partition(":")
    if not name:
        return cell["success"].astype("boolean")
    return pd.Series([json.loads(t).get(name) for t in cell["successes_json"]], index=cell.index, dtype="boolean")


def _section(cells: _Cells, setting: str, numbers: Mapping[tuple[str, str], dict[str, Published]]) -> list[Line]:
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


def _num_expected(expected: Expected, tasks: Sequence[str]) -> int:
    return len(tasks) * len(expected.train_seeds) * expected.episodes


def _missing(
    cells: _Cells, tasks: Sequence[str], name: str, setting: str, agent: str, beside: Mapping[str, Published]
) -> Line:
    return Line(name, setting, agent, MISSING, 0, _num_expected(cells.expected, tasks), published=beside)


def _line(
    cells: _Cells, tasks: Sequence[str], name: str, setting: str, variant: int, beside: Mapping[str, Published]
) -> Line:
    counts = [cells.count(task, setting, variant) for task in tasks]
    wanted = _num_expected(cells.expected, tasks)
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


def _shared_definitions(cells: _Cells, tasks: Sequence[str], setting: str, variant: int) -> list[str]:
    names = [cells.definitions(task, setting, variant) for task in tasks]
    return sorted(set.intersection(*names))


def _estimate(cells: _Cells, tasks: Sequence[str], setting: str, variant: int, what: str) -> Estimate | None:
    """The mean over tasks of a quantity; None as soon as one task lacks it."""
    found = [cells.samples(task, setting, variant, what) for task in tasks]
    samples = [list(by_seed.values()) for by_seed in found if by_seed is not None]
    if len(samples) < len(tasks):
        return None
    interval = statistics.task_mean_interval if what == "return" else statistics.task_success_interval
    return _as_estimate(statistics.task_mean(samples), interval(samples), samples)


def _gap(cells: _Cells, tasks: Sequence[str], setting: str, variant: int) -> tuple[Estimate | None, tuple[str, ...]]:
    """The gap to the training setting over the seeds that have both, and notes where not all is in pairs."""
    expected = cells.expected
    if setting == expected.train_setting:
        return None, ()
    pairs, is_whole = [], True
    for task in tasks:
        train = cells.samples(task, expected.train_setting, variant, expected.metric)
        shifted = cells.samples(task, setting, variant, expected.metric)
        seeds = [] if train is None or shifted is None else [seed for seed in shifted if seed in train]
        if train is None or shifted is None or not seeds:
            return None, ()
        is_whole &= train.keys() == shifted.keys()
        here, there = (cells.episodes(task, place, variant) for place in (setting, expected.train_setting))
        same_episodes = [here[seed] == there[seed] for seed in seeds]
        pairs.append(statistics.Pair([train[seed] for seed in seeds], [shifted[seed] for seed in seeds], same_episodes))
    notes = [] if is_whole else ["the gap is over the seeds measured in both settings only"]
    if not all(all(pair.same_episodes) for pair in pairs):
        notes.append("the gap's interval is not paired by episode where the two settings have different episodes")
    is_success = expected.metric == "success"
    interval = statistics.task_success_gap_interval if is_success else statistics.task_gap_interval
    estimate = _as_estimate(statistics.task_gap(pairs), interval(pairs), [pair.shifted for pair in pairs])
    return estimate, tuple(notes)


def _aggregates(cells: _Cells) -> Iterator[Aggregate]:
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


def _published(expected: Expected, agents: Sequence[str]) -> dict[tuple[str, str], dict[str, Published]]:
    """What papers say, by (task, setting or view) and agent; means where one source has all of them."""
    found: dict[tuple[str, str], dict[str, Published]] = {}
    if expected.published_suite is None:
        return found
    for setting in expected.settings:
        for task in expected.tasks:
            found[(task, setting)] = _published_here(expected, task, setting, agents)
    for view, settings in expected.views.items():
        for task in expected.tasks:
            found[(task, view)] = _published_mean([found[(task, setting)] for setting in settings])
    for place in expected.places:
        printed = _published_here(expected, mean_over(expected.tasks), place, agents)
        found[(MEAN, place)] = printed | _published_mean([found[(task, place)] for task in expected.tasks])
    return found


def _published_here(expected: Expected, task: str, setting: str, agents: Sequence[str]) -> dict[str, Published]:
    """What sources print for one cell in the table's metric, by agent."""
    numbers = published_cell(expected.published_suite or "", task, setting, agents)
    mine = [number for number in numbers if number.metric == expected.metric]
    by_agent = {agent: [number for number in mine if number.agent == agent] for agent in agents}
    return {agent: _preferred(some) for agent, some in by_agent.items() if some}


def _published_mean(cells: Sequence[Mapping[str, Published]]) -> dict[str, Published]:
    """The mean over cells, by agent, where one source has all of them."""
    means = {}
    for agent in cells[0]:
        there = [cell[agent] for cell in cells if agent in cell]
        if len(there) == len(cells) and len({cell.label for cell in there}) == 1:
            means[agent] = Published(float(np.mean([cell.mean for cell in there])), None, there[0].label)
    return means


def _preferred(numbers: list[PublishedNumber]) -> Published:
    first = numbers[0]
    variant = "" if first.variant == first.agent else f", variant {first.variant}"
    return Published(first.mean, first.std, first.label + variant, tuple(numbers[1:]))
