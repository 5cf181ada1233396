"""How rows lie in files: one line of JSON each while a cell fills, one Parquet file when it is complete.

Both carry digests, because a flipped bit may well decode as another number. A Parquet file's covers every byte and is
compared before anything is decoded. Earlier versions' covers the rows alone; files that people made of rows have none,
and lines of before there were checksums: they are read, and whoever reads is told so. A cell that is completed with
such rows keeps that in mind, lest its own digest vouch for them.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.results.damage import CorruptRowsError, OnDamage, Undigested, refuse
from harness.results.earlier import check_digest, columns_of, upgraded, version_of
from harness.results.plain_file import read_plain
from harness.results.rows import (
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
VERSION_KEY, DIGEST_KEY = b"rows_schema_version", b"rows_file_sha256"  # in the metadata of a Parquet file
UNDIGESTED_KEY = b"rows_without_digest"  # in the metadata of a file with rows that came without one
NO_DIGEST = b"0" * 64  # in the digest's place while it is computed
DIGEST_SINCE = 3  # version of rows
_FEW = 4  # rows that take less room as they are (see `_packing`)
_ABSENT = object()
#: What files state whose columns need no more than their digest compared.
READ_BY_COLUMNS = {b"%d" % version for version in range(DIGEST_SINCE, SCHEMA_VERSION + 1)}


def to_line(row: Row) -> bytes:
    """The row as a line of JSON, newline included; raises as `check_row`."""
    check_row(row)
    return _checked(to_dict(row)) + b"\n"


def _checked(values: Mapping[str, Any]) -> bytes:
    """Values and the checksum over them."""
    return canonical_json({**values, CHECKSUM: short_hash(values)}).encode()


def read_lines(path: Path, on_damage: OnDamage = refuse) -> list[Row]:
    """The rows of a file of lines, none if it is absent; a last line without its newline is none."""
    try:
        *lines, _torn = read_plain(path).split(b"\n")
    except FileNotFoundError:
        return []
    rows, is_digested = [], True
    for number, line in enumerate(lines, start=1):
        try:
            row, has_checksum = _parse_line(line)
        except (ValueError, TypeError, RecursionError) as error:
            on_damage(_damaged(f"{path}, line {number} is not a row", error))
            continue
        rows.append(row)
        is_digested = is_digested and has_checksum
    if not is_digested:
        on_damage(Undigested(path))
    return rows


def _parse_line(line: bytes) -> tuple[Row, bool]:
    """The row of a line, and whether it has a checksum, which is compared."""
    values = json.loads(line.decode())  # not from bytes, which would be guessed to be in other encodings too
    if not isinstance(values, dict):
        raise ValueError(f"it holds {shortened(repr(values))}")
    has_checksum = values.pop(CHECKSUM, _ABSENT) is not _ABSENT
    row = from_dict(upgraded(values))
    # The whole line: another last digit may well stand for the same number.
    if has_checksum and line != _checked(values):
        raise ValueError(f"its values do not match its {CHECKSUM}")
    check_row(row)
    return row, has_checksum


def write_parquet(rows: list[Row], path: Path, *, are_digested: bool = True) -> None:
    """Writes the rows to a temporary file and renames it, so that `path` is never half a file.

    Args:
      are_digested: whether all of them are new, or were read with digests.
    """
    data = encode_rows(rows, are_digested=are_digested)
    temporary = path.with_name(path.name + ".tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):  # the first error is the one to tell
            temporary.unlink(missing_ok=True)
        raise


def encode_rows(rows: list[Row], *, are_digested: bool = True) -> bytes:
    """A Parquet file whose metadata hold the digest of all its bytes but that digest; `write_parquet` has the rest."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pylist([to_dict(row) for row in rows], schema=schema())
    told = {} if are_digested else {UNDIGESTED_KEY: b"1"}
    buffer = pa.BufferOutputStream()
    # Statistics and a second copy of the schema say nothing here and are most of a small file.
    options: dict[str, Any] = {"write_statistics": False, "store_schema": False, **_packing(len(rows))}
    with pq.ParquetWriter(buffer, schema(), **options) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({VERSION_KEY: b"%d" % SCHEMA_VERSION, **told, DIGEST_KEY: NO_DIGEST})
    data: bytes = buffer.getvalue().to_pybytes()
    place = _digest_place(data)
    return data[: place.start] + hashlib.sha256(data).hexdigest().encode() + data[place.stop :]


def _packing(num_rows: int) -> dict[str, Any]:
    """How columns are packed: of a few rows not at all, which is smaller and takes less time."""
    return {"compression": "none", "use_dictionary": False} if num_rows < _FEW else {"compression": "zstd"}


def _digest_place(data: bytes) -> slice:
    """Where a file of rows holds its digest, behind the key and two bytes of the format; empty if it holds none."""
    key = data.rfind(DIGEST_KEY)  # metadata are the last that a file holds
    start = key + len(DIGEST_KEY) + 2
    return slice(start, start + len(NO_DIGEST)) if key >= 0 else slice(0, 0)


def has_digest(data: bytes) -> bool:
    """Whether a file holds its own digest.

    Raises:
      ValueError: if it holds another one.
    """
    place = _digest_place(data)
    found = data[place]
    if found and found != hashlib.sha256(data[: place.start] + NO_DIGEST + data[place.stop :]).hexdigest().encode():
        raise ValueError("its bytes do not match its digest")
    return bool(found)


