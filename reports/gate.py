"""The regression gate: what it is asked, what it finds, and the sentence that follows."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.reports import gate_power
from harness.reports.gate_sides import NOISES, WAIVABLE, GateError, Line, Side, check_alike, lines_of, side_of
from harness.reports.gate_test import Judged, Verdict, judge, overall
from harness.reports.statistics import Floats
from harness.results.text import escaped

if TYPE_CHECKING:
    import pandas as pd

METRICS = ("return", "success")
EXIT_STATUS: dict[Verdict, int] = {"not worse": 0, "worse": 1, "cannot tell": 3}


@dataclass(frozen=True)
class Margin:
    """The loss that is accepted: an amount, or a share of the baseline's mean.

    Attributes:
      number: at least 0; of a share, 0.05 for 5 %.
      is_share: whether it is one.
      text: as it was asked for.
    """

    number: float
    is_share: bool
    text: str

    def of(self, mean: float) -> float:
        """The amount, beside a baseline's mean."""
        return self.number * abs(mean) if self.is_share else self.number


@dataclass(frozen=True)
class Question:
    """What the gate is asked.

    Attributes:
      margin: the loss that is accepted.
      metric: "return" or "success".
      alpha: level of the tests.
      noise: "auto", "episodes" or "seeds".
      across: fields of the comparison key that may differ.
      each_setting: whether every setting is a line of its own.
    """

    margin: Margin
    metric: str = "return"
    alpha: float = 0.05
    noise: str = "auto"
    across: tuple[str, ...] = ()
    each_setting: bool = False


@dataclass(frozen=True)
class GateLine:
    """One line of the answer.

    Attributes:
      line: what was compared.
      baseline, candidate: the means.
      judged: the test.
      needed: of a line one cannot tell about, how many episodes or seeds would do; "" else.
    """

    line: Line
    baseline: float
    candidate: float
    judged: Judged
    needed: str

    @property
    def name(self) -> str:
        """The task, with its setting where that is the line."""
        settings = self.line.settings
        return self.line.task if len(settings) != 1 else f"{self.line.task} ({settings[0]})"


@dataclass(frozen=True)
class Gate:
    """The answer.

    Attributes:
      question: what was asked.
      lines: one per task, or setting.
      notes: what a reader must know.
    """

    question: Question
    lines: tuple[GateLine, ...]
    notes: tuple[str, ...]

    @property
    def verdict(self) -> Verdict:
        return overall([line.judged.verdict for line in self.lines])

    def sentence(self) -> str:
        """The verdict in one sentence."""
        worse = [line.name for line in self.lines if line.judged.verdict == "worse"]
        unknown = [line.name for line in self.lines if line.judged.verdict == "cannot tell"]
        margin = f"more than {self.question.margin.text} of {self.question.metric}"
        if worse:
            return f"Worse: {margin} is lost on {_listed(worse)}."
        if unknown:
            needed = [line.needed for line in self.lines if line.needed]
            return f"Cannot tell whether {margin} is lost on {_listed(unknown)}: {needed[0]}."
        return f"Not worse: no task lost {margin}."


def parse_margin(text: str) -> Margin:
    """Reads `5%` or `12.5`.

    Raises:
      GateError: if it is neither, or not at least 0.
    """
    match = re.fullmatch(r"\s*(\d{1,12}(?:\.\d{1,12})?|\.\d{1,12})\s*(%?)\s*", text)
    if not match:
        raise GateError(f"--margin is a share such as 5% or an amount such as 12.5, at least 0, not '{escaped(text)}'.")
    number = float(match[1])
    if match[2] and number > 100:
        raise GateError(f"--margin is at most 100% of the baseline's mean, not '{escaped(text)}'.")
    return Margin(number / 100 if match[2] else number, bool(match[2]), text.strip())


def check_question(question: Question) -> Question:
    """Returns the question if it can be asked.

    Raises:
      GateError: otherwise.
    """
    if question.metric not in METRICS:
        raise GateError(f"--on is return or success, not '{escaped(question.metric)}'.")
    if question.noise not in NOISES:
        raise GateError(f"--noise is {', '.join(NOISES)}, not '{escaped(question.noise)}'.")
    if question.metric == "success" and not question.margin.is_share and question.margin.number >= 1:
        points = question.margin.number / 100
        raise GateError(
            f"--margin {escaped(question.margin.text)} is all that a success rate can lose: "
            f"{question.margin.number:g} points of a hundred are --margin {points:g}."
        )
    if not 0 < question.alpha < 0.5:
        raise GateError(f"--alpha is above 0 and below 0.5, not {question.alpha:g}.")
    for field in question.across:
        if field not in WAIVABLE:
            raise GateError(f"Cannot compare across '{escaped(field)}'. Fields: {', '.join(WAIVABLE)}.")
    return question


