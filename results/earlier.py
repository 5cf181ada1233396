"""Rows that earlier versions of this program wrote: read for ever, with what they did not record left empty."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.results.rows import COLUMNS, SCHEMA_VERSION, Row, canonical_json, to_dict

# By the version that brought it, each column that earlier rows lack, with the value that says it was not recorded.
_ADDED: dict[int, dict[str, Any]] = {2: {"trajectory": ""}, 4: {"origin": ""}}
DIGEST_KEY = b"rows_sha256"  # of the rows of a Parquet file before version 3, whose digest is over all its bytes


@functools.cache
def columns_of(version: int) -> tuple[str, ...]:
    """The columns of the rows of a version, in order.

    Raises:
      ValueError: if there is no such version, or it is a later one.
    """
    if not 1 <= version <= SCHEMA_VERSION:
        raise ValueError(f"its rows are of version {version}, and this program reads 1 to {SCHEMA_VERSION}")
    later = {name for added, columns in _ADDED.items() if added > version for name in columns}
    return tuple(name for name in COLUMNS if name not in later)


@functools.lru_cache(maxsize=64)  # every row of a file asks
def version_of(names: frozenset[str]) -> int:
    """Which version's rows have these columns; the present one if none has."""
    versions = range(1, SCHEMA_VERSION + 1)
    return next((version for version in versions if set(columns_of(version)) == names), SCHEMA_VERSION)


def check_digest(metadata: Mapping[bytes, bytes], rows: Iterable[Row], columns: Sequence[str]) -> bool:
    """Compares the rows of a Parquet file of an earlier version with their digest; False if it has none.

    Raises:
      ValueError: if they differ.
    """
    digest = hashlib.sha256()
    for row in rows:
        values = to_dict(row)
        digest.update(canonical_json([values[name] for name in columns]).encode() + b"\n")
    if metadata.get(DIGEST_KEY, digest.hexdigest().encode()) != digest.hexdigest().encode():
        raise ValueError("its rows do not match their digest")
    return DIGEST_KEY in metadata


def added_since(version: int) -> dict[str, Any]:
    """The columns that rows of a version lack, with the values that say so."""
    return {name: value for v, columns in _ADDED.items() if v > version for name, value in columns.items()}


def upgraded(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a row of any version as one of the present version; others are left as they are."""
    return {**values, **added_since(version_of(frozenset(values)))}
