"""Rows survive what a run may meet: kills, a full disk, damage, resumption."""

from __future__ import annotations

import errno
import os
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.results.columns import load_columns
from harness.results.damage import CorruptRowsError
from harness.results.rows import COLUMNS, LARGEST_RETURN, Row, canonical_json
from harness.results.store import RowStore, load_rows

ROW = Row(
    run_id="r1",
    suite="video_hard",
    suite_version=1,
    task="walker_walk",
    setting="video_hard",
    agent="pieg",
    agent_version=1,
    config_hash="0123456789abcdef",
    preset="quick",
    train_seed=0,
    eval_seed=42,
    episode=0,
    episode_return=12.5,
    success=None,
    successes_json="{}",
    num_steps=500,
    num_frames=1000,
    train_frames=4000,
    action_repeat=2,
    frame_stack=3,
    image_size=84,
    episode_frames=1000,
    render_profile="standard",
    shift_json='{"video":3}',
    assets_json="{}",
    stand_ins="",
    notes="",
    training="0123456789abcdef",
    checkpoint="",
    packages_json="{}",
    compute="cpu",
    gl_renderer="llvmpipe",
    code_revision="abc",
    first_pixels="feed",
    trajectory="beef",
)
CELL = ("walker_walk", "video_hard", 0)
JSONL = "walker_walk+video_hard+seed0.jsonl"
PARQUET = "walker_walk+video_hard+seed0.parquet"


def make_rows(count: int) -> list[Row]:
    return [replace(ROW, episode=i, episode_return=i / 7, success=[None, True, False][i % 3]) for i in range(count)]


def fill(store: RowStore, rows: list[Row]) -> None:
    for row in rows:
        store.append(row)


def test_rows_come_back_sorted_from_either_format(tmp_path):
    store, rows = RowStore(tmp_path / "rows"), make_rows(5)
    fill(store, rows[::-1])
    assert store.rows() == rows
    store.complete(*CELL)
    assert store.rows() == rows
    assert [p.name for p in store.folder.iterdir()] == [PARQUET]
    assert store.episodes(*CELL) == {0, 1, 2, 3, 4}
    assert store.is_complete(*CELL)


def test_some_columns_of_a_cell_are_those_of_its_rows(tmp_path):
    store, rows = RowStore(tmp_path / "rows"), make_rows(5)
    wanted = [(row.episode, row.success, row.episode_return) for row in rows]
    names = ["episode", "success", "episode_return"]
    assert store.values(*CELL, names) == []
    fill(store, rows[3::-1])
    assert store.values(*CELL, names) == wanted[:4]
    store.complete(*CELL)
    assert store.values(*CELL, names) == wanted[:4]
    store.append(rows[4])  # beside the complete ones
    assert store.values(*CELL, names) == wanted
    store.complete(*CELL)
    (store.folder / PARQUET).rename(store.folder / PARQUET.replace("seed", "seed9"))  # of another cell than it says
    with pytest.raises(CorruptRowsError, match="another cell"):
        store.values(*CELL[:2], int(f"9{CELL[2]}"), names)


@pytest.mark.parametrize("number", [1, 3, 4, 20])
def test_few_rows_and_many_come_back_from_one_file_alike(tmp_path, number):
    store, rows = RowStore(tmp_path / "rows"), make_rows(number)
    fill(store, rows)
    store.complete(*CELL)
    assert store.rows() == rows
    pd.testing.assert_frame_equal(load_columns(store.folder).astype(object), load_rows(store.folder).astype(object))


@pytest.mark.parametrize("is_complete", [True, False])
def test_rows_of_another_run_are_refused_where_that_matters(tmp_path, is_complete):
    store = RowStore(tmp_path)
    fill(store, make_rows(2))
    if is_complete:
        store.complete(*CELL)
    assert store.episodes(*CELL) == store.episodes(*CELL, run_id="r1") == {0, 1}
    with pytest.raises(CorruptRowsError, match=r"\+seed0\.(parquet|jsonl) holds rows of another run, r1: move it away"):
        store.episodes(*CELL, run_id="r2")


