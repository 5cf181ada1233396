"""Files that earlier versions wrote are read for ever: `files/` holds some of every version, as it wrote them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from harness.results.columns import load_columns
from harness.results.damage import CorruptRowsError
from harness.results.earlier import columns_of, upgraded, version_of
from harness.results.rows import COLUMNS, SCHEMA_VERSION
from harness.results.store import RowStore, load_rows

FILES = Path(__file__).parent / "files"
VERSIONS = range(1, SCHEMA_VERSION + 1)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("load", [load_rows, load_columns])
def test_a_file_of_every_version_is_read(version, load):
    """Fails for a new version until a file of it is committed: made by RowStore, three episodes, two seeds."""
    rows = load(FILES / f"v{version}")
    assert rows["episode"].tolist() == [0, 1, 2] * 2
    assert rows["train_seed"].isna().tolist() == [True] * 3 + [False] * 3
    assert rows["episode_return"].tolist() == [100.5, 101.5, 102.5] * 2
    assert rows["success"].tolist()[1:3] == [True, False]
    assert set(rows["notes"]) == {'a "note", é'}
    assert rows["shift_json"].tolist() == [f'{{"video":{n}}}' for n in (0, 1, 2)] * 2
    assert (rows["trajectory"] == "").all() == (version < 2)


def test_a_changed_file_of_an_earlier_version_is_found_out(tmp_path):
    shutil.copytree(FILES / "v1", tmp_path / "v1")
    lines = next((tmp_path / "v1").glob("*.jsonl"))
    lines.write_text(lines.read_text().replace("101.5", "901.5"))
    with pytest.raises(CorruptRowsError, match=r"line 2 .* do not match its checksum"):
        load_rows(tmp_path / "v1")
    path = next((tmp_path / "v1").glob("*.parquet"))
    table = pq.read_table(path)
    index = table.schema.get_field_index("episode_return")
    changed = table.set_column(index, table.schema.field(index), [[1.0, 2.0, 3.0]])
    pq.write_table(changed.replace_schema_metadata(table.schema.metadata), path)
    with pytest.raises(CorruptRowsError, match="do not match their digest"):
        load_rows(path)


def test_a_run_begun_by_an_earlier_version_goes_on(tmp_path):
    shutil.copytree(FILES / "v1", tmp_path / "rows")
    store = RowStore(tmp_path / "rows")
    before = store.rows()
    for cell in store.cells():
        store.complete(*cell)
    assert store.rows() == before
    metadata = pq.read_schema(next((tmp_path / "rows").glob("*none.parquet"))).metadata
    assert metadata[b"rows_schema_version"] == b"%d" % SCHEMA_VERSION


@pytest.mark.parametrize(
    ("stated", "words"), [("0", "version 0"), ("99", "reads 1 to"), ("-1", "none"), ("x" * 99, "none")]
)
def test_a_version_that_is_none_is_named(tmp_path, stated, words):
    shutil.copytree(FILES / "v2", tmp_path / "v2")
    path = next((tmp_path / "v2").glob("*.parquet"))
    pq.write_table(pq.read_table(path).replace_schema_metadata({"rows_schema_version": stated}), path)
    with pytest.raises(CorruptRowsError, match=words):
        load_rows(path)


def test_columns_of_versions():
    assert columns_of(SCHEMA_VERSION) == COLUMNS
    assert set(COLUMNS) - set(columns_of(1)) == {"trajectory", "origin"}
    assert version_of(frozenset(columns_of(1))) == 1
    line = json.loads(next((FILES / "v1").glob("*.jsonl")).read_text().splitlines()[0])
    line.pop("checksum")
    assert set(upgraded(line)) == set(COLUMNS)
    assert upgraded({"other": 1}) == {"other": 1}
