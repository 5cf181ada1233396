"""Published numbers, as they stand beside measured cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from harness.reports.table import MEAN, Expected, Published
from harness.results.published import PublishedNumber, mean_over, published_cell


def published_beside(expected: Expected, agents: Sequence[str]) -> dict[tuple[str, str], dict[str, Published]]:
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
