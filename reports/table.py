"""What a table of measured cells is: what stands in each cell, and under which conditions; docs/table.md defines it.

`harness.reports.filling` makes one from rows, `harness.reports.render` turns it into text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from harness.results.published import PublishedNumber

MEAN = "mean over tasks"

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
