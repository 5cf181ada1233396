"""Rows read by columns are the rows read one by one, and what is wrong with a file is told alike."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from harness.results.columns import load_columns
from harness.results.damage import CorruptRowsError
from harness.results.row_files import read_parquet
from harness.results.rows import COLUMNS, Row
from harness.results.store import RowStore, load_rows
from tests.results.test_store import CELL, PARQUET, ROW


def odd_rows(count: int) -> list[Row]:
    """Rows whose values need care in JSON and in Parquet."""
    return [
        replace(
            ROW,
            episode=episode,
            episode_return=[0.1, -0.0, 1e40, 3.0][episode % 4],
            success=[None, True, False][episode % 3],
            shift_json=f'{{"video":{episode}}}',
            notes='a "note", ä and \\ and \u2028\x1b[31m',
            first_pixels=f"{episode:016x}",
        )
        for episode in range(count)
    ]


def fill(folder: Path, rows: list[Row], *, complete: bool) -> RowStore:
    store = RowStore(folder)
    for row in rows:
        store.append(row)
    if complete:
        store.complete(rows[0].task, rows[0].setting, rows[0].train_seed)
    return store


def assert_alike(*paths: Path) -> None:
    slow, fast = load_rows(*paths), load_columns(*paths)
    assert list(fast.columns) == list(COLUMNS)
    for name in COLUMNS:
        there = slow[name].notna()
        assert (there == fast[name].notna()).all()
        assert slow[name][there].tolist() == fast[name][there].tolist(), name
        assert isinstance(fast[name].dtype, pd.CategoricalDtype) or fast[name].dtype == slow[name].dtype


def test_a_mixture_of_cells_is_read_alike(tmp_path):
    fill(tmp_path / "run" / "rows", odd_rows(7), complete=True)
    fill(tmp_path / "run" / "rows", [replace(row, train_seed=None) for row in odd_rows(5)], complete=True)
    growing = fill(tmp_path / "run" / "rows", [replace(row, train_seed=1) for row in odd_rows(3)], complete=True)
    growing.append(replace(ROW, train_seed=1, episode=9))
    fill(tmp_path / "run" / "rows", [replace(row, train_seed=2) for row in odd_rows(2)], complete=False)
    with next((tmp_path / "run" / "rows").glob("*seed2.jsonl")).open("a") as file:
        file.write('{"torn')
    fill(tmp_path / "other" / "rows", [replace(row, task="hop") for row in odd_rows(4)], complete=True)
    assert_alike(tmp_path)
    assert_alike(tmp_path / "run", tmp_path)
    assert_alike(tmp_path / "run" / "rows" / PARQUET, next((tmp_path / "run" / "rows").glob("*seed2.jsonl")))


def test_a_plain_file_is_read_by_columns(tmp_path, monkeypatch):
    fill(tmp_path, odd_rows(9), complete=True)
    monkeypatch.setattr(RowStore, "rows", None)  # no row by row
    assert len(load_columns(tmp_path)) == 9


def test_only_the_columns_that_are_asked_for_and_none_of_nothing(tmp_path):
    fill(tmp_path / "run" / "rows", odd_rows(3), complete=True)
    assert list(load_columns(tmp_path, columns=["episode", "notes"]).columns) == ["episode", "notes"]
    empty = load_columns(tmp_path / "run")
    assert load_columns(tmp_path, columns=[]).empty
    (tmp_path / "nothing").mkdir()
    assert load_columns(tmp_path / "nothing").dtypes.astype(str).tolist() == empty.dtypes.astype(str).tolist()
    with pytest.raises(FileNotFoundError, match="no such file"):
        load_columns(tmp_path / "absent")


def change(path: Path, **values: object) -> None:
    """Writes another value into a stored file, which keeps its digest."""
    table = pq.read_table(path)
    metadata = table.schema.metadata
    for name, value in values.items():
        index = table.schema.get_field_index(name)
        field = table.schema.field(index)
        table = table.set_column(index, field, [[value] * table.num_rows])
    pq.write_table(table.replace_schema_metadata(metadata), path)


@pytest.mark.parametrize(
    "values",
    [
        {"episode_return": 12.75},
        {"episode_return": float("nan")},
        {"num_steps": 501},
        {"success": True},
        {"notes": "other"},
        {"packages_json": "no JSON"},
        {"task": "walker_run"},
    ],
    ids=str,
)
def test_a_changed_file_is_refused_in_the_same_words(tmp_path, values):
    fill(tmp_path, odd_rows(4), complete=True)
    change(tmp_path / PARQUET, **values)
    told: list[str] = []
    for load in (load_rows, load_columns):
        with pytest.raises(CorruptRowsError) as error:
            load(tmp_path)
        told.append(str(error.value))
    assert told[0] == told[1]
    left: list[CorruptRowsError] = []
    assert load_columns(tmp_path, on_damage=left.append).empty
    assert [str(error) for error in left] == told[:1]


def test_a_later_schema_and_a_file_of_something_else_are_told_alike(tmp_path):
    fill(tmp_path, odd_rows(4), complete=True)
    path = tmp_path / PARQUET
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({"rows_schema_version": "99"}), path)
    with pytest.raises(CorruptRowsError, match="version 99"):
        load_columns(tmp_path)
    path.write_bytes(b"PAR1 no")
    with pytest.raises(CorruptRowsError, match="not a file of rows"):
        load_columns(tmp_path)


def test_an_earlier_file_without_a_digest_is_read(tmp_path):
    fill(tmp_path, odd_rows(4), complete=True)
    path = tmp_path / PARQUET
    pq.write_table(pq.read_table(path).replace_schema_metadata(None), path)
    assert len(read_parquet(path)) == 4
    assert_alike(tmp_path)
    assert CELL == ("walker_walk", "video_hard", 0)
