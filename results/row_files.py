"""How rows lie in files: one line of JSON each while a cell fills, one Parquet file when it is complete.

Both carry digests of what they hold, because a flipped bit may well decode as another number. Files of earlier versions
carry none and are read all the same.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.results.damage import CorruptRowsError, OnDamage, refuse
from harness.results.earlier import columns_of, upgraded, version_of
from harness.results.plain_file import read_plain
from harness.results.rows import (
    COLUMNS,
    SCHEMA_VERSION,
    Row,
    canonical_json,
    check_row,
    column_types,
    from_dict,
    short_hash,
    shortened,
    to_dict,
)

if TYPE_CHECKING:
    import pyarrow as pa

CHECKSUM = "checksum"  # of a line's other values
VERSION_KEY, DIGEST_KEY = b"rows_schema_version", b"rows_sha256"  # in the metadata of a Parquet file


def to_line(row: Row) -> bytes:
    """The row as a line of JSON, newline included; raises as `check_row`."""
    check_row(row)
    values = to_dict(row)
    return canonical_json({**values, CHECKSUM: short_hash(values)}).encode() + b"\n"


def read_lines(path: Path, on_damage: OnDamage = refuse) -> list[Row]:
    """The rows of a file of lines, none if it is absent; a last line without its newline is none."""
    try:
        *lines, _torn = read_plain(path).split(b"\n")
    except FileNotFoundError:
        return []
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            rows.append(_parse_line(line))
        except (ValueError, TypeError, RecursionError) as error:
            on_damage(_damaged(f"{path}, line {number} is not a row", error))
    return rows


def _parse_line(line: bytes) -> Row:
    values = json.loads(line.decode())  # not from bytes, which would be guessed to be in other encodings too
    if not isinstance(values, dict):
        raise ValueError(f"it holds {shortened(repr(values))}")
    checksum = values.pop(CHECKSUM, None)
    row = from_dict(upgraded(values))
    if checksum is not None and checksum != short_hash(values):
        raise ValueError(f"its values do not match its {CHECKSUM}")
    check_row(row)
    return row


def write_parquet(rows: list[Row], path: Path) -> None:
    """Writes the rows to a temporary file and renames it, so that `path` is never half a file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    described = schema().with_metadata({VERSION_KEY: str(SCHEMA_VERSION), DIGEST_KEY: rows_digest(rows)})
    table = pa.Table.from_pylist([to_dict(row) for row in rows], schema=described)
    temporary = path.with_name(path.name + ".tmp")
    try:
        with temporary.open("wb") as file:
            pq.write_table(table, file, compression="zstd", write_page_checksum=True)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):  # the first error is the one to tell
            temporary.unlink(missing_ok=True)
        raise


def read_parquet(path: Path, on_damage: OnDamage = refuse) -> list[Row]:
    """The rows of a Parquet file, none if it is absent; of a damaged one, none is believed."""
    import pyarrow as pa

    try:
        data = read_plain(path)
    except FileNotFoundError:
        return []
    try:
        return _decode(data)
    except (pa.ArrowException, OSError, ValueError, TypeError, LookupError, MemoryError) as error:
        on_damage(_damaged(f"{path} is not a file of rows", error))
        return []


def _decode(data: bytes) -> list[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    # From memory: pyarrow closes a file it was given by name only later, on a thread of its own.
    table = pq.read_table(pa.BufferReader(data), page_checksum_verification=True)
    metadata = table.schema.metadata or {}
    columns = columns_of(_version(metadata.get(VERSION_KEY), set(table.column_names)))
    if set(table.column_names) != set(columns):
        raise ValueError(f"its columns are {shortened(', '.join(table.column_names))}")
    described = pa.schema([schema().field(name) for name in columns])
    for wanted in described:
        if not _may_be(table.schema.field(wanted.name).type, wanted):  # a cast would make numbers of texts
            raise ValueError(f"its {wanted.name} are of type {table.schema.field(wanted.name).type}, not {wanted.type}")
    rows = [from_dict(upgraded(values)) for values in table.select(list(columns)).cast(described).to_pylist()]
    for number, row in enumerate(rows, start=1):
        try:
            check_row(row)
        except (ValueError, TypeError) as error:
            raise ValueError(f"row {number}, {error}") from error
    digest = metadata.get(DIGEST_KEY)
    if digest is not None and digest.decode() != rows_digest(rows, columns):
        raise ValueError("its rows do not match their digest")
    return rows


def _may_be(found: pa.DataType, wanted: pa.Field) -> bool:
    """Whether a column of other people's making holds what a column of rows does: nothing at all, or long texts."""
    import pyarrow as pa

    if pa.types.is_null(found):
        return bool(wanted.nullable)
    return bool(found == wanted.type or (pa.types.is_large_string(found) and pa.types.is_string(wanted.type)))


def _version(stated: bytes | None, names: set[str]) -> int:
    """The version a file states; the earliest files state none, and are told by their columns."""
    if stated is None:
        return version_of(names)
    if not stated.isdigit():
        raise ValueError(f"its rows are of version {shortened(repr(stated))}, which is none")
    return int(stated[:9])


def rows_digest(rows: Iterable[Row], columns: Sequence[str] = COLUMNS) -> str:
    """SHA-256 over the canonical JSON of the values of some columns, hex."""
    digest = hashlib.sha256()
    for row in rows:
        values = to_dict(row)
        digest.update(canonical_json([values[name] for name in columns]).encode() + b"\n")
    return digest.hexdigest()


@cache
def schema() -> pa.Schema:
    """The Parquet schema of rows; columns that may hold None are nullable, the others are not."""
    import pyarrow as pa

    arrow: dict[type, Any] = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
    return pa.schema([pa.field(name, arrow[kind], nullable) for name, (kind, nullable) in column_types().items()])


def _damaged(what: str, error: Exception) -> CorruptRowsError:
    reason = " ".join(str(error).split()).removesuffix(".") or type(error).__name__
    remedy = "Nothing is measured over it: mend it, or move it away to measure it again."
    return CorruptRowsError(f"{what}: {shortened(reason, 300)}. {remedy}")
