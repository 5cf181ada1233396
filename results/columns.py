"""Rows by the million: the same as `harness.results.store.load_rows`, column by column, without an object per row.

Texts become categories, as nearly all of them repeat. Everything that is checked when rows are read one by one is
checked here over whole columns; a file in which something is not as it should be is read again row by row, which says
what it is.
"""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.results.damage import OnDamage, Undigested, refuse
from harness.results.earlier import DIGEST_KEY, added_since
from harness.results.row_files import READ_BY_COLUMNS, UNDIGESTED_KEY, VERSION_KEY, has_digest, schema
from harness.results.rows import (
    COLUMNS,
    LARGEST_RETURN,
    SCHEMA_VERSION,
    TEXTS_OF_JSON,
    column_types,
    json_problem,
    to_dict,
)
from harness.results.store import Cell, RowStore, read_file, sources

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_NUM_THREADS = 4  # some decompress while one checks
_FEW = 64  # tables that are joined at once, so that categories stay few


def load_columns(
    *paths: str | os.PathLike[str], columns: Sequence[str] = COLUMNS, on_damage: OnDamage = refuse
) -> pd.DataFrame:
    """The rows under some paths as one table, without repeats where paths overlap.

    Args:
      paths: as for `harness.results.store.load_rows`.
      columns: which of the columns of `Row` to keep; all are checked.
      on_damage: as for `load_rows`.

    Returns:
      As `load_rows`, but for texts, which are categories.

    Raises:
      FileNotFoundError: if a path does not exist.
      CorruptRowsError: if a stored file is damaged.
    """
    names = list(columns)
    found = [_packed(_from_rows([]), names)]
    with ThreadPoolExecutor(_NUM_THREADS) as pool:
        for some in _batches(_readers(paths, on_damage)):
            found.append(_joined([*pool.map(lambda read: _packed(read(), names), some)]))
    return _to_pandas(_joined(found))


def _readers(paths: Iterable[str | os.PathLike[str]], on_damage: OnDamage) -> Iterator[Callable[[], pa.Table]]:
    """One function per file or cell, which reads it."""
    for source in dict.fromkeys(sources(paths)):
        if source.is_file():
            yield functools.partial(_read_file, source, on_damage)
        else:
            store = RowStore(source)
            yield from (functools.partial(_read_cell, store, cell, on_damage) for cell in store.cells())


def _batches(readers: Iterator[Callable[[], pa.Table]]) -> Iterator[list[Callable[[], pa.Table]]]:
    while some := [*itertools.islice(readers, _FEW)]:
        yield some


def _read_file(path: Path, on_damage: OnDamage) -> pa.Table:
    table = _sound(path, on_damage) if path.suffix == ".parquet" else None
    return _from_rows(read_file(path, on_damage)) if table is None else table


def _read_cell(store: RowStore, cell: Cell, on_damage: OnDamage) -> pa.Table:
    path = store.complete_file(*cell)
    table = None if path is None else _sound(path, on_damage)
    if table is None or not _is_plain(table, cell):
        return _from_rows(store.rows(*cell, on_damage=on_damage))
    return table


def _sound(path: Path, on_damage: OnDamage) -> pa.Table | None:
    """What a file of rows holds, texts as categories; None if anything is not as this program writes it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        data = path.read_bytes()
        is_whole = has_digest(data)
        table = pq.ParquetFile(pa.BufferReader(data), read_dictionary=_texts()).read(use_threads=False)
    except (pa.ArrowException, OSError, ValueError, TypeError, LookupError, MemoryError):
        return None
    metadata = table.schema.metadata or {}
    stated = metadata.get(VERSION_KEY)
    if DIGEST_KEY in metadata or (stated is not None and not (is_whole and stated in READ_BY_COLUMNS)):
        return None
    table = _completed(table, SCHEMA_VERSION if stated is None else int(stated))
    if not _is_sound(table):
        return None
    if not is_whole or UNDIGESTED_KEY in metadata:
        on_damage(Undigested(path))
    return table


def _completed(table: pa.Table, version: int) -> pa.Table:
    """The rows of an earlier version with the texts they lack."""
    import pyarrow as pa

    for name, value in added_since(version).items():
        if name not in table.column_names:
            field = _coded_schema().field(name)
            table = table.append_column(field, pa.repeat(pa.scalar(value, pa.string()), len(table)).cast(field.type))
    return table


def _is_sound(table: pa.Table) -> bool:
    """What `harness.results.row_files` checks of rows, over whole columns."""
    if not table.schema.equals(_coded_schema()) or any(column.num_chunks != 1 for column in table.columns):
        return False
    columns = {name: column.chunk(0) for name, column in zip(table.column_names, table.columns, strict=True)}
    if any(columns[name].null_count for name in _required()):
        return False
    if not (np.abs(columns["episode_return"].to_numpy()) <= LARGEST_RETURN).all():
        return False
    texts = ((name, text) for name in TEXTS_OF_JSON for text in columns[name].dictionary.to_pylist())
    return not any(json_problem(name, text) for name, text in texts)


@functools.cache
def _texts() -> list[str]:
    return [name for name, (kind, _) in column_types().items() if kind is str]


@functools.cache
def _required() -> list[str]:
    return [name for name, (_, nullable) in column_types().items() if not nullable]


@functools.cache
def _coded_schema() -> pa.Schema:
    """That of rows, as it is read with texts as categories."""
    import pyarrow as pa

    coded = pa.dictionary(pa.int32(), pa.string())
    return pa.schema([field.with_type(coded) if field.type == pa.string() else field for field in schema()])


def _distinct_values(column: pa.Array) -> list[Any]:
    """The values, or the one value that all have."""
    if hasattr(column, "dictionary") and len(column.dictionary) == 1:
        return list(column.dictionary.to_pylist())
    values: list[Any] = column.to_pylist()
    return values[:1] if values.count(values[0]) == len(values) else values


def _is_plain(table: pa.Table, cell: Cell) -> bool:
    """Whether the rows are all of the cell that the file's name says, each episode once and in order."""
    places = zip(("task", "setting", "train_seed"), cell, strict=True)
    if not all(_distinct_values(table[name].chunk(0)) == [value] for name, value in places):
        return False
    return bool((np.diff(table["episode"].to_numpy()) > 0).all())


def _from_rows(rows: Sequence[Any]) -> pa.Table:
    import pyarrow as pa

    return pa.Table.from_pylist([to_dict(row) for row in rows], schema=schema())


def _packed(table: pa.Table, names: list[str]) -> pa.Table:
    """Some columns, texts as categories."""
    import pyarrow as pa

    columns = (table[name] for name in names)
    return pa.table([c.dictionary_encode() if c.type == pa.string() else c for c in columns], names)


def _joined(tables: Sequence[pa.Table]) -> pa.Table:
    import pyarrow as pa

    return pa.concat_tables(tables).unify_dictionaries().combine_chunks()


def _to_pandas(table: pa.Table) -> pd.DataFrame:
    import pandas as pd
    import pyarrow as pa

    nullable = [name for name in table.column_names if column_types()[name][1]]
    types = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    found = table.select(nullable).to_pandas(types_mapper=types.get)
    frame = table.drop_columns(nullable).to_pandas()
    return pd.concat([frame, found], axis=1)[table.column_names]
