"""From rows to a leaderboard: who stands where, and what may be claimed from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.reports import comparing, statistics
from harness.reports.beside import published_beside
from harness.reports.entrants import ACROSS, Entrant, fields_apart, find_entrants, into_boards, told_apart
from harness.reports.intervals import METHODS, STUDENT, Method, optimality_gap
from harness.reports.leaderboard import (
    Board,
    Leaderboard,
    Place,
    Ranking,
    Scores,
    Standing,
    SuiteFacts,
    headline,
    places_of,
)
from harness.reports.outcomes import Cell, Outcomes, pair_of
from harness.reports.statistics import Floats, Interval, Pair
from harness.reports.table import COMPLETE, MEAN, MISSING, PARTIAL, Estimate, Expected, Published
from harness.reports.variants import ORIGIN, SAMPLE
from harness.results.comparison_key import COMPARISON_KEY
from harness.results.published import compared_agents
from harness.results.text import escaped

if TYPE_CHECKING:
    import pandas as pd

#: What a leaderboard reads of every row.
COLUMNS = (*COMPARISON_KEY, ORIGIN, "run_id", "checkpoint", *SAMPLE, "episode_return", "success")
SHARE = "share of the best"  # the metric of all suites together


def build_leaderboard(
    rows: pd.DataFrame,
    facts: Mapping[str, SuiteFacts],
    *,
    method: Method = STUDENT,
    across: Sequence[str] = (),
    published: bool = True,
) -> Leaderboard:
    """The leaderboard of some rows.

    Args:
      rows: one line per episode, with at least `COLUMNS`; texts may be categories.
      facts: by suite; suites without any are described by their rows.
      method: the kind of interval.
      across: fields of the comparison key that may differ between entrants that are compared.
      published: whether to set published numbers beside.
    """
    real = rows[(rows["stand_ins"] == "").to_numpy()]
    entrants, who = find_entrants(real) if len(real) else ([], np.zeros(0, np.int64))
    outcomes = Outcomes(real, who)
    known = {str(suite): facts.get(str(suite)) or facts_from(real, str(suite)) for suite in real["suite"].unique()}
    groups = into_boards(entrants, across)
    boards = [_board(group, entrants, outcomes, known, method, published) for group in groups]
    return Leaderboard(
        boards=tuple(boards),
        why=tuple(_why(entrants, groups)),
        notes=tuple(_notes(rows, real, outcomes, across, len(boards))),
        method=method.name,
    )


def facts_from(rows: pd.DataFrame, suite: str) -> SuiteFacts:
    """What rows alone tell of a suite that is not known here; its metric is taken to be the return."""
    here = rows[(rows["suite"] == suite).to_numpy()]
    tasks, settings = (sorted(map(str, here[name].unique())) for name in ("task", "setting"))
    return SuiteFacts(suite, tuple(tasks), tuple(name for name in settings if name != "train"))


@dataclass(frozen=True)
class _World:
    """What all rankings of a board are made from."""

    members: tuple[int, ...]  # indices of entrants
    entrants: tuple[Entrant, ...]
    outcomes: Outcomes
    facts: Mapping[str, SuiteFacts]
    method: Method

    def views(self, place: Place, member: int) -> list[Cell] | None:
        """What one entrant reached in each task of a place; None if one is missing."""
        suite, metric = place.suite or "", self.facts[place.suite or ""].metric
        found = [
            self.outcomes.view([(member, suite, task, setting) for setting in place.settings], metric)
            for task in place.tasks
        ]
        there = [cell for cell in found if cell is not None]
        return there if len(there) == len(place.tasks) else None


def _board(
    group: Sequence[int],
    entrants: Sequence[Entrant],
    outcomes: Outcomes,
    facts: Mapping[str, SuiteFacts],
    method: Method,
    published: bool,
) -> Board:
    members = tuple(entrants[i] for i in group)
    world = _World(tuple(group), members, outcomes, facts, method)
    there = [place for place in outcomes.places() if place[0] in group]
    rankings: list[Ranking] = []
    heads: list[Place] = []
    for suite in (name for name in facts if any(place[1] == name for place in there)):
        tasks, settings = (_in_order(facts[suite], there, suite, at) for at in (2, 3))
        rankings += _suite_rankings(world, places_of(facts[suite], tasks, settings))
        head = headline(facts[suite], tasks, settings)
        heads += [head] if head is not None else []
    numbers = _Beside(facts, published)
    rankings = [replace(ranking, published=numbers.of(ranking.place)) for ranking in rankings]
    together = _all_suites(world, heads)
    shown = dict.fromkeys(agent for ranking in rankings for agent in ranking.published)
    return Board(
        entrants=members,
        rankings=(*together, *rankings),
        heads=(*together, *(ranking for ranking in rankings if ranking.place in heads)),
        scores=tuple(_scores(world, heads)),
        conditions=_conditions(members),
        published_agents=tuple(shown),
        notes=tuple(_board_notes(members, facts, rankings, shown)),
    )


def _in_order(facts: SuiteFacts, there: Sequence[tuple[Any, ...]], suite: str, at: int) -> list[str]:
    """Names of tasks or settings that were measured: the suite's own in its order, then others by name."""
    found = {str(place[at]) for place in there if place[1] == suite}
    own = facts.tasks if at == 2 else (facts.train_setting, *facts.settings)
    return [*(name for name in own if name in found), *sorted(found - set(own))]


