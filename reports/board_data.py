"""A leaderboard for machines, every digit: JSON with all there is, CSV with one line per agent and place."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from harness.reports import statistics
from harness.reports.comparing import ALPHA
from harness.reports.escaping import in_csv
from harness.reports.intervals import METHODS
from harness.reports.leaderboard import Board, Leaderboard, Scores, Standing
from harness.reports.table import Published
from harness.results.text import json_escaped

_ESTIMATES = ("score", "middle", "shortfall", "gap")
_PARTS = ("mean", "low", "high")
_NAMES = {"score": "mean", "middle": "interquartile_mean", "shortfall": "optimality_gap", "gap": "gap"}


def as_json(found: Leaderboard) -> str:
    """Everything, in JSON; names in it are as they are."""
    content = {
        "statistics": {
            "interval": found.method,
            "interval_method": METHODS[found.method].description,
            "interval_level": statistics.LEVEL,
            "claims": f"Welch's tests, corrected by Holm, level {ALPHA}",
        },
        "boards": [_board(board) for board in found.boards],
        "why": list(found.why),
        "notes": list(found.notes),
    }
    return json_escaped(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False))


def as_csv(found: Leaderboard) -> str:
    """One line per place and agent, published ones last; what is absent is empty."""
    lines = [line for number, board in enumerate(found.boards, start=1) for line in _lines(board, number)]
    file = io.StringIO()
    writer = csv.DictWriter(file, _columns(), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: in_csv(value) for name, value in line.items()} for line in lines)
    return file.getvalue().rstrip("\n")


def _board(board: Board) -> dict[str, Any]:
    labels = [entrant.label for entrant in board.entrants]
    return {
        "entrants": [
            {"label": e.label, "agent": e.agent, "origin": e.origin, "suites": list(e.variants), "notes": e.notes()}
            for e in board.entrants
        ],
        "conditions": dict(board.conditions),
        "rankings": [
            {
                "place": {**asdict(ranking.place), "name": ranking.place.name},
                "metric": ranking.metric,
                "is_headline": ranking in board.heads,
                "standings": {
                    label: _standing(standing) for label, standing in zip(labels, ranking.standings, strict=True)
                },
                "published": {agent: asdict(number) for agent, number in ranking.published.items()},
            }
            for ranking in board.rankings
        ],
        "improvement": [_improvement(scores, labels) for scores in board.scores],
        "notes": list(board.notes),
    }


def _standing(standing: Standing) -> dict[str, Any]:
    values = asdict(standing)
    return {_NAMES.get(name, name): value for name, value in values.items()}


def _improvement(scores: Scores, labels: list[str]) -> dict[str, Any]:
    """The probability that the first named improves on the second, over the tasks of a suite."""
    pairs = [(i, j) for i in scores.of for j in scores.of if i != j]
    chances = {
        f"{labels[i]} over {labels[j]}": statistics.probability_of_improvement(scores.of[i], scores.of[j])
        for i, j in pairs
    }
    return {"suite": scores.suite, "tasks": list(scores.tasks), "probability": chances}


def _columns() -> list[str]:
    estimates = [f"{_NAMES[name]}{'' if part == 'mean' else '_' + part}" for name in _ESTIMATES for part in _PARTS]
    counts = ["seeds", "episodes", "rank", "rank_low", "rank_high", "probability_of_best", "group", "is_best"]
    place = ["board", "suite", "kind", "place", "tasks", "settings", "metric", "agent", "source", "status"]
    return [*place, *estimates, *counts, "std"]


def _lines(board: Board, number: int) -> Iterator[dict[str, Any]]:
    for ranking in board.rankings:
        place = ranking.place
        common = {
            "board": number,
            "suite": place.suite,
            "kind": place.kind,
            "place": place.name,
            "tasks": ";".join(place.tasks),
            "settings": ";".join(place.settings),
            "metric": ranking.metric,
        }
        for entrant, standing in zip(board.entrants, ranking.standings, strict=True):
            yield {**common, "agent": entrant.label, "source": entrant.origin or "measured", **_flat(standing)}
        for agent, paper in ranking.published.items():
            yield {**common, "agent": agent, **_flat_published(paper)}


def _flat(standing: Standing) -> dict[str, Any]:
    low, high = standing.ranks or (None, None)
    values: dict[str, Any] = {"status": standing.status}
    for name in _ESTIMATES:
        estimate = getattr(standing, name)
        for part in _PARTS:
            key = _NAMES[name] if part == "mean" else f"{_NAMES[name]}_{part}"
            values[key] = None if estimate is None else getattr(estimate, part)
    return values | {
        "seeds": standing.score.num_seeds if standing.score else None,
        "episodes": standing.score.num_episodes if standing.score else None,
        "rank": standing.rank,
        "rank_low": low,
        "rank_high": high,
        "probability_of_best": standing.best_chance,
        "group": standing.group or None,
        "is_best": standing.is_best,
    }


def _flat_published(number: Published) -> dict[str, Any]:
    return {"source": number.label, "status": "published", "mean": number.mean, "std": number.std}
