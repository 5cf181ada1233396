"""Damage of any kind is told by file and row, and nothing of it is believed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness.results import load
from harness.results.columns import load_columns
from harness.results.csv_rows import rows_to_csv
from harness.results.damage import CorruptRowsError, refuse, undigested_told
from harness.results.row_files import (
    CHECKSUM,
    DIGEST_KEY,
    VERSION_KEY,
    count_rows,
    read_lines,
    read_parquet,
    schema,
    to_line,
    write_parquet,
)
from harness.results.rows import SCHEMA_VERSION, Row, canonical_json, to_dict
from harness.results.store import RowStore, load_rows
from tests.results.test_store import CELL, JSONL, PARQUET, fill, make_rows

BOMB = "[" * 100_000
WRONG: dict[str, dict[str, Any]] = {
    "no number": {"episode_return": float("nan")},
    "no end": {"episode_return": float("-inf")},
    "assets that are no JSON": {"assets_json": "{'a': 1}"},
    "assets that are a list": {"assets_json": "[]"},
    "assets of numbers": {"assets_json": '{"a": 1}'},
    "packages that are null": {"packages_json": "null"},
    "successes that are texts": {"successes_json": '{"a": "yes"}'},
    "a shift that is a number": {"shift_json": "3"},
    "a nested shift": {"shift_json": BOMB},
}


def parquet(folder: Path, rows: list[Row], **changes: Any) -> Path:
    """A file whose second row has other values, as nothing of ours writes it."""
    values = [to_dict(row) for row in rows]
    values[1].update(changes)
    pq.write_table(pa.Table.from_pylist(values, schema=schema()), folder / PARQUET)
    return folder / PARQUET


def lines(folder: Path, rows: list[Row], **changes: Any) -> Path:
    """The same as lines of JSON."""
    values = [to_dict(row) for row in rows]
    values[1].update(changes)
    (folder / JSONL).write_text("".join(canonical_json(one) + "\n" for one in values))
    return folder / JSONL


@pytest.mark.parametrize("case", WRONG)
@pytest.mark.parametrize(("write", "read", "place"), [(parquet, read_parquet, "row 2"), (lines, read_lines, "line 2")])
def test_values_that_cannot_be_are_named(
    case: str, write: Callable[..., Path], read: Callable[..., list[Row]], place: str, tmp_path: Path
) -> None:
    rows = make_rows(3)
    assert read(write(tmp_path, rows)) == rows  # without digests, as earlier versions wrote them
    path = write(tmp_path, rows, **WRONG[case])
    with pytest.raises(CorruptRowsError) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert place in str(caught.value)
    assert f"Row.{next(iter(WRONG[case]))}" in str(caught.value) or "return that is not finite" in str(caught.value)
    assert len(str(caught.value)) < 600


def test_no_flipped_bit_is_believed(tmp_path: Path) -> None:
    """Some bits of each file, others each day; all of them were tried once."""
    rows, rng = make_rows(3), random.Random()
    write_parquet(rows, tmp_path / PARQUET)
    (tmp_path / JSONL).write_bytes(b"".join(map(to_line, rows)))
    for path, read in ((tmp_path / PARQUET, read_parquet), (tmp_path / JSONL, read_lines)):
        data = path.read_bytes()
        for bit in rng.sample(range(8 * (len(data) - 1)), 400):  # a flipped last newline is a torn line
            damaged = bytearray(data)
            damaged[bit // 8] ^= 1 << bit % 8
            path.write_bytes(damaged)
            told: list[CorruptRowsError] = []
            found = read(path, told.append)
            assert told, f"bit {bit} of {path.name} was not seen"
            assert all(str(path) in str(error) for error in told)
            assert set(found) < set(rows)
        path.write_bytes(data)
        assert read(path) == rows


FILES: dict[str, Callable[[bytes], bytes]] = {
    "a mark of byte order": lambda data: b"\xef\xbb\xbf" + data,
    "another encoding": lambda data: data.decode().encode("utf-16"),
    "nested": lambda data: BOMB.encode() + b"\n" + data,
    "a number": lambda data: b"3\n" + data,
    "a number without end": lambda data: b"9" * 9999 + b"\n" + data,
    "bytes": lambda data: b"\xff\n" + data,
    "nothing": lambda data: b"\n" + data,
}


@pytest.mark.parametrize("case", FILES)
def test_lines_that_are_no_rows_are_named(case: str, tmp_path: Path) -> None:
    path = tmp_path / JSONL
    path.write_bytes(FILES[case](b"".join(map(to_line, make_rows(2)))))
    with pytest.raises(CorruptRowsError, match=r"seed0\.jsonl, line 1 is not a row: .*move it away"):
        read_lines(path)


@pytest.mark.parametrize(
    "change", [{"episode_return": 0.5}, {"train_frames": 4001}, {"notes": "better"}, {CHECKSUM: "0"}]
)
def test_an_edited_line_is_named(change: dict[str, Any], tmp_path: Path) -> None:
    values = json.loads(to_line(make_rows(1)[0]))
    (tmp_path / JSONL).write_text(json.dumps({**values, **change}) + "\n")
    with pytest.raises(CorruptRowsError, match="line 1 is not a row: its values do not match its checksum"):
        read_lines(tmp_path / JSONL)


def test_rows_of_another_version_are_refused(tmp_path: Path) -> None:
    table = pa.Table.from_pylist([to_dict(row) for row in make_rows(2)], schema=schema())
    pq.write_table(table.replace_schema_metadata({VERSION_KEY: b"99"}), tmp_path / PARQUET)
    with pytest.raises(
        CorruptRowsError, match=f"its rows are of version 99, and this program reads 1 to {SCHEMA_VERSION}"
    ):
        read_parquet(tmp_path / PARQUET)


def test_edited_rows_of_a_complete_cell_are_refused(tmp_path: Path) -> None:
    path, rows = tmp_path / PARQUET, make_rows(2)
    write_parquet(rows, path)
    assert read_parquet(path) == rows
    table = pq.read_table(path)
    edited = [to_dict(rows[0]), {**to_dict(rows[1]), "episode_return": 999.0}]
    pq.write_table(pa.Table.from_pylist(edited, schema=table.schema), path)
    with pytest.raises(CorruptRowsError, match="its bytes do not match its digest"):
        read_parquet(path)
    metadata = {VERSION_KEY: table.schema.metadata[VERSION_KEY]}
    pq.write_table(pa.Table.from_pylist(edited, schema=table.schema.with_metadata(metadata)), path)
    with pytest.raises(CorruptRowsError, match="it has lost its digest"):
        read_parquet(path)


def test_rows_that_went_through_pandas_are_read(tmp_path: Path) -> None:
    write_parquet(make_rows(3), tmp_path / PARQUET)
    load_rows(tmp_path / PARQUET).to_parquet(tmp_path / "mine.parquet")
    assert read_parquet(tmp_path / "mine.parquet") == make_rows(3)


def test_a_file_under_the_name_of_another_cell_is_refused(tmp_path: Path) -> None:
    store = RowStore(tmp_path)
    fill(store, make_rows(2))
    store.complete(*CELL)
    (tmp_path / PARQUET).rename(tmp_path / PARQUET.replace("seed0", "seed1"))
    with pytest.raises(CorruptRowsError, match=r"seed1\.parquet has a name of another cell .* seed 0: give the file"):
        store.rows()


def test_what_is_sound_stays_readable(tmp_path: Path) -> None:
    store, rows = RowStore(tmp_path), make_rows(4)
    others = [replace(row, task="walker_run") for row in rows]
    fill(store, rows + others)
    store.complete(*CELL)
    (tmp_path / PARQUET).write_bytes(b"PAR1" * 100)
    path = next(tmp_path.glob("*.jsonl"))
    path.write_bytes(path.read_bytes().replace(b'"episode":2', b'"episode":3'))
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    found: list[CorruptRowsError] = []
    table = load_rows(tmp_path, on_damage=found.append)
    assert [(row.task, row.episode) for row in table.itertuples()] == [("walker_run", n) for n in (0, 1, 3)]
    assert [str(error).split(" is not")[0] for error in found] == [f"{path}, line 3", str(tmp_path / PARQUET)]
    assert store.rows("walker_run", on_damage=lambda error: None) == [others[0], others[1], others[3]]
    with pytest.raises(CorruptRowsError):
        load_rows(tmp_path)
    for cell in store.cells():
        with pytest.raises(CorruptRowsError):
            store.episodes(*cell)
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before


def without_checksums(path: Path) -> None:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(canonical_json({k: v for k, v in line.items() if k != CHECKSUM}) + "\n" for line in lines))


def undigested(read: Callable[..., Any], *paths: Path) -> list[Path]:
    """The files that are told to have no digest; damage is raised."""
    found: list[Any] = []
    read(*paths, on_damage=found.append)
    for each in found:
        refuse(each)
    return [each.path for each in found]


LOADERS = pytest.mark.parametrize("load", [load_rows, load_columns])


@LOADERS
def test_files_without_a_digest_are_read_and_told(load: Callable[..., Any], tmp_path: Path) -> None:
    rows = make_rows(3)
    with_digest = tmp_path / "run" / "rows" / PARQUET
    fill(RowStore(tmp_path / "run" / "rows"), rows)
    assert undigested(load, tmp_path / "run") == []
    without_checksums(tmp_path / "run" / "rows" / JSONL)
    assert undigested(load, tmp_path / "run") == [tmp_path / "run" / "rows" / JSONL]
    (tmp_path / "run" / "rows" / JSONL).unlink()
    write_parquet(rows, with_digest)
    assert undigested(load, tmp_path / "run") == []
    (tmp_path / "mine.csv").write_text(rows_to_csv(rows), newline="")
    frame = load_rows(with_digest)
    frame.to_parquet(tmp_path / "mine.parquet")
    assert undigested(load, tmp_path / "mine.csv", tmp_path / "mine.parquet") == [
        tmp_path / "mine.csv",
        tmp_path / "mine.parquet",
    ]


@LOADERS
def test_a_completed_cell_does_not_vouch_for_rows_that_came_without_a_digest(
    load: Callable[..., Any], tmp_path: Path
) -> None:
    store, rows = RowStore(tmp_path), make_rows(3)
    fill(store, rows[:2])
    without_checksums(tmp_path / JSONL)
    store.append(rows[2])
    store.complete(*CELL)
    assert undigested(load, tmp_path) == [tmp_path / PARQUET]
    assert store.rows() == rows
    store.replace(*CELL, [replace(row, notes="more") for row in rows])  # as a run's notes are added
    assert undigested(load, tmp_path) == [tmp_path / PARQUET]
    assert load(tmp_path)["notes"].tolist() == ["more"] * 3


@LOADERS
def test_a_completed_cell_of_checked_lines_has_the_bytes_it_always_had(
    load: Callable[..., Any], tmp_path: Path
) -> None:
    store = RowStore(tmp_path)
    fill(store, make_rows(3))
    store.complete(*CELL)
    assert undigested(load, tmp_path) == []
    assert set(pq.read_schema(tmp_path / PARQUET).metadata) == {VERSION_KEY, DIGEST_KEY}


@pytest.mark.parametrize("count", [1, 2, 63, 64, 8192])
@pytest.mark.parametrize("are_digested", [True, False])
def test_rows_are_counted_without_being_decoded(count: int, are_digested: bool, tmp_path: Path) -> None:
    write_parquet(make_rows(count), tmp_path / PARQUET, are_digested=are_digested)
    assert count_rows(tmp_path / PARQUET) == count
    pq.write_table(pq.read_table(tmp_path / PARQUET).replace_schema_metadata(None), tmp_path / PARQUET)
    assert count_rows(tmp_path / PARQUET) == count  # as pandas wrote it
    (tmp_path / PARQUET).write_bytes((tmp_path / PARQUET).read_bytes()[:-1])
    with pytest.raises(CorruptRowsError):
        count_rows(tmp_path / PARQUET)


def test_a_checksum_that_is_null_is_no_absent_one(tmp_path: Path) -> None:
    values = json.loads(to_line(make_rows(1)[0]))
    (tmp_path / JSONL).write_text(canonical_json({**values, "episode_return": 923.4, CHECKSUM: None}) + "\n")
    with pytest.raises(CorruptRowsError, match="line 1 is not a row: its values do not match its checksum"):
        read_lines(tmp_path / JSONL)


def test_one_sentence_tells_all_files_and_a_notebook_is_warned(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv", "c.csv"):
        (tmp_path / name).write_text(rows_to_csv(make_rows(2)), newline="")
    said: list[str] = []
    with undigested_told(said.append) as on_damage:
        load_rows(*(tmp_path / name for name in ("a.csv", "b.csv", "c.csv")), on_damage=on_damage)
    assert len(said) == 1
    assert said[0].startswith(f"Note: {tmp_path / 'a.csv'} and 2 more hold rows without a digest")
    with pytest.warns(UserWarning, match=r"a\.csv holds rows without a digest") as caught:
        load(tmp_path / "a.csv")
    assert caught[0].filename == __file__
