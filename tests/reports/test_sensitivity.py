"""Curves of score against intensity: where half is lost, and how sure that is."""

from __future__ import annotations

import csv
import io

import numpy as np
import pandas as pd
import pytest

from harness.reports.sensitivity import Curve, csv_of, curves_of, half_losses, text_of
from harness.results.comparison_key import COMPARISON_KEY


def curve(means: list[float], values: list[float], *, train: float = 100.0, spread: float = 0.0, shape=(3, 5)) -> Curve:
    rng = np.random.default_rng(0)
    shared = spread * rng.normal(size=shape)  # the same start states in every setting
    points = tuple((value,) for value in values)
    table = np.array([np.full(shape, mean) + spread * rng.normal(size=shape) for mean in means])
    return Curve("p", "walk", points, np.full(shape, train) + shared, table, False)


def test_half_is_where_the_straight_line_crosses_it() -> None:
    [above] = half_losses(curve([100, 80, 40, 10], [0, 1, 2, 3]), 0.0)
    assert (above.side, above.value) == ("above", pytest.approx(1.75))
    assert (above.low, above.high) == (pytest.approx(1.75), pytest.approx(1.75))


def test_both_sides_of_no_change_are_looked_at() -> None:
    below, above = half_losses(curve([10, 60, 100, 30, 0], [0, 0.5, 1, 1.5, 2]), 1.0)
    assert (below.side, below.value) == ("below", pytest.approx(0.4))
    assert (above.side, above.value) == ("above", pytest.approx(1 + 0.5 * 50 / 70))


def test_no_change_need_not_be_a_point() -> None:
    [above] = half_losses(curve([60, 20], [2, 3]), 0.0)
    assert above.value == pytest.approx(2.25)
    [first] = half_losses(curve([40, 20], [2, 3]), 0.0)
    assert first.value == pytest.approx(2 * 50 / 60)


def test_what_is_not_lost_is_beyond_the_range() -> None:
    [above] = half_losses(curve([100, 90, 80], [0, 1, 2]), 0.0)
    assert (above.value, above.low, above.high) == (None, None, None)
    assert "less than half" in text_of([curve([100, 90], [0, 1])], ["light"], 0.0)


def test_a_crossing_that_some_resamples_miss_has_an_open_end() -> None:
    [above] = half_losses(curve([100, 51], [0, 1], spread=20), 0.0)
    assert above.low is not None
    assert above.high is None


def test_of_nothing_no_half_is_lost() -> None:
    for train in (0.0, -5.0):
        assert half_losses(curve([1, 1], [0, 1], train=train), 0.0) == []
    assert "gives nothing" in text_of([curve([0, 0], [0, 1], train=0.0)], ["light"], 0.0)


def test_the_interval_holds_the_truth_as_often_as_such_intervals_do() -> None:
    """Ten seeds that differ: the percentile bootstrap holds the truth a little less than 95 times of 100."""
    rng, hits = np.random.default_rng(1), 0
    truth = np.array([100.0, 70.0, 30.0])
    for _ in range(100):
        worth = rng.normal(0, 10, (1, 10, 1)) + rng.normal(0, 5, (3, 10, 1))
        table = truth[:, None, None] + worth + rng.normal(0, 10, (3, 10, 10))
        train = 100 + worth[0] + rng.normal(0, 10, (10, 10))
        [above] = half_losses(Curve("p", "t", ((0.0,), (1.0,), (2.0,)), train, table, False), 0.0, num_resamples=300)
        assert above.low is not None
        hits += above.low <= 1.5 <= (np.inf if above.high is None else above.high)
    assert 0.82 <= hits / 100 <= 0.99


def frame() -> pd.DataFrame:
    rows = [
        {**FACTS, "setting": setting, "train_seed": seed, "eval_seed": seed, "episode": episode}
        | {"episode_return": mean + episode, "success": pd.NA}
        for setting, mean in (("train", 10.0), ("light=0", 5.0), ("light=1", 10.0))
        for seed in (0, 1)
        for episode in range(3)
    ]
    return pd.DataFrame(rows).astype({"success": "boolean"})


FACTS = dict.fromkeys(COMPARISON_KEY, "x") | {"task": "walk"}
POINTS = {"light=0": (0.0,), "light=1": (1.0,)}


def test_rows_become_curves_and_a_table() -> None:
    [found] = curves_of({"=evil": frame()}, POINTS, "train", "return")
    assert found.train.tolist() == [[10, 11, 12]] * 2
    assert [found.mean(0), found.mean(1)] == [6, 11]
    rows = list(csv.DictReader(io.StringIO(csv_of([found], ["light"], 1.0))))
    assert [row["policy"] for row in rows] == ["'=evil"] * 3
    assert (rows[0]["light"], rows[0]["mean"], rows[0]["seeds"], rows[0]["episodes"]) == ("0.0", "6.0", "2", "3")
    assert (rows[2]["kind"], rows[2]["light"]) == ("half_lost_below", "")


def test_what_is_no_curve_is_refused() -> None:
    with pytest.raises(ValueError, match="no success"):
        curves_of({"p": frame()}, POINTS, "train", "success")
    with pytest.raises(ValueError, match=r"lacks episodes|are missing"):
        curves_of({"p": frame().iloc[:-1]}, POINTS, "train", "return")
    mixed = frame()
    mixed.loc[3:6, "code_revision"] = "y"
    with pytest.raises(ValueError, match="not measured alike, code_revision: x and y"):
        curves_of({"p": mixed}, POINTS, "train", "return")