def read_columns(path: Path, names: Sequence[str]) -> list[tuple[Any, ...]] | None:
    """Some columns of every row of a whole file that carries its digest; None for any other.

    Its bytes are compared with their digest; what they say otherwise is not looked at.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        data = read_plain(path)
        if not has_digest(data):
            return None
        file = pq.ParquetFile(pa.BufferReader(data))
        if (file.schema_arrow.metadata or {}).get(VERSION_KEY) not in READ_BY_COLUMNS:
            return None
        found = file.read(columns=list(names), use_threads=False)
        return list(zip(*(found[name].to_pylist() for name in names), strict=True))
    except (pa.ArrowException, OSError, ValueError, LookupError):
        return None


def is_as_written(path: Path) -> bool:
    """Whether a Parquet file of rows carries a digest, which its bytes are compared with; nothing is decoded.

    Raises:
      CorruptRowsError: if it carries that of other bytes, or cannot be read.
    """
    try:
        return has_digest(read_plain(path))
    except (OSError, ValueError) as error:
        raise _damaged(f"{path} is not a file of rows", error) from error


def count_rows(path: Path) -> int:
    """How many rows a Parquet file says it holds; nothing else of it is decoded.

    Raises:
      CorruptRowsError: if it is no Parquet file, or its bytes do not match their digest.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        data = read_plain(path)
        footer, head = _footer(data), _footer_head()
        if has_digest(data) and footer.startswith(head):
            return _varint(footer[len(head) :]) >> 1  # of a signed number, as Thrift's compact protocol writes it
        return int(pq.read_metadata(pa.BufferReader(data)).num_rows)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _damaged(f"{path} is not a file of rows", error) from error


def _footer(data: bytes) -> bytes:
    return data[-8 - int.from_bytes(data[-8:-4], "little") : -8]


@cache
def _footer_head() -> bytes:
    """What stands before the number of rows in the footer of every file written here: reading it all takes ten times as
    long as reading the file."""
    row = Row(**{name: kind() for name, (kind, _) in column_types().items()})
    one, two = (_footer(encode_rows([row] * number)) for number in (1, 2))
    return bytes(a for a, _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, two, strict=False)))


def _varint(data: bytes) -> int:
    """The number that bytes begin with: seven bits in each, the lowest first, until one has its highest bit unset."""
    number = 0
    for place, byte in enumerate(data[:10]):
        number |= (byte & 127) << (7 * place)
        if byte < 128:
            break
    return number


def read_parquet(path: Path, on_damage: OnDamage = refuse) -> list[Row]:
    """The rows of a Parquet file, none if it is absent; of a damaged one, none is believed."""
    import pyarrow as pa

    try:
        data = read_plain(path)
    except FileNotFoundError:
        return []
    try:
        rows, are_digested = decode_rows(data)
    except (pa.ArrowException, OSError, ValueError, TypeError, LookupError, MemoryError) as error:
        on_damage(_damaged(f"{path} is not a file of rows", error))
        return []
    if not are_digested:
        on_damage(Undigested(path))
    return rows


def decode_rows(data: bytes) -> tuple[list[Row], bool]:
    """The rows of a Parquet file's bytes, and whether all of them were under a digest ever since they were measured.

    Raises:
      pa.ArrowException, OSError, ValueError, TypeError, LookupError, MemoryError: if they are damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    is_whole = has_digest(data)  # before anything is decoded
    # From memory: pyarrow closes a file it was given by name only later, on a thread of its own. Without threads, which
    # cost a cell's small file three times what they save.
    table = pq.ParquetFile(pa.BufferReader(data)).read(use_threads=False)
    metadata = table.schema.metadata or {}
    stated = metadata.get(VERSION_KEY)  # None: people made it of rows, with pandas say
    version = _version(stated, frozenset(table.column_names))
    columns = columns_of(version)
    if stated is not None and version >= DIGEST_SINCE and not is_whole:
        raise ValueError("it has lost its digest")
    if set(table.column_names) != set(columns):
        raise ValueError(f"its columns are {shortened(', '.join(table.column_names))}")
    rows = [from_dict(upgraded(values)) for values in _described(table, columns).to_pylist()]
    for number, row in enumerate(rows, start=1):
        try:
            check_row(row)
        except (ValueError, TypeError) as error:
            raise ValueError(f"row {number}, {error}") from error
    has_any = is_whole or check_digest(metadata, rows, columns)
    return rows, has_any and UNDIGESTED_KEY not in metadata


def _described(table: pa.Table, columns: Sequence[str]) -> pa.Table:
    """Some columns, of the types that rows have; raises ValueError if one is of another."""
    import pyarrow as pa

    if table.schema.equals(schema()):  # all are, and casting takes longer than reading
        return table
    wanted = pa.schema([schema().field(name) for name in columns])
    for field in wanted:
        found = table.schema.field(field.name).type
        if not _may_be(found, field):  # a cast would make numbers of texts
            raise ValueError(f"its {field.name} are of type {found}, not {field.type}")
    return table.select(list(columns)).cast(wanted)


def _may_be(found: pa.DataType, wanted: pa.Field) -> bool:
    """Whether a column of other people's making holds what a column of rows does: nothing at all, or long texts."""
    import pyarrow as pa

    if pa.types.is_null(found):
        return bool(wanted.nullable)
    return bool(found == wanted.type or (pa.types.is_large_string(found) and pa.types.is_string(wanted.type)))


def _version(stated: bytes | None, names: frozenset[str]) -> int:
    """The version a file states; the earliest files state none, and are told by their columns."""
    if stated is None:
        return version_of(names)
    if not stated.isdigit():
        raise ValueError(f"its rows are of version {shortened(repr(stated))}, which is none")
    return int(stated[:9])


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