def _suite_rankings(world: _World, places: Sequence[Place]) -> list[Ranking]:
    """All rankings of one suite; lines that are read together are corrected together."""
    claims = dict(_claims(world, places))
    return [_ranking(world, place, *claims[place]) for place in places]


def _claims(world: _World, places: Sequence[Place]) -> Iterator[tuple[Place, Any]]:
    """Of each place: what everyone reached in each task, and which differences are claimed."""
    families: dict[tuple[Any, ...], list[Place]] = {}
    for place in places:
        name = (place.kind, place.settings) if place.kind in ("cell", "task") else (place,)
        families.setdefault(name, []).append(place)
    for family in families.values():
        views = [[world.views(place, member) for member in world.members] for place in family]
        metric = world.facts[family[0].suite or ""].metric
        tasks = [[_claimed(entrant, v) for entrant, v in zip(world.entrants, line, strict=True)] for line in views]
        found = comparing.better_signs(tasks, metric)
        for place, line, claimed, (signs, tested) in zip(family, views, tasks, found, strict=True):
            yield place, (line, comparing.best_chances(claimed, metric), signs, tested)


def _claimed(entrant: Entrant, views: list[Cell] | None) -> list[list[Floats]] | None:
    """The samples of every task; None if a training was not repeated, for then nothing is known of another one."""
    if views is None:
        return None
    samples = [view.of_each_seed() for view in views]
    return None if entrant.is_trained and min(map(len, samples)) < 2 else samples


def _ranking(
    world: _World, place: Place, views: list[list[Cell] | None], chances: list[float | None], signs: Any, tested: Any
) -> Ranking:
    facts = world.facts[place.suite or ""]
    standings = [
        Standing(MISSING) if line is None else _standing(world, place, facts, member, line)
        for member, line in zip(world.members, views, strict=True)
    ]
    return Ranking(place, facts.metric, tuple(_with_claims(standings, chances, signs, tested)))


def _standing(world: _World, place: Place, facts: SuiteFacts, member: int, views: list[Cell]) -> Standing:
    tasks = [view.of_each_seed() for view in views]
    is_success = facts.metric == "success"
    interval = world.method.of_success if is_success else world.method.of_mean
    score = _estimate(statistics.task_mean(tasks), interval(tasks), tasks)
    matrix = _matrix(tasks)
    best = _best(world, facts, member, place)
    middle = shortfall = None
    if matrix is not None and len(tasks) > 1:
        found = statistics.interquartile_mean(matrix)
        middle = _estimate(float(found), world.method.of_scores(matrix, statistics.interquartile_mean), tasks)
    if matrix is not None and best is not None and place.kind != "cell":
        short = world.method.of_scores(matrix, lambda scores: optimality_gap(scores, best))
        shortfall = _estimate(float(optimality_gap(matrix, best)), short, tasks)
    status = PARTIAL if _is_partial(world, place, member, views) else COMPLETE
    return Standing(status, score, middle, shortfall, _gap(world, place, facts, member, views))


