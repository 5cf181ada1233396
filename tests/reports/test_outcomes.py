"""Columns of outcomes against the rows they were made from, one by one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from harness.reports.outcomes import Cell, Outcomes, codes_of, combined_codes, pair_of

RNG = np.random.default_rng(2)


def made_rows(count: int = 400) -> pd.DataFrame:
    """Rows in no order, some samples more than once, some cells with gaps."""
    return pd.DataFrame(
        {
            "suite": RNG.choice(["s1", "s2"], count),
            "task": RNG.choice(["b", "a", "c"], count),
            "setting": RNG.choice(["train", "hard"], count),
            "train_seed": pd.array(RNG.choice([0, 1, 7], count), "Int64"),
            "eval_seed": RNG.choice([42, 43], count),
            "episode": RNG.integers(0, 6, count),
            "episode_return": RNG.normal(size=count).round(1),
            "success": pd.array([True] * count, "boolean"),
        }
    )


@pytest.mark.parametrize("as_categories", [False, True])
def test_every_cell_holds_the_first_row_of_each_sample_in_order(as_categories: bool) -> None:
    rows = made_rows()
    rows.loc[rows.index[::9], "train_seed"] = pd.NA
    who = RNG.integers(0, 3, len(rows))
    given = rows.astype(dict.fromkeys(["suite", "task", "setting"], "category")) if as_categories else rows
    found = Outcomes(given, who)
    places = ["who", "suite", "task", "setting"]
    samples = ["train_seed", "eval_seed", "episode"]
    plain = rows.assign(who=who).drop_duplicates([*places, *samples])
    groups = plain.sort_values(samples, na_position="first", kind="stable").groupby(places)
    assert sorted(found.places()) == sorted(groups.groups)
    for place, group in groups:
        cell = found.cell(place, "return")
        assert cell.values.tolist() == group["episode_return"].tolist()
        by_seed = [part["episode_return"].tolist() for _, part in group.groupby("train_seed", dropna=False)]
        assert sorted(map(sorted, (v.tolist() for v in cell.of_each_seed()))) == sorted(map(sorted, by_seed))
        assert found.count(place) == len(group)
    assert found.num_repeated + found.num_contradicting == len(rows) - len(plain)


def test_repeats_with_the_same_and_with_another_outcome_are_counted_apart() -> None:
    row = made_rows(1)
    other = row.assign(episode_return=99.0)
    unknown = row.assign(success=pd.array([None], "boolean"))
    found = Outcomes(pd.concat([row, row, other]), np.zeros(3, np.int64))
    assert (found.num_repeated, found.num_contradicting) == (1, 1)
    place = found.places()[0]
    assert found.cell(place, "return").values.tolist() == row["episode_return"].tolist()
    assert Outcomes(pd.concat([row, unknown]), np.zeros(2, np.int64)).num_contradicting == 1
    assert Outcomes(pd.concat([unknown, unknown]), np.zeros(2, np.int64)).num_repeated == 1


def test_a_view_is_the_mean_over_shared_episodes() -> None:
    rows = made_rows(6).assign(suite="s", task="t", train_seed=0, eval_seed=1, success=None)
    rows["setting"] = ["a", "a", "a", "b", "b", "b"]
    rows["episode"] = [0, 1, 2, 2, 1, 5]
    rows["episode_return"] = [1.0, 2.0, 3.0, 30.0, 20.0, 50.0]
    found = Outcomes(rows, np.zeros(6, np.int64))
    view = found.view([(0, "s", "t", "a"), (0, "s", "t", "b")], "return")
    assert view.values.tolist() == [11.0, 16.5]
    assert found.view([(0, "s", "t", "a"), (0, "s", "t", "x")], "return") is None
    assert found.cell((0, "s", "t", "a"), "success") is None  # a task without success
    pair = pair_of(found.cell((0, "s", "t", "a"), "return"), found.cell((0, "s", "t", "b"), "return"))
    assert [x.tolist() for x in pair.train] == [[2.0, 3.0]]
    assert [x.tolist() for x in pair.shifted] == [[20.0, 30.0]]
    lone = Cell(np.array([77]), np.array([0]), np.array([1.0]))
    assert pair_of(lone, found.cell((0, "s", "t", "a"), "return")) is None


def test_combinations_have_codes_of_their_own_however_many_there_are() -> None:
    columns = [RNG.integers(0, 50_000, 3000) for _ in range(9)]  # the product of their sizes is beyond 64 bits
    columns = [np.append(c, c[:500]) for c in columns]
    codes = combined_codes(columns)
    rows = list(zip(*columns, strict=True))
    assert len(set(zip(rows, codes, strict=True))) == len(set(rows)) == len(set(codes.tolist()))


def test_categories_are_coded_by_their_order_and_absent_ones_come_first() -> None:
    column = pd.Series(pd.Categorical(["b", None, "a", "b"], categories=["b", "a"]))
    assert codes_of(column).tolist() == [2, 0, 1, 2]
    assert codes_of(pd.Series(["b", None, "a", "b"], dtype=object)).tolist() == [2, 0, 1, 2]
