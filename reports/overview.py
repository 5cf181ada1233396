"""One table over several suites: agents side by side in every setting, each as its mean over the suite's tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.reports.render import format_estimate
from harness.reports.sheets import Cell, Grid, Sheet
from harness.reports.table import MEAN, MISSING, PARTIAL, Line, Table


def overview(tables: Mapping[str, Table], failed: Sequence[str] = ()) -> Sheet:
    """What a reader of many tables looks at first.

    Args:
      tables: by suite, in order.
      failed: one sentence for each cell that could not be measured.
    """
    heads = {suite: _heads(table) for suite, table in tables.items()}
    agents = list(dict.fromkeys(line.agent for lines in heads.values() for line in lines if line.agent))
    sections = tuple(
        (_named(suite, tables[suite]), _section(lines, agents, tables[suite].expected.metric))
        for suite, lines in heads.items()
    )
    grid = Grid("Mean over the tasks of each suite", ("setting", *agents), sections, 1 + len(agents))
    notes = [f"Failed: {text}" for text in failed]
    return Sheet("All suites", (), (grid,), tuple(notes))


def as_data(sheet: Sheet) -> list[dict[str, str]]:
    """The table's lines for machines: suite, setting, and what stands under each agent."""
    (grid,) = sheet.grids
    return [
        {"suite": name, **{column: cell.text for column, cell in zip(grid.header, line, strict=True)}}
        for name, lines in grid.sections
        for line in lines
    ]


def _heads(table: Table) -> list[Line]:
    """The lines that stand for a setting: the means over tasks, or those of the only task."""
    wanted = MEAN if len(table.expected.tasks) > 1 else table.expected.tasks[0]
    return [line for line in table.lines if line.task == wanted]


def _named(suite: str, table: Table) -> str:
    return f"{suite} ({'success rate' if table.expected.metric == 'success' else 'return'})"


def _section(lines: Sequence[Line], agents: Sequence[str], metric: str) -> tuple[tuple[Cell, ...], ...]:
    places = dict.fromkeys(line.setting for line in lines)
    found = {(line.setting, line.agent): line for line in lines}
    return tuple(
        (Cell(place), *(Cell(_text(found.get((place, agent)), metric)) for agent in agents)) for place in places
    )


def _text(line: Line | None, metric: str) -> str:
    if line is None or line.status == MISSING:
        return MISSING
    is_rate = metric == "success"
    text = format_estimate(line.success if is_rate else line.episode_return, decimals=2 if is_rate else None)
    return f"{text}, {PARTIAL}" if line.status == PARTIAL else text