def _best(world: _World, facts: SuiteFacts, member: int, place: Place) -> float | None:
    """The most that each task of a place can give; None if that is not known, or not one number."""
    variant = world.entrants[world.members.index(member)].variants[facts.name]
    index = COMPARISON_KEY.index("episode_frames")
    lengths = {key[index] for (task, setting), key in variant.keys.items() if task in place.tasks}
    return facts.best(int(lengths.pop())) if len(lengths) == 1 else None


def _gap(world: _World, place: Place, facts: SuiteFacts, member: int, views: list[Cell]) -> Estimate | None:
    """Over the episodes that the training setting has too."""
    if facts.train_setting in place.settings:
        return None
    pairs: list[Pair] = []
    for task, view in zip(place.tasks, views, strict=True):
        train = world.outcomes.cell((member, facts.name, task, facts.train_setting), facts.metric)
        pair = None if train is None else pair_of(train, view)
        if pair is None:
            return None
        pairs.append(pair)
    interval = world.method.of_success_gap if facts.metric == "success" else world.method.of_gap
    return _estimate(statistics.task_gap(pairs), interval(pairs), [pair.shifted for pair in pairs])


def _is_partial(world: _World, place: Place, member: int, views: list[Cell]) -> bool:
    """Whether a cell has fewer episodes than the entrant's largest in this suite, or settings do not share them all."""
    return any(len(view.samples) < world.outcomes.largest((member, place.suite)) for view in views)


def _estimate(mean: float, interval: Interval | None, tasks: Sequence[Any]) -> Estimate:
    low, high = interval or (None, None)
    num_episodes = sum(np.size(values) for seeds in tasks for values in seeds)
    return Estimate(mean, low, high, min(len(seeds) for seeds in tasks), num_episodes)


def _matrix(tasks: Sequence[Sequence[Floats]]) -> Floats | None:
    """The mean of each seed on each task, (seeds, tasks); None where tasks have different numbers of seeds."""
    if len({len(seeds) for seeds in tasks}) != 1:
        return None
    return np.array([[values.mean() for values in seeds] for seeds in tasks]).T


def _with_claims(
    standings: Sequence[Standing], chances: Sequence[float | None], signs: Any, tested: Any
) -> Iterator[Standing]:
    """The standings with ranks and what is claimed of them."""
    scores = [standing.score.mean if standing.score is not None else None for standing in standings]
    order = sorted((i for i, score in enumerate(scores) if score is not None), key=lambda i: -(scores[i] or 0.0))
    limits = comparing.rank_limits(signs, tested, len(order))
    letters = comparing.group_letters(signs, tested, order)
    # Of one that claims nothing nobody is known to be better, and nobody's chance of being the best is known.
    best = None if any(not tested[i].any() for i in order) else comparing.best_alone(signs, tested)
    are_known = all(chances[i] is not None for i in order)
    for i, standing in enumerate(standings):
        above = sum(other is not None and other > (scores[i] or 0.0) for other in scores)
        yield replace(
            standing,
            rank=None if scores[i] is None else 1 + above,
            ranks=limits[i],
            best_chance=chances[i] if are_known and tested[i].any() else None,
            group=letters[i],
            is_best=i == best,
        )