def test_an_unused_store_is_empty_and_touches_nothing(tmp_path):
    store = RowStore(tmp_path / "rows")
    assert store.rows() == []
    assert store.episodes(*CELL) == set()
    assert not store.folder.exists()
    with pytest.raises(ValueError, match="no rows to complete"):
        store.complete(*CELL)


def test_rows_are_filtered_and_a_seed_of_none_is_a_seed(tmp_path):
    store = RowStore(tmp_path)
    kinds = [("a", "train", None), ("a", "train", 2), ("a", "train", 10), ("a", "hard", 2), ("b", "train", 2)]
    rows = [replace(ROW, task=t, setting=s, train_seed=n) for t, s, n in kinds]
    fill(store, rows)
    assert store.cells() == [("a", "hard", 2), ("a", "train", None), ("a", "train", 2), ("a", "train", 10), kinds[4]]
    assert store.rows(train_seed=None) == [rows[0]]
    assert store.rows(task="a", train_seed=2) == [rows[3], rows[1]]
    assert store.rows(setting="train", task="b") == [rows[4]]
    assert len(store.rows()) == 5


def test_the_first_of_two_rows_of_one_episode_wins(tmp_path):
    store = RowStore(tmp_path)
    fill(store, [ROW, replace(ROW, episode_return=99.0)])
    assert store.rows() == [ROW]
    store.complete(*CELL)
    store.append(replace(ROW, episode_return=77.0))
    assert store.rows() == [ROW]


@pytest.mark.parametrize("completed_before", [False, True])
def test_a_cut_at_every_byte_of_the_last_line_loses_that_line_only(tmp_path, completed_before):
    rows = make_rows(4)
    writer = RowStore(tmp_path / "whole")
    fill(writer, rows[:2])
    if completed_before:
        writer.complete(*CELL)
    fill(writer, rows[2:3])
    before = (writer.folder / JSONL).stat().st_size
    writer.append(rows[3])
    data = (writer.folder / JSONL).read_bytes()
    assert len(data) - before > 500
    for size in range(before, len(data)):
        (writer.folder / JSONL).write_bytes(data[:size])
        assert writer.rows() == rows[:3]
        writer.append(rows[3])
        assert (writer.folder / JSONL).read_bytes() == data
    assert writer.rows() == rows


def test_a_torn_first_line_is_no_row(tmp_path):
    (tmp_path / JSONL).write_bytes(b'{"agent"')
    store = RowStore(tmp_path)
    assert store.rows() == []
    store.append(ROW)
    assert store.rows() == [ROW]


@pytest.mark.parametrize("damage", [b'{"agent"', b"", b"[1]", b"{}", b"\xff\x00", b"null"])
def test_a_damaged_line_in_the_middle_is_named(tmp_path, damage):
    store = RowStore(tmp_path)
    fill(store, make_rows(3))
    lines = (tmp_path / JSONL).read_bytes().split(b"\n")
    lines[1] = damage
    (tmp_path / JSONL).write_bytes(b"\n".join(lines))
    with pytest.raises(CorruptRowsError, match=r"walker_walk\+video_hard\+seed0\.jsonl, line 2 is not a row"):
        store.rows()


def test_a_damaged_parquet_file_is_named(tmp_path):
    store = RowStore(tmp_path)
    store.append(ROW)
    store.complete(*CELL)
    (tmp_path / PARQUET).write_bytes((tmp_path / PARQUET).read_bytes()[:-20])
    with pytest.raises(CorruptRowsError, match=r"seed0\.parquet is not a file of rows"):
        store.rows()
    other = pq.ParquetFile(_whole(tmp_path / "other")).read().drop_columns(["notes"])
    pq.write_table(other.replace_schema_metadata(None), tmp_path / PARQUET)
    with pytest.raises(CorruptRowsError, match=r"seed0\.parquet is not a file of rows: its columns"):
        store.rows()


