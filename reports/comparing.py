"""Which of several agents is better, and how sure that is: tests corrected for their number, ranks, groups.

Agents are independent trainings, so two of them are compared by Welch's test of their seeds' means (B. L. Welch 1947),
over tasks with Satterthwaite's degrees of freedom. Whatever is claimed of several pairs at once is corrected by Holm's
step-down procedure (S. Holm 1979, Scandinavian Journal of Statistics 6, 65-70): with probability 0.95 none of the
claims is wrong.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from math import comb
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.reports import student
from harness.reports.statistics import Floats, Samples
from harness.reports.student import Moments

ALPHA = 0.05
NUM_DRAWS = 10_000
_ENOUGH_ALIKE = 4  # equal seeds on both sides that tell two agents apart at `ALPHA`

Tasks = Sequence[Samples]  # the samples of every task, of one agent
Signs = NDArray[np.int8]  # (agents, agents): 1 where the row's agent is better than the column's, -1 where worse


def difference_chance(ours: Tasks, theirs: Tasks, metric: str) -> float | None:
    """Welch's two-sided p value for the means over tasks of two agents.

    Where no seed differs from another there is no spread to test with. Success rates are then held against Wilson's
    margins; of returns it counts how rarely so many seeds of two agents that are alike would fall apart like that
    (Fisher's exact permutation test).

    Returns:
      None if one of them has one episode of one seed.
    """
    return _chance(_side(ours), _side(theirs), metric)


def holm(chances: Sequence[float]) -> list[float]:
    """p values corrected for their number: each may be held against the level that all of them together shall have."""
    adjusted, least = [0.0] * len(chances), 0.0
    for rank, index in enumerate(sorted(range(len(chances)), key=lambda i: chances[i])):
        least = max(least, min(1.0, (len(chances) - rank) * chances[index]))
        adjusted[index] = least
    return adjusted


def better_signs(
    families: Sequence[Sequence[Tasks | None]], metric: str, *, alpha: float = ALPHA
) -> list[tuple[Signs, NDArray[np.bool_]]]:
    """Which agents are better than which, in several lines at once, none wrongly with probability 1 - alpha.

    Args:
      families: per line, the samples of every agent; None where an agent can claim nothing there.
      metric: "return" or "success".

    Returns:
      Per line the signs, and which pairs could be tested, both (agents, agents).
    """
    lines = [[None if tasks is None else _side(tasks) for tasks in agents] for agents in families]
    tests = [(line, i, j, p) for line, agents in enumerate(lines) for i, j, p in _pair_chances(agents, metric)]
    found = [(np.zeros((len(a), len(a)), np.int8), np.zeros((len(a), len(a)), np.bool_)) for a in families]
    for (line, i, j, _), adjusted in zip(tests, holm([test[3] for test in tests]), strict=True):
        signs, tested = found[line]
        tested[i, j] = tested[j, i] = True
        if adjusted <= alpha:
            signs[i, j] = _sign(lines[line][i], lines[line][j])
            signs[j, i] = -signs[i, j]
    return found


def rank_limits(signs: Signs, tested: NDArray[np.bool_], count: int) -> list[tuple[int, int] | None]:
    """Best and worst rank of each agent that the claims leave open; None for an agent in no test.

    With the pairs' claims all true, every true rank is inside (M. Mogstad et al. 2024, Review of Economic Studies 91,
    476-518).

    Args:
      signs: as from `better_signs`.
      tested: likewise.
      count: of agents that have a rank, those of which nothing is claimed included.
    """
    return [
        (1 + int((signs[i] < 0).sum()), count - int((signs[i] > 0).sum())) if tested[i].any() else None
        for i in range(len(signs))
    ]


def group_letters(signs: Signs, tested: NDArray[np.bool_], order: Sequence[int]) -> list[str]:
    """Letters by which agents can be told apart: two that share one cannot be.

    The insert-and-absorb algorithm (H.-P. Piepho 2004, Journal of Computational and Graphical Statistics 13, 456-466).

    Args:
      signs: as from `better_signs`.
      tested: likewise.
      order: of the agents, best first: the first one's group is "a".

    Returns:
      Per agent, such as "a" or "bc"; "" for one in no test.
    """
    members = [i for i in order if tested[i].any()]
    groups = [set(members)] if members else []
    for i, j in ((i, j) for n, i in enumerate(members) for j in members[n + 1 :] if signs[i, j]):
        split = [part for group in groups for part in ((group - {i}, group - {j}) if {i, j} <= group else (group,))]
        groups = [g for n, g in enumerate(split) if not any(g < other for other in split) and g not in split[:n]]
    groups.sort(key=lambda group: sorted(map(members.index, group)))
    return ["".join(_letter(n) for n, group in enumerate(groups) if i in group) for i in range(len(signs))]


def best_alone(signs: Signs, tested: NDArray[np.bool_]) -> int | None:
    """The agent that is better than every other one that could be tested; None if there is none."""
    count = int(tested.any(axis=1).sum())
    return next((i for i in range(len(signs)) if count > 1 and int((signs[i] > 0).sum()) == count - 1), None)


def best_chances(
    agents: Sequence[Tasks | None], metric: str, *, num_draws: int = NUM_DRAWS, seed: int = 0
) -> list[float | None]:
    """The probability that each agent's mean over tasks is the highest, ties shared.

    Every mean is drawn from its Student distribution about what was measured (for success rates without spread over
    seeds, Jeffreys' Beta); None for an agent that can claim nothing, and for one of few seeds that do not differ.
    """
    rng = np.random.default_rng(seed)
    found = [None if tasks is None else _mean_draws(tasks, metric, num_draws, rng) for tasks in agents]
    there = [draws for draws in found if draws is not None]
    if not there:
        return [None] * len(agents)
    top = np.max(there, axis=0)
    shares = 1.0 / np.sum([draws == top for draws in there], axis=0)
    return [None if draws is None else float(np.mean(np.where(draws == top, shares, 0.0))) for draws in found]


class _Side(NamedTuple):
    """One agent in a comparison: its samples, and the moments of its mean over tasks."""

    tasks: Tasks
    moments: Moments | None


def _side(tasks: Tasks) -> _Side:
    return _Side(tasks, student.task_moments(tasks))


def _chance(ours: _Side, theirs: _Side, metric: str) -> float | None:
    x, y = ours.moments, theirs.moments
    if x is None or y is None:
        return None
    difference = student.combined([x, y], [1.0, -1.0])
    if difference.variance > 0.0:
        return 2 * student.t_chance(-abs(difference.estimate) / float(np.sqrt(difference.variance)), difference.freedom)
    if metric == "success":
        return student.success_difference_chance(ours.tasks, theirs.tasks)
    if abs(difference.estimate) <= 1e-12 * abs(x.estimate):
        return 1.0
    return min(1.0, 2 / comb(_num_units(ours.tasks) + _num_units(theirs.tasks), _num_units(ours.tasks)))


def _num_units(tasks: Tasks) -> int:
    """Of what a mean rests on, in the task with the fewest: seeds, or the episodes of one."""
    return min(len(samples) if len(samples) > 1 else np.size(samples[0]) for samples in tasks)


def _sign(ours: _Side | None, theirs: _Side | None) -> int:
    """1 where the mean of ours is the higher one, -1 where it is the lower one."""
    x, y = (side.moments.estimate if side and side.moments else 0.0 for side in (ours, theirs))
    return int(x > y) - int(x < y)


def _pair_chances(agents: Sequence[_Side | None], metric: str) -> list[tuple[int, int, float]]:
    there = [(i, side) for i, side in enumerate(agents) if side is not None]
    chances = []
    for n, (i, ours) in enumerate(there):
        for j, theirs in there[n + 1 :]:
            if (chance := _chance(ours, theirs, metric)) is not None:
                chances.append((i, j, chance))
    return chances


def _mean_draws(tasks: Tasks, metric: str, num_draws: int, rng: np.random.Generator) -> Floats | None:
    found = student.task_moments(tasks)
    if found is None:
        return None
    if found.variance > 0.0:
        return np.asarray(found.estimate + np.sqrt(found.variance) * _t_draws(found, num_draws, rng))
    if metric != "success":
        return np.full(num_draws, found.estimate) if _num_units(tasks) >= _ENOUGH_ALIKE else None
    pooled = [np.concatenate([np.asarray(values, dtype=np.float64) for values in samples]) for samples in tasks]
    beta = [rng.beta(values.sum() + 0.5, len(values) - values.sum() + 0.5, num_draws) for values in pooled]
    return np.asarray(np.mean(beta, axis=0))


def _t_draws(found: Moments, num_draws: int, rng: np.random.Generator) -> Floats:
    return rng.standard_normal(num_draws) if np.isinf(found.freedom) else rng.standard_t(found.freedom, num_draws)


def _letter(number: int) -> str:
    """a to z, then A to Z; more groups than that share the last one's sign."""
    return string.ascii_letters[min(number, 51)]