def _all_suites(world: _World, heads: Sequence[Place]) -> list[Ranking]:
    """One ranking over several suites: every task of each weighs the same, as a share of the best that is possible."""
    if len(heads) < 2:
        return []
    found = [_shares(world, heads, member) for member in world.members]
    if all(tasks is None for tasks in found):
        return []
    claimed = [
        None if tasks is None or (entrant.is_trained and min(map(len, tasks)) < 2) else tasks
        for entrant, tasks in zip(world.entrants, found, strict=True)
    ]
    ((signs, tested),) = comparing.better_signs([claimed], SHARE)
    standings = [Standing(MISSING) if tasks is None else _share_standing(world, tasks) for tasks in found]
    chances = comparing.best_chances(claimed, SHARE)
    tasks = tuple(dict.fromkeys(task for head in heads for task in head.tasks))
    place = Place("all suites", None, tasks, tuple(dict.fromkeys(s for head in heads for s in head.settings)))
    return [Ranking(place, SHARE, tuple(_with_claims(standings, chances, signs, tested)))]


def _shares(world: _World, heads: Sequence[Place], member: int) -> list[list[Floats]] | None:
    """The samples of every task of every suite over the best that is possible; None unless all are there."""
    shares: list[list[Floats]] = []
    for head in heads:
        facts = world.facts[head.suite or ""]
        if facts.name not in world.entrants[world.members.index(member)].variants:
            return None
        views, best = world.views(head, member), _best(world, facts, member, head)
        if views is None or best is None:
            return None
        shares += [[values / best for values in view.of_each_seed()] for view in views]
    return shares


def _share_standing(world: _World, tasks: list[list[Floats]]) -> Standing:
    matrix = _matrix(tasks)
    middle = shortfall = None
    if matrix is not None:
        value = statistics.interquartile_mean(matrix)
        middle = _estimate(float(value), world.method.of_scores(matrix, statistics.interquartile_mean), tasks)
        short = world.method.of_scores(matrix, lambda scores: optimality_gap(scores, 1.0))
        shortfall = _estimate(float(optimality_gap(matrix, 1.0)), short, tasks)
    score = _estimate(statistics.task_mean(tasks), world.method.of_mean(tasks), tasks)
    return Standing(COMPLETE, score, middle, shortfall)


def _scores(world: _World, heads: Sequence[Place]) -> Iterator[Scores]:
    for head in heads:
        facts = world.facts[head.suite or ""]
        of: dict[int, Floats] = {}
        bests: set[float | None] = set()
        for index, member in enumerate(world.members):
            views = world.views(head, member)
            matrix = None if views is None else _matrix([view.of_each_seed() for view in views])
            if matrix is not None:
                of[index] = matrix
                bests.add(_best(world, facts, member, head))
        if of:
            yield Scores(facts.name, facts.metric, head.tasks, bests.pop() if len(bests) == 1 else None, of)


class _Beside:
    """Published numbers for places, looked up once per suite."""

    def __init__(self, facts: Mapping[str, SuiteFacts], wanted: bool) -> None:
        self._facts = facts if wanted else {}

    def of(self, place: Place) -> dict[str, Published]:
        facts = self._facts.get(place.suite or "")
        if facts is None or facts.published_suite is None or len(place.settings) != 1:
            return {}
        expected = Expected(
            tasks=place.tasks,
            settings=place.settings,
            train_seeds=(None,),
            episodes=1,
            train_setting=facts.train_setting,
            metric=facts.metric,
            published_suite=facts.published_suite,
        )
        found = published_beside(expected, compared_agents(facts.published_suite))
        return found.get((place.tasks[0] if place.kind == "cell" else MEAN, place.settings[0]), {})


def _conditions(entrants: Sequence[Entrant]) -> dict[str, str]:
    """What all entrants of a board share, by field."""
    shown = [name for name in ACROSS if name not in ("stand_ins", "suite_version")]
    found = {name: sorted({str(v) for e in entrants for v in e.values(name)}) for name in shown}
    trained = [entrant for entrant in entrants if entrant.is_trained]
    for name in ("train_frames", "compute"):
        found[name] = sorted({str(v) for e in trained or entrants for v in e.values(name)})
    return {name: " / ".join(values) for name, values in found.items()}