def test_reading_leaves_no_file_open(tmp_path):
    path = _whole(tmp_path)
    store = RowStore(tmp_path)
    for _ in range(50):  # what a thread closes later is not seen every time
        assert store.rows() == [ROW]
        assert str(path) not in {os.path.realpath(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")}


def _whole(folder):
    store = RowStore(folder)
    store.append(ROW)
    store.complete(*CELL)
    return folder / PARQUET


def test_a_full_disk_surfaces_and_leaves_earlier_rows(tmp_path, monkeypatch):
    store, rows = RowStore(tmp_path), make_rows(2)
    store.append(rows[0])
    calls, write = [], os.write

    def full(file: int, data: bytes) -> int:
        calls.append(len(data))
        if len(calls) == 1:
            return write(file, data[:100])  # a short write, as a nearly full disk gives
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space left") as caught:
            store.append(rows[1])
    assert caught.value.errno == errno.ENOSPC
    assert len(calls) == 2
    assert store.rows() == rows[:1]
    store.append(rows[1])
    assert store.rows() == rows


def test_one_line_is_one_write(tmp_path, monkeypatch):
    written, write = [], os.write
    monkeypatch.setattr(os, "write", lambda file, data: written.append(bytes(data)) or write(file, data))
    RowStore(tmp_path).append(ROW)
    assert len(written) == 1
    assert written[0].endswith(b"\n")
    assert written[0].count(b"\n") == 1


def test_a_failed_completion_keeps_the_lines(tmp_path, monkeypatch):
    store, rows = RowStore(tmp_path), make_rows(3)
    fill(store, rows)

    def fail(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="No space left"):
            store.complete(*CELL)
    assert [p.name for p in tmp_path.iterdir()] == [JSONL]
    assert store.rows() == rows


def test_a_kill_inside_completion_changes_no_row(tmp_path):
    store, rows = RowStore(tmp_path), make_rows(3)
    fill(store, rows)
    lines = (tmp_path / JSONL).read_bytes()
    store.complete(*CELL)
    (tmp_path / JSONL).write_bytes(lines)  # killed after the rename, before the lines were removed
    (tmp_path / (PARQUET + ".tmp")).write_bytes(b"half")  # killed while writing, on an earlier try
    assert store.rows() == rows
    assert not store.is_complete(*CELL)
    store.complete(*CELL)
    assert store.rows() == rows
    assert [p.name for p in tmp_path.iterdir()] == [PARQUET]


def test_completion_is_idempotent_and_deterministic(tmp_path):
    stores = [RowStore(tmp_path / name) for name in "ab"]
    fill(stores[0], make_rows(6))
    fill(stores[1], [*make_rows(6)[::-1], ROW])
    for store in stores:
        store.complete(*CELL)
    data = [(store.folder / PARQUET).read_bytes() for store in stores]
    assert data[0] == data[1]
    stamp = (stores[0].folder / PARQUET).stat().st_mtime_ns
    stores[0].complete(*CELL)
    assert (stores[0].folder / PARQUET).stat().st_mtime_ns == stamp


def test_episodes_added_after_completion_are_merged(tmp_path):
    store, rows = RowStore(tmp_path), make_rows(4)
    fill(store, rows[:2])
    store.complete(*CELL)
    fill(store, rows[2:])
    assert store.rows() == rows
    store.complete(*CELL)
    assert store.rows() == rows
    assert pq.read_table(tmp_path / PARQUET)["episode"].to_pylist() == [0, 1, 2, 3]


def test_the_parquet_schema_is_explicit(tmp_path):
    schema = pq.read_schema(_whole(tmp_path))
    assert tuple(schema.names) == COLUMNS
    assert {f.name for f in schema if f.nullable} == {"success", "train_seed"}
    kinds = {name: str(schema.field(name).type) for name in ("success", "train_seed", "episode_return", "task")}
    assert kinds == {"success": "bool", "train_seed": "int64", "episode_return": "double", "task": "string"}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"episode_return": float("nan")}, ValueError, "not finite: nan"),
        ({"episode_return": float("inf")}, ValueError, "not finite: inf"),
        ({"episode_return": 3}, TypeError, "Row.episode_return must be float, not int"),
        ({"episode_return": np.float64(1)}, TypeError, "Row.episode_return must be float, not float64"),
        ({"success": np.True_}, TypeError, r"Row.success must be bool \| None, not bool"),
        ({"episode": True}, TypeError, "Row.episode must be int, not bool"),
        ({"eval_seed": 2**63}, ValueError, "Row.eval_seed does not fit 64 bits"),
        ({"notes": None}, TypeError, "Row.notes must be str, not NoneType"),
    ],
)
def test_what_would_not_come_back_is_refused(tmp_path, change, error, message):
    store = RowStore(tmp_path)
    with pytest.raises(error, match=message):
        store.append(replace(ROW, **change))
    assert list(tmp_path.iterdir()) == []


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
INT = st.integers(-(2**63), 2**63 - 1)
VALUES = {
    "str": TEXT,
    "int": INT,
    "int | None": st.none() | INT,
    "float": st.floats(-LARGEST_RETURN, LARGEST_RETURN),
    "bool | None": st.none() | st.booleans(),
}
TABLES = {"successes": st.booleans(), "shift": TEXT | INT | st.lists(INT), "assets": TEXT, "packages": TEXT}
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
ROWS = st.fixed_dictionaries(
    {name: VALUES[Row.__dataclass_fields__[name].type] for name in COLUMNS}
    | {"task": NAMES, "setting": NAMES}
    | {f"{name}_json": st.dictionaries(TEXT, kind).map(canonical_json) for name, kind in TABLES.items()}
).map(lambda values: Row(**values))


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(ROWS, min_size=1, max_size=4, unique_by=lambda r: (r.task, r.setting, r.train_seed, r.episode)))
def test_any_row_comes_back_as_it_went_in(tmp_path_factory, rows):
    store = RowStore(tmp_path_factory.mktemp("rows"))
    fill(store, rows)
    wanted = sorted(rows, key=repr)
    assert sorted(store.rows(), key=repr) == wanted
    for cell in store.cells():
        store.complete(*cell)
    assert sorted(RowStore(store.folder).rows(), key=repr) == wanted


