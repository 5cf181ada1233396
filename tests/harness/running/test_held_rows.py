"""Rows in memory are found as rows on disk are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.results.store import RowStore
from harness.running.held_rows import HeldRows
from tests.results.test_store import make_rows


def test_it_answers_as_a_store_on_disk(tmp_path: Path) -> None:
    first = make_rows(3)
    others = [replace(row, setting="hard", train_seed=None) for row in first[:2]]
    stores: list[RowStore] = [HeldRows(), RowStore(tmp_path / "rows")]
    for store in stores:
        for row in (*others, first[2], first[0], first[1]):
            store.append(row)
    held, kept = stores
    task, setting = first[0].task, first[0].setting
    assert held.rows() == kept.rows()
    assert held.cells() == kept.cells()
    for cell in ((task, setting, first[0].train_seed), (task, "hard", None), (task, "hard", 0), ("none", "hard", None)):
        assert held.rows(*cell) == kept.rows(*cell)
        assert held.episodes(*cell) == kept.episodes(*cell)
    held.complete(task, "hard", None)
    assert held.rows(train_seed=None) == kept.rows(train_seed=None) != []


def test_it_refuses_what_a_store_refuses() -> None:
    with pytest.raises(ValueError, match="not finite"):
        HeldRows().append(replace(make_rows(1)[0], episode_return=float("nan")))