def check(candidate: pd.DataFrame, baseline: pd.DataFrame, question: Question) -> Gate:
    """Answers the question.

    Args:
      candidate: rows of one evaluation, with `gate_sides.COLUMNS`.
      baseline: rows of the one it is held against.
      question: as `check_question` returns it.

    Raises:
      GateError: if the two cannot be compared.
    """
    sides = (side_of(baseline, "baseline", question.metric), side_of(candidate, "candidate", question.metric))
    check_alike(*sides, question.across)
    lines = lines_of(*sides, question.noise, each_setting=question.each_setting, metric=question.metric)
    means = [[_mean(side) for side in (line.evidence.baseline, line.evidence.candidate)] for line in lines]
    margins = [margin_of(question.margin, mean, line.task) for (mean, _), line in zip(means, lines, strict=True)]
    judged = judge([line.evidence for line in lines], margins, question.alpha)
    found = tuple(
        GateLine(line, before, after, each, _needed(line, each, question.alpha))
        for line, (before, after), each in zip(lines, means, judged, strict=True)
    )
    extra = [place for place in sides[1].keys if place not in sides[0].keys]
    return Gate(question, found, tuple(_notes(sides, lines, question, extra)))


def _mean(side: Sequence[Floats]) -> float:
    return float(np.mean([values.mean() for values in side]))


def margin_of(margin: Margin, mean: float, task: str) -> float:
    """The margin of a task as an amount.

    Raises:
      GateError: if it is a share of nothing.
    """
    if margin.is_share and margin.number and mean == 0.0:
        raise GateError(
            f"The baseline's mean of {escaped(task)} is 0, and {margin.text} of it is 0: give --margin as an amount."
        )
    return margin.of(mean)


def _needed(line: Line, judged: Judged, alpha: float) -> str:
    """How much more would tell that nothing has changed, from the spread that was seen."""
    if judged.verdict != "cannot tell":
        return ""
    evidence, found = line.evidence, judged.difference
    if judged.margin == 0.0:
        return "with a margin of 0 no number of episodes or seeds would do"
    by_seeds = evidence.noise == "seeds"
    what = "training seeds" if by_seeds else "episodes"
    per = "" if by_seeds else " of each policy" if evidence.num_seeds > 1 else ""
    policies = 1 if by_seeds else evidence.num_seeds
    have = math.ceil(found.units / policies)
    if found.variance is None:
        return f"{have} {what[:-1]}{per} says nothing of how {what} differ; at least 2 are needed"
    variance = found.variance * found.units
    if evidence.metric == "success":
        variance = max(variance, judged.margin * (1 - min(1.0, judged.margin)) * found.units / evidence.num_episodes)
    units = gate_power.units_needed(variance, judged.margin, alpha, at_least=found.units + 1)
    if units is None:
        return f"not even {gate_power.MOST:,} {what} would do at this spread"
    return f"about {math.ceil(units / policies):,} {what}{per} would do, where there are {have:,}"


def _notes(
    sides: Sequence[Side], lines: Sequence[Line], question: Question, extra: Sequence[tuple[str, ...]]
) -> list[str]:
    notes = [f"{line.task}: {note}" for line in lines for note in line.notes]
    for field in question.across:
        values = ["/".join(map(str, side.values(field))) or "(empty)" for side in sides]
        if values[0] != values[1]:
            notes.append(f"compared although {field} differs: {values[0]} and {values[1]}")
    stand_ins = sorted({name for side in sides for name in side.values("stand_ins") if name})
    if stand_ins:
        notes.append(f"measured with stand-ins: {', '.join(stand_ins)}")
    pairs = sum(line.evidence.num_episodes * len(line.settings) for line in lines if line.evidence.is_paired)
    same, redrawn = sum(line.num_same for line in lines), sum(line.num_redrawn for line in lines)
    if same:
        notes.append(f"{same} of {pairs} pairs of episodes went exactly as in the baseline")
    if redrawn:
        notes.append(f"{redrawn} of {pairs} pairs of episodes begin with another picture than in the baseline")
    if extra:
        notes.append(f"{len(extra)} cells of the candidate are not in the baseline and were not compared")
    return [escaped(note) for note in notes]


def _listed(names: Sequence[str], most: int = 4) -> str:
    shown = ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
    return escaped(shown)
