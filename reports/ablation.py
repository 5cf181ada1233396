"""An ablation as one table: a line per value of what is varied, a column per setting."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from harness.reports.render import NOTHING, format_estimate
from harness.reports.sheets import Cell, Grid, Sheet
from harness.reports.table import COMPLETE, MEAN, MISSING, Estimate, Line, Table
from harness.results.comparison_key import COMPARISON_KEY
from harness.results.text import json_escaped

if TYPE_CHECKING:
    import pandas as pd

# What another value of a setting changes by itself; all else should be the same in all runs of an ablation.
FOLLOWS = {"task", "setting", "config_hash", "training", "assets_json", "stand_ins", "notes"}


@dataclass(frozen=True)
class Point:
    """One run of an ablation.

    Attributes:
      values: field -> value, as the user wrote it.
      run_id: of the run.
      table: its own table.
      shared: the columns of the comparison key that have one value in all its rows.
    """

    values: Mapping[str, str]
    run_id: str
    table: Table
    shared: Mapping[str, Any]

    @property
    def label(self) -> str:
        return ", ".join(f"{field}={value}" for field, value in self.values.items())

    def lines(self, task: str, setting: str) -> list[Line]:
        """The lines of a task (or `MEAN`) in a setting: several where rows of one agent may not share a cell."""
        return [line for line in self.table.lines if (line.task, line.setting) == (task, setting)]


def shared_facts(rows: pd.DataFrame) -> dict[str, Any]:
    """Columns of the comparison key that have one value in all rows."""
    return {name: rows[name].iloc[0] for name in COMPARISON_KEY if rows[name].nunique() == 1}


def ablation_sheet(points: Sequence[Point], title: str) -> Sheet:
    """The table of an ablation: per task, and for the mean over tasks, a grid with a line per run.

    Args:
      points: in the order of their lines; all of the same tasks and settings.
      title: the heading.
    """
    return Sheet(title, (), tuple(_grid(points, task) for task in tasks_of(points)), tuple(_notes(points)))


def ablation_json(points: Sequence[Point], title: str) -> str:
    """The same with all digits."""
    runs = [
        {"values": dict(p.values), "run_id": p.run_id, "lines": [asdict(line) for line in p.table.lines]}
        for p in points
    ]
    content = {"title": title, "metric": metric_of(points), "runs": runs, "notes": list(_notes(points))}
    return json_escaped(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False))


def tasks_of(points: Sequence[Point]) -> tuple[str, ...]:
    """The tasks, and their mean where there are several."""
    tasks = points[0].table.expected.tasks
    return (*tasks, MEAN) if len(tasks) > 1 else tasks


def metric_of(points: Sequence[Point]) -> str:
    """What the numbers are: "return" or "success"."""
    return points[0].table.expected.metric


def score(line: Line, metric: str) -> Estimate | None:
    """A line's number in the table's metric."""
    return line.success if metric == "success" else line.episode_return


def _grid(points: Sequence[Point], task: str) -> Grid:
    expected, metric = points[0].table.expected, metric_of(points)
    shifted = [name for name in expected.places if name != expected.train_setting]
    fields = tuple(points[0].values)
    header = (*fields, *expected.places, *(f"gap {name}" for name in shifted))
    lines = tuple(line for point in points for line in _lines(point, task, expected.places, shifted, metric))
    return Grid(f"{task}: {metric}", header, (("", lines),), len(header))


def _lines(
    point: Point, task: str, places: Sequence[str], shifted: Sequence[str], metric: str
) -> Iterator[tuple[Cell, ...]]:
    """The lines of a run: one, unless its rows may not share cells."""
    agents = list(dict.fromkeys(line.agent for name in places for line in point.lines(task, name)))
    decimals = 2 if metric == "success" else None
    for agent in agents:
        found = {name: next((x for x in point.lines(task, name) if x.agent == agent), None) for name in places}
        first, *others = point.values.values()
        texts = [f"{first} ({agent})" if len(agents) > 1 else first, *others]
        texts += [_told(found[name], metric, decimals) for name in places]
        gaps = [line.gap if (line := found[name]) else None for name in shifted]
        texts += [format_estimate(gap, decimals=decimals) for gap in gaps]
        yield tuple(map(Cell, texts))


def _told(line: Line | None, metric: str, decimals: int | None) -> str:
    if line is None or line.status == MISSING:
        return MISSING if line is not None else NOTHING
    partial = "" if line.status == COMPLETE else f" ({line.num_episodes} of {line.expected_episodes})"
    return format_estimate(score(line, metric), decimals=decimals) + partial


def _notes(points: Sequence[Point]) -> Iterator[str]:
    """What the runs share first, then what is said of some of them alone, then what they should share and do not."""
    told = [[*p.table.footnotes, *(note for line in p.table.lines for note in line.notes)] for p in points]
    sentences = list(dict.fromkeys(text for texts in told for text in texts))
    for text in sentences:
        where = [p.label for p, texts in zip(points, told, strict=True) if text in texts]
        yield text if len(where) == len(points) else f"{'; '.join(where)}: {text}"
    if odd := _differences(points):
        yield f"Besides what is varied, the runs differ in {', '.join(odd)}: their numbers are not of one measurement."


def _differences(points: Sequence[Point]) -> list[str]:
    """Columns that should be the same in all runs that have rows, and are not."""
    varied = {field.removeprefix("protocol.") for field in points[0].values}
    measured = [point.shared for point in points if point.shared]
    names = (name for name in COMPARISON_KEY if name not in FOLLOWS | varied)
    return [name for name in names if len({repr(shared.get(name)) for shared in measured}) > 1]
