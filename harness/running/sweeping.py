"""`harness sweep`: trained policies along one or two continuous shifts, as runs whose settings are the points."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from harness.axis import Axis
from harness.errors import UsageError
from harness.registry import load_suite
from harness.running.plan import RunOptions, RunPlan
from harness.running.planning import make_plan
from harness.running.user_files import files_for
from harness.shift_settings import add_shifts, axes_of
from harness.spec import Suite

MOST_VALUES, MOST_POINTS = 101, 1_000
_DIGITS = 12  # of a value: beyond, it is rounding

Point = tuple[float, ...]  # a value per axis


@dataclass(frozen=True)
class SweepAxis:
    """A shift and the values it takes, rising."""

    axis: Axis
    values: tuple[float, ...]


@dataclass(frozen=True)
class Sweep:
    """What is measured: the plan of every policy, and which of its settings is which point.

    Attributes:
      labels: of the policies.
      plans: of the policies; their settings are the training setting and the points.
      axes: one or two.
      points: setting -> point.
    """

    labels: tuple[str, ...]
    plans: tuple[RunPlan, ...]
    axes: tuple[SweepAxis, ...]
    points: Mapping[str, Point]


def plan_sweep(options: RunOptions, agents: Sequence[str], checkpoints: Sequence[Path], texts: Sequence[str]) -> Sweep:
    """Checks a sweep and fixes every number; writes nothing.

    Args:
      options: as of `harness run`; its agent, checkpoint and shifts are not looked at.
      agents: one for all checkpoints, or one for each.
      checkpoints: folders of runs; none for agents that do not learn.
      texts: one or two axes, `NAME=LOW:HIGH:COUNT` each.
    Raises:
      UsageError: (or one of its kinds) in one sentence, for whatever cannot be.
    """
    suite = load_suite(options.suite)
    axes = tuple(_parse(text, suite) for text in texts)
    if not 1 <= len(axes) <= 2 or len({each.axis.name for each in axes}) < len(axes):
        raise UsageError(f"A sweep goes along one shift or two different ones, not {len(axes)}: give --shift for each.")
    points = dict(_points(suite, axes))
    pairs = _pairs(agents, checkpoints)
    options = replace(options, shifts=tuple(points))
    plans = [
        make_plan(
            replace(
                options,
                agent=agent,
                checkpoint=checkpoint,
                agent_files=files_for(agent, agents, options.agent_files),
            )
        )
        for agent, checkpoint in pairs
    ]
    for plan in plans:
        if plan.trains:
            raise UsageError(f"A sweep trains nothing: give a trained policy of {plan.agent.name} with --checkpoint.")
    settings = (suite.train.name, *points)
    labels = _labels(pairs)
    return Sweep(labels, tuple(replace(plan, settings=settings) for plan in plans), axes, points)


def _parse(text: str, suite: Suite) -> SweepAxis:
    match = re.fullmatch(r"\s*([^=:+\s]+)=([^:]+):([^:]+):(\d{1,6})\s*", text)
    try:
        low, high, count = float(match[2]), float(match[3]), int(match[4])  # type: ignore[index]
    except (TypeError, ValueError):
        raise UsageError(f"--shift of a sweep is NAME=LOW:HIGH:COUNT, such as light=0:2:9, not '{text}'.") from None
    name = match[1]  # type: ignore[index]
    if not low < high:
        raise UsageError(f"--shift {name} goes from a low value to a higher one, not from {low:g} to {high:g}.")
    if not 2 <= count <= MOST_VALUES:
        raise UsageError(f"--shift {name} takes 2 to {MOST_VALUES} values, not {count}.")
    add_shifts(suite, [f"{name}={low!r}", f"{name}={high!r}"])  # what does not exist, or is out of range, ends here
    values = tuple(round(float(value), _DIGITS) for value in np.linspace(low, high, count))
    return SweepAxis(axes_of(suite)[name], values)


def _points(suite: Suite, axes: Sequence[SweepAxis]) -> list[tuple[str, Point]]:
    """(setting, point), the first axis slowest."""
    found = list(itertools.product(*(each.values for each in axes)))
    if len(found) > MOST_POINTS:
        raise UsageError(f"A sweep has at most {MOST_POINTS} points, not {len(found)}.")
    texts = ["+".join(f"{a.axis.name}={v!r}" for a, v in zip(axes, point, strict=True)) for point in found]
    names = [setting.name for setting in add_shifts(suite, texts).settings[-len(texts) :]]
    return list(zip(names, found, strict=True))


def _pairs(agents: Sequence[str], checkpoints: Sequence[Path]) -> list[tuple[str, Path | None]]:
    if not checkpoints:
        return [(agent, None) for agent in agents]
    if len(agents) not in (1, len(checkpoints)):
        raise UsageError(
            f"Give --agent once for all, or once per --checkpoint: there are {len(agents)} and {len(checkpoints)}."
        )
    return list(zip(agents if len(agents) > 1 else [*agents] * len(checkpoints), checkpoints, strict=True))


def _labels(pairs: Sequence[tuple[str, Path | None]]) -> tuple[str, ...]:
    """The agents' names, with their folders where one has several policies."""
    names = [agent for agent, _ in pairs]
    return tuple(
        agent if names.count(agent) == 1 else f"{agent} ({checkpoint.name if checkpoint else number})"
        for number, (agent, checkpoint) in enumerate(pairs, start=1)
    )