def test_load_rows_reads_runs_a_run_a_folder_and_a_file(tmp_path):
    for run in ("r1", "r2"):
        store = RowStore(tmp_path / "runs" / run / "rows")
        fill(store, [replace(row, run_id=run) for row in make_rows(3)])
        (tmp_path / "runs" / run / "logs").mkdir()
        (tmp_path / "runs" / run / "logs" / "train.jsonl").write_text("{}\n")
    store.complete(*CELL)
    runs = tmp_path / "runs"
    table = load_rows(runs)
    assert tuple(table.columns) == COLUMNS
    assert list(table["run_id"]) == ["r1"] * 3 + ["r2"] * 3
    assert list(table["episode_return"]) == [0, 1 / 7, 2 / 7] * 2
    assert table["success"].tolist() == [pd.NA, True, False] * 2
    assert str(table["success"].dtype) == "boolean"
    assert str(table["train_seed"].dtype) == "Int64"
    assert len(load_rows(runs / "r1")) == 3
    assert len(load_rows(runs / "r2" / "rows")) == 3
    assert len(load_rows(runs / "r2" / "rows" / PARQUET)) == 3
    assert len(load_rows(runs / "r1" / "rows" / JSONL)) == 3
    assert len(load_rows(runs, runs / "r1")) == 6


def test_load_rows_of_nothing_keeps_the_columns(tmp_path):
    table = load_rows(tmp_path)
    assert tuple(table.columns) == COLUMNS
    assert len(table) == 0
    assert str(table["episode"].dtype) == "int64"
    with pytest.raises(FileNotFoundError, match="No rows at"):
        load_rows(tmp_path / "nowhere")
    (tmp_path / "x.tsv").write_text("a")
    with pytest.raises(ValueError, match=r"expected \.parquet, \.jsonl or \.csv"):
        load_rows(tmp_path / "x.tsv")
