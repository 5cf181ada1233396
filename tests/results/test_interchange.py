"""Rows go out as CSV, Parquet and pandas and come back equal; what else is in such a file is refused."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import harness.results
from harness.results.csv_rows import parse_csv, rows_to_csv
from harness.results.damage import CorruptRowsError
from harness.results.frames import Rows, frame_of, rows_of
from harness.results.row_files import decode_rows, encode_rows
from harness.results.rows import COLUMNS, Row
from harness.results.store import RowStore
from tests.results.test_store import ROW, ROWS

HOSTILE = [
    *(
        "<script>alert(1)</script>",
        '"quoted", and, commas',
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "'=1",
        "''",
        "\t=1",
        "\r=1",
    ),
    *("line\nbreak", "carriage\rreturn", "\u202eright to left", "\x1b[31m", "x" * 300, "", " spaces ", "\x00", "None"),
]


def odd(count: int = 6) -> list[Row]:
    seeds = [None, 0, 2**40]
    return [
        replace(ROW, episode=n, train_seed=seeds[n % 3], success=[None, True, False][n % 3], episode_return=n / 7)
        for n in range(count)
    ]


@settings(deadline=None, max_examples=25)
@given(rows=st.lists(ROWS, max_size=4))
def test_any_row_comes_back_from_every_form(rows):
    assert parse_csv(rows_to_csv(rows)) == rows
    assert decode_rows(encode_rows(rows)) == (rows, True)
    assert rows_of(frame_of(rows)) == rows


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_come_back_and_are_no_formula(name):
    rows = [replace(ROW, task=name, agent=name, notes=name)]
    text = rows_to_csv(rows)
    assert parse_csv(text) == rows
    cells = next(csv.DictReader(io.StringIO(text, newline="")))
    assert not cells["task"].startswith(("=", "+", "-", "@", "\t", "\r"))


def test_files_are_loaded_equal(tmp_path):
    store = RowStore(tmp_path / "runs" / "r" / "rows")
    for row in odd():
        store.append(row)
    rows = harness.results.load(tmp_path / "runs")
    rows.to_csv(tmp_path / "rows.csv")
    rows.to_parquet(tmp_path / "rows.parquet")
    for path in ("rows.csv", "rows.parquet"):
        again = harness.results.load(tmp_path / path)
        pd.testing.assert_frame_equal(again.frame, rows.frame)
    pd.testing.assert_frame_equal(Rows.from_pandas(rows.to_pandas()).frame, rows.frame)
    assert len(rows) == 6
    assert tuple(rows.frame.columns) == COLUMNS


def test_a_digest_is_given_to_no_rows_that_came_without_one(tmp_path):
    store = RowStore(tmp_path / "runs" / "r" / "rows")
    for row in odd():
        store.append(row)
    rows = harness.results.load(tmp_path / "runs")
    rows.to_parquet(tmp_path / "kept.parquet")
    rows.to_csv(tmp_path / "rows.csv")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        harness.results.load(tmp_path / "kept.parquet")
    with pytest.warns(UserWarning, match=r"rows\.csv holds rows without a digest"):
        harness.results.load(tmp_path / "rows.csv").to_parquet(tmp_path / "taken.parquet")
    Rows.from_pandas(rows.to_pandas()).to_parquet(tmp_path / "made.parquet")
    for name in ("taken", "made"):
        with pytest.warns(UserWarning, match=rf"{name}\.parquet holds rows without a digest"):
            harness.results.load(tmp_path / f"{name}.parquet")


def test_a_notebook_has_them_by_importing_harness_alone():
    code = "import harness, sys; harness.results.load, harness.results.table; assert 'pandas' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_what_pandas_itself_writes_is_read(tmp_path):
    frame_of(odd()).to_csv(tmp_path / "rows.csv", index=False)
    frame_of(odd()).to_parquet(tmp_path / "rows.parquet")
    assert rows_of(harness.results.load(tmp_path / "rows.csv").frame) == odd()
    assert rows_of(harness.results.load(tmp_path / "rows.parquet").frame) == odd()


def test_pandas_may_have_made_floats_of_seeds_but_nothing_else():
    frame = frame_of(odd())
    assert rows_of(frame.assign(train_seed=frame["train_seed"].astype(float))) == odd()
    assert rows_of(frame.drop(columns=["origin"])) == odd()
    with pytest.raises(TypeError, match=r"Row 0: Row\.episode must be int, not float"):
        rows_of(frame.assign(episode=0.5))
    with pytest.raises(ValueError, match=r"missing \['notes'\]"):
        rows_of(frame.drop(columns=["notes"]))
    with pytest.raises(ValueError, match="return that is not finite"):
        rows_of(frame.assign(episode_return=float("nan")))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("episode_return", "return", "its columns are"),
        ("origin", "notes", "its columns are"),
        ("0.0,", "nan,", "line 2, .* not finite"),
        ("0.0,", "1_0.0,", "line 2, episode_return is no number"),
        (",0,42,", ",0,4 2,", "line 2, eval_seed is no number"),
        ("True", "yes", "line 3, success is True or False"),
        (",abc,", ',"abc,', "it is no CSV"),
    ],
)
def test_another_csv_is_refused_by_line(tmp_path, old, new, told):
    rows = [replace(ROW, episode=n, success=bool(n) or None, episode_return=0.0, code_revision="abc") for n in (0, 1)]
    text = rows_to_csv([replace(row, train_seed=0, eval_seed=42) for row in rows])
    assert old in text
    (tmp_path / "rows.csv").write_text(text.replace(old, new, 1), newline="")
    with pytest.raises(CorruptRowsError, match=told):
        harness.results.load(tmp_path / "rows.csv")


def test_a_notebook_shows_rows_and_tables_as_text(tmp_path: Path) -> None:
    bad = "<script>alert(1)</script>"
    rows = Rows(frame_of([replace(ROW, agent=bad, episode=n, stand_ins="", suite="video_hard") for n in range(3)]))
    shown = rows._repr_html_()
    assert "3 episodes" in shown
    assert "<script" not in shown
    table = harness.results.table(rows)
    assert "<script" not in table._repr_html_()
    assert "<table" in table._repr_html_()
    assert "PIE-G †" in str(table)  # the suite's published numbers stand beside
    rows.to_csv(tmp_path / "rows.csv")
    assert str(harness.results.table(tmp_path / "rows.csv", suite="video_hard")) == str(table)
    assert str(harness.results.table(rows.to_pandas())) == str(table)
    with pytest.raises(ValueError, match="no rows of suite 'video_easy'"):
        harness.results.table(rows, suite="video_easy")
