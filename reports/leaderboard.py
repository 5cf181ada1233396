"""What a leaderboard is: who was measured, what was reached where, and what may be claimed from it.

`harness.reports.ranking` fills one from rows; `harness.reports.board_sheets` and `harness.reports.board_data` show it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from harness.reports.entrants import Entrant
from harness.reports.table import Estimate, Published

Kind = Literal["all suites", "suite", "axis", "setting", "task", "cell"]
ALL_SUITES = "all suites"


@dataclass(frozen=True)
class SuiteFacts:
    """What a leaderboard must know of a suite.

    Attributes:
      name: of the suite, as in its rows.
      tasks: in table order; only these count in the suite's mean.
      settings: the shifted ones in table order; only these count in the suite's mean.
      train_setting: the setting gaps are counted from.
      metric: "return" or "success".
      frame_rewards: the least and the most that one frame can give; None where that has no bounds.
      published_suite: its name among the published numbers, if it has any.
      published_note: what a reader of those must know.
    """

    name: str
    tasks: tuple[str, ...]
    settings: tuple[str, ...]
    train_setting: str = "train"
    metric: str = "return"
    frame_rewards: tuple[float, float] | None = None
    published_suite: str | None = None
    published_note: str = ""

    def best(self, episode_frames: int) -> float | None:
        """The most a task can give in the metric, where zero is the least; None if that is not known."""
        if self.metric == "success":
            return 1.0
        if self.frame_rewards is None or self.frame_rewards[0] != 0.0:
            return None
        return self.frame_rewards[1] * episode_frames


@dataclass(frozen=True)
class Place:
    """What one ranking is about.

    Attributes:
      kind: all suites, one suite, one axis of its shifts, one setting, one task, or a cell (a task in a setting).
      suite: None for all suites.
      tasks: that are averaged over.
      settings: that are averaged over, episode by episode.
      num_tasks: that its suite has; 0 where not all of them would be averaged over.
      num_settings: shifted ones that its suite has; likewise.
    """

    kind: Kind
    suite: str | None
    tasks: tuple[str, ...]
    settings: tuple[str, ...]
    num_tasks: int = field(default=0, compare=False)
    num_settings: int = field(default=0, compare=False)

    @property
    def name(self) -> str:
        """For a reader, within its suite."""
        if self.kind == "axis":
            return f"{axis_of(self.settings[0])} ({len(self.settings)} settings)"
        tasks, settings = self._tasks or "tasks", self._settings or "shifted settings"
        names = {"all suites": ALL_SUITES, "suite": f"mean over {tasks} and {settings}"}
        names |= {"task": self.tasks[0] if self.tasks else "", "cell": self.tasks[0] if self.tasks else ""}
        return names.get(self.kind) or f"mean over {tasks}"

    @property
    def part(self) -> str:
        """Of how much of its suite this is the mean, where that is not all: `2 of 6 tasks`; else ""."""
        return " and ".join(text for text in (self._tasks, self._settings) if text)

    @property
    def _tasks(self) -> str:
        return f"{len(self.tasks)} of {self.num_tasks} tasks" if len(self.tasks) < self.num_tasks else ""

    @property
    def _settings(self) -> str:
        few = len(self.settings) < self.num_settings
        return f"{len(self.settings)} of {self.num_settings} shifted settings" if few else ""


@dataclass(frozen=True)
class Standing:
    """One entrant in one ranking.

    Attributes:
      status: "complete", "partial" (some of its cells have fewer episodes than its others) or "missing".
      score: the mean, in the ranking's unit; None if missing.
      middle: the interquartile mean over seeds and tasks; None unless all tasks have equally many seeds.
      shortfall: the optimality gap; None where the best that is possible is not known.
      gap: training setting minus these settings.
      rank: 1 for the highest score; None if missing.
      ranks: the ranks its claims leave open; None where it can make none.
      best_chance: the probability of being the best; None likewise.
      group: letters; entrants that share one cannot be told apart; "" likewise.
      is_best: whether it is better than every other entrant; of none where one was trained once, and claims nothing.
    """

    status: str
    score: Estimate | None = None
    middle: Estimate | None = None
    shortfall: Estimate | None = None
    gap: Estimate | None = None
    rank: int | None = None
    ranks: tuple[int, int] | None = None
    best_chance: float | None = None
    group: str = ""
    is_best: bool = False


@dataclass(frozen=True)
class Ranking:
    """All entrants of a board in one place; `standings` in the order of the entrants.

    Attributes:
      metric: "return", "success", or "share of the best" where suites are joined.
      published: what papers say, by their agents.
    """

    place: Place
    metric: str
    standings: tuple[Standing, ...]
    published: Mapping[str, Published] = field(default_factory=lambda: MappingProxyType({}))

    def order(self) -> list[int]:
        """Indices of the entrants, best first; those without a score last."""
        ranks = [standing.rank for standing in self.standings]
        return sorted(range(len(ranks)), key=lambda i: (ranks[i] is None, ranks[i] or 0, i))


@dataclass(frozen=True)
class Scores:
    """What each training seed reached on each task of a suite, over all shifted settings: for profiles and the like.

    Attributes:
      suite: the suite's name.
      tasks: names, in the order of the columns.
      best: the most a task can give; None if not known.
      of: by entrant's index, (seeds, tasks).
    """

    suite: str
    metric: str
    tasks: tuple[str, ...]
    best: float | None
    of: Mapping[int, Any]


@dataclass(frozen=True)
class Board:
    """Entrants that were measured alike, with all rankings.

    Attributes:
      heads: of the rankings, those that stand for all suites and for each suite.
      conditions: what they share, by field of the comparison key.
    """

    entrants: tuple[Entrant, ...]
    rankings: tuple[Ranking, ...]
    heads: tuple[Ranking, ...]
    scores: tuple[Scores, ...]
    conditions: Mapping[str, str]
    published_agents: tuple[str, ...]
    notes: tuple[str, ...]

    def suites(self) -> list[str]:
        """Those with rankings, in order."""
        return list(dict.fromkeys(r.place.suite for r in self.rankings if r.place.suite is not None))


@dataclass(frozen=True)
class Leaderboard:
    """Boards, and what belongs to all of them.

    Attributes:
      boards: none of whose numbers may be compared with another's.
      why: which fields keep entrants and boards apart, a sentence each.
      notes: how to read it, and what was left out.
      method: the name of the kind of interval.
    """

    boards: tuple[Board, ...]
    why: tuple[str, ...]
    notes: tuple[str, ...]
    method: str


def axis_of(setting: str) -> str:
    """The shift a setting is a degree of: `light` of `light=0.5`, `distracting` of `distracting_0.1`, else its name."""
    if "=" in setting:
        return "+".join(part.partition("=")[0] for part in setting.split("+"))
    return re.sub(r"_(easy|hard|medium|intense|\d+(\.\d+)?)$", "", setting)


def places_of(facts: SuiteFacts, tasks: Sequence[str], settings: Sequence[str]) -> list[Place]:
    """Every ranking of one suite that says something of its own, from the whole to the single cell.

    Args:
      facts: of the suite.
      tasks: that anyone was measured on, the suite's own or not.
      settings: that anyone was measured in, the training setting included or not.
    """
    own_tasks = tuple(task for task in facts.tasks if task in tasks)
    shifted = tuple(name for name in facts.settings if name in settings)
    extra = tuple(name for name in settings if name not in (*shifted, facts.train_setting))
    numbers = num_tasks, num_settings = len(facts.tasks), len(facts.settings)
    whole = Place("suite", facts.name, own_tasks, shifted, num_tasks, num_settings)
    found = [whole] if own_tasks and len(shifted) > 1 else []
    for axis, members in _axes((*shifted, *extra)).items():
        if own_tasks and axis and len(members) > 1 and members != shifted:
            found.append(Place("axis", facts.name, own_tasks, members, num_tasks))
    ordered = (*((facts.train_setting,) if facts.train_setting in settings else ()), *shifted, *extra)
    others = tuple(task for task in tasks if task not in own_tasks)
    if len(shifted) > 1:
        found += [Place("task", facts.name, (task,), shifted) for task in (*own_tasks, *others)]
    for setting in ordered:
        if len(own_tasks) > 1:
            found.append(Place("setting", facts.name, own_tasks, (setting,), *numbers))
        found += [Place("cell", facts.name, (task,), (setting,), *numbers) for task in (*own_tasks, *others)]
    return found


def headline(facts: SuiteFacts, tasks: Sequence[str], settings: Sequence[str]) -> Place | None:
    """The one place that stands for a suite: all its tasks in all its shifted settings; None if nothing is there."""
    own = tuple(task for task in facts.tasks if task in tasks)
    shifted = tuple(name for name in facts.settings if name in settings)
    if not own or not shifted:
        return None
    if len(shifted) > 1:
        return Place("suite", facts.name, own, shifted)
    return Place("setting" if len(own) > 1 else "cell", facts.name, own, shifted)


def _axes(settings: Sequence[str]) -> dict[str, tuple[str, ...]]:
    axes: dict[str, tuple[str, ...]] = {}
    for name in settings:
        axes[axis_of(name)] = (*axes.get(axis_of(name), ()), name)
    return axes