def _board_notes(
    entrants: Sequence[Entrant],
    facts: Mapping[str, SuiteFacts],
    rankings: Sequence[Ranking],
    published: Iterable[str],
) -> Iterator[str]:
    for entrant in entrants:
        if notes := [*([f"not measured here, but from {entrant.origin}"] if entrant.origin else []), *entrant.notes()]:
            yield f"{entrant.label}: {'; '.join(notes)}."
    lines = [(r.place.suite, s, e) for r in rankings for s, e in zip(r.standings, entrants, strict=True)]
    partial = dict.fromkeys(entrant.label for _, standing, entrant in lines if standing.status == PARTIAL)
    if partial:
        yield f"Unfinished, marked (partial): {', '.join(partial)} has cells with fewer episodes than its others."
    once = [
        entrant.label
        for entrant in entrants
        if entrant.is_trained and any(s.score and s.score.num_seeds == 1 for _, s, e in lines if e is entrant)
    ]
    if once:
        yield (
            f"Trained once in some places, so without rank limits or claims there: {', '.join(once)}. Intervals of one "
            "seed are over episodes and say nothing about training again."
        )
    shown = {number.label for ranking in rankings for number in ranking.published.values()}
    if list(published):
        yield f"† Published, not measured here: mean ± spread as printed. {'; '.join(sorted(shown))}."
        yield from dict.fromkeys(f.published_note for f in facts.values() if f.published_note)


def _why(entrants: Sequence[Entrant], groups: Sequence[Sequence[int]]) -> Iterator[str]:
    """What keeps columns of one agent apart, and boards."""
    for i, one in enumerate(entrants):
        for other in entrants[i + 1 :]:
            if one.agent == other.agent:
                yield _apart_sentence(one, other, told_apart(one, other))
    for number, group in enumerate(groups, start=1):
        for later, another in enumerate(groups[number:], start=number + 1):
            one, other = entrants[group[0]], entrants[another[0]]
            if one.agent != other.agent and fields_apart(one, other):
                texts = told_apart(one, other)
                yield f"Boards {number} and {later}: {_apart_sentence(one, other, texts)}"


def _apart_sentence(one: Entrant, other: Entrant, texts: Sequence[str]) -> str:
    if not texts:
        return f"{one.label} and {other.label} were measured in different suites under other settings."
    return f"{one.label} and {other.label} were not measured alike: {'; '.join(texts)}."


def _notes(
    rows: pd.DataFrame, real: pd.DataFrame, outcomes: Outcomes, across: Sequence[str], num_boards: int
) -> Iterator[str]:
    if len(real) < len(rows):
        yield f"Left out: {_episodes(len(rows) - len(real))} measured with stand-ins for real files."
    if outcomes.num_contradicting:
        yield (
            "Measured twice under equal conditions with different outcomes: "
            f"{_episodes(outcomes.num_contradicting)}. The first outcome counts; this should not happen."
        )
    if across:
        yield f"Compared although they differ in {', '.join(across)}, as asked for."
    if num_boards > 1:
        yield f"{num_boards} boards, measured under different conditions: not to be compared (--why says what differs)."


def _episodes(number: int) -> str:
    return f"{number:,} episode" if number == 1 else f"{number:,} episodes"


def method_named(name: str) -> Method:
    """The kind of interval of that name.

    Raises:
      ValueError: if there is none.
    """
    if name not in METHODS:
        raise ValueError(f"Unknown kind of interval '{escaped(name)}'. Kinds: {', '.join(METHODS)}.")
    return METHODS[name]


def check_across(names: Sequence[str]) -> Sequence[str]:
    """Returns the names of fields that entrants may differ in.

    Raises:
      ValueError: if one is no field of the comparison key, or is the agents' own, so that it keeps none apart.
    """
    if unknown := [name for name in names if name not in ACROSS]:
        raise ValueError(f"Cannot compare across '{escaped(unknown[0])}'. Fields: {', '.join(ACROSS)}.")
    return names
