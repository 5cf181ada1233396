"""The test of the regression gate: is a candidate worse than a baseline by more than a margin, or not, or unknown?

Two one-sided tests at the same border, a true difference of minus the margin (non-inferiority; G. Piaggio et al. 2012,
JAMA 308, 2594-2604). *Worse* is claimed of single tasks, so their chances are corrected by Holm's procedure: with
probability 1 - alpha no task is called worse wrongly. *Not worse* is claimed of all tasks together, which needs each of
them at alpha and no correction (R. L. Berger 1982, Technometrics 24, 295-300).

What may differ by chance is one of two things. Of the same policy measured again, it is the episodes; of two trainings,
it is the training seeds, and their episodes say nothing more. Student's t is taken over the one or the other.

Success rates take few values, so three things keep the level: the variance is at least that of the rarest outcomes
that would make up the margin, episodes of all policies are pooled, and half a step of the rate is given away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from harness.reports import student
from harness.reports.comparing import holm
from harness.reports.statistics import Floats, Interval
from harness.reports.student import Moments

Noise = Literal["episodes", "seeds"]
Verdict = Literal["not worse", "worse", "cannot tell"]
_ROUNDING = 1e-12  # of the largest outcome: a spread below is none


@dataclass(frozen=True)
class Evidence:
    """What both sides gave on one line of the gate, usually a task.

    Attributes:
      baseline: per policy (training seed), its outcomes, each the mean over the line's settings.
      candidate: likewise; where `is_paired`, of the same policies and start states in the same order.
      is_paired: whether the k-th outcomes of both sides belong together.
      noise: what may differ by chance, "episodes" or "seeds".
      metric: "return" or "success".
      num_settings: over how many settings each outcome is a mean.
    """

    baseline: Sequence[Floats]
    candidate: Sequence[Floats]
    is_paired: bool
    noise: Noise
    metric: str
    num_settings: int = 1

    @property
    def num_episodes(self) -> int:
        """Of all policies together, on the smaller side."""
        return min(sum(map(len, self.baseline)), sum(map(len, self.candidate)))

    @property
    def num_seeds(self) -> int:
        """Policies on the smaller side."""
        return min(len(self.baseline), len(self.candidate))


class Difference(NamedTuple):
    """Candidate minus baseline.

    Attributes:
      estimate: the difference of the means over policies.
      variance: of that estimate; 0 where no unit differed from another, None where there is one unit alone.
      freedom: degrees of freedom of the variance.
      units: how many episodes or seeds it rests on.
      step: the smallest amount by which a success rate can differ; 0 of returns.
    """

    estimate: float
    variance: float | None
    freedom: float
    units: int
    step: float


@dataclass(frozen=True)
class Judged:
    """What the test says of one line.

    Attributes:
      difference: candidate minus baseline.
      margin: the loss that is still accepted, at least 0, in the outcome's unit.
      worse_chance: p value of "not worse than the margin allows", corrected by Holm.
      fine_chance: p value of "worse than the margin allows".
      bounds: one-sided limits of the difference, lower and upper, each at 1 - alpha; None without a spread.
      verdict: about this line.
    """

    difference: Difference
    margin: float
    worse_chance: float
    fine_chance: float
    bounds: Interval | None
    verdict: Verdict


def judge(lines: Sequence[Evidence], margins: Sequence[float], alpha: float) -> list[Judged]:
    """Tests every line, and corrects what is called worse for the number of lines."""
    found = [difference(line) for line in lines]
    both = [chances(each, line, margin) for each, line, margin in zip(found, lines, margins, strict=True)]
    corrected = holm([worse for worse, _ in both])
    return [
        Judged(each, margin, worse, fine, bounds(each, line, margin, alpha), _verdict(worse, fine, alpha))
        for each, line, margin, worse, (_, fine) in zip(found, lines, margins, corrected, both, strict=True)
    ]


def overall(verdicts: Sequence[Verdict]) -> Verdict:
    """Worse if one line is, not worse if all lines are not, else one cannot tell."""
    if "worse" in verdicts:
        return "worse"
    return "cannot tell" if "cannot tell" in verdicts else "not worse"


def difference(line: Evidence) -> Difference:
    """Candidate minus baseline, with its variance from episodes or from seeds."""
    sides = [line.candidate, line.baseline]
    estimate = _mean(line.candidate) - _mean(line.baseline)
    if line.is_paired:
        sides = [[x - y for x, y in zip(*sides, strict=True)]]
    parts = [_moments(side, line) for side in sides]
    units = line.num_seeds if line.noise == "seeds" else line.num_episodes
    step = 1 / (line.num_episodes * line.num_settings) if line.metric == "success" else 0.0
    there = [part for part in parts if part is not None]
    if len(there) < len(parts):
        return Difference(estimate, None, 0.0, units, step)
    total = student.combined(there, [1.0, -1.0][: len(there)])
    scale = max(float(np.abs(values).max()) for side in (line.baseline, line.candidate) for values in side)
    variance = 0.0 if total.variance <= (_ROUNDING * scale) ** 2 else total.variance
    return Difference(estimate, variance, min(total.freedom, sum(part.freedom for part in there)), units, step)


def chances(found: Difference, line: Evidence, margin: float) -> tuple[float, float]:
    """The p values of the two tests, uncorrected: of being worse, and of being not worse.

    Where no unit differs from another there is no spread for Student's t, and the units' signs are counted: so many
    would fall on the same side of the border by chance with probability 2 to the minus their number.
    """
    error = standard_error(found, line, margin)
    if error is None:
        return 1.0, 1.0
    distance = found.estimate + margin
    if error == 0.0:
        alike = 0.5**found.units
        return (alike if distance < 0 else 1.0), (alike if distance > 0 else 1.0)
    give = found.step / 2
    worse = student.t_chance((distance + give) / error, found.freedom)
    return worse, student.t_chance(-(distance - give) / error, found.freedom)


def standard_error(found: Difference, line: Evidence, margin: float) -> float | None:
    """Of the difference at the border; None where it is not known."""
    if found.variance is None:
        return None
    least = margin * (1 - min(margin, 1.0)) / line.num_episodes if line.metric == "success" else 0.0
    return float(np.sqrt(max(found.variance, least)))


def bounds(found: Difference, line: Evidence, margin: float, alpha: float) -> Interval | None:
    """The differences that neither test would refuse at alpha, were they the border."""
    error = standard_error(found, line, margin)
    if error is None or (error == 0.0 and 0.5**found.units > alpha):
        return None
    half = student.t_quantile(1 - alpha, found.freedom) * error + found.step / 2 if error else 0.0
    return found.estimate - half, found.estimate + half


def _verdict(worse: float, fine: float, alpha: float) -> Verdict:
    if worse <= alpha:
        return "worse"
    return "not worse" if fine <= alpha else "cannot tell"


def _mean(side: Sequence[Floats]) -> float:
    return float(np.mean([values.mean() for values in side]))


def _moments(side: Sequence[Floats], line: Evidence) -> Moments | None:
    """Of the mean over policies: by their seeds, or by their episodes with the policies fixed."""
    if line.noise == "seeds":
        return student.moments(side) if len(side) > 1 else None
    parts = [student.moments([values]) for values in side]
    there = [part for part in parts if part is not None]
    if line.metric == "success" or len(there) < len(parts):  # pooled: policies that differ only add to the spread
        return student.moments([np.concatenate(side)])
    return _meant(there)


def _meant(parts: Sequence[Moments]) -> Moments:
    """Of the mean over policies.

    The degrees of freedom are those of B. L. Welch 1947 (Biometrika 34, 28-35), which two episodes of each policy do
    not throw off: Satterthwaite's take the spread of estimated variances for one of true ones.
    """
    found = student.combined(parts, [1 / len(parts)] * len(parts))
    if len(parts) == 1 or found.variance == 0.0:
        return found
    shares = sum((part.variance / len(parts) ** 2) ** 2 / (part.freedom + 2) for part in parts)
    most, least = sum(part.freedom for part in parts), min(part.freedom for part in parts)
    return found._replace(freedom=min(most, max(least, found.variance**2 / shares - 2)))
