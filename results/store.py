"""Keeps rows on disk so that a kill at any moment loses at most the episode under way.

A cell is what one run measured for one (task, setting, train_seed). While it fills, each episode is one line of JSON,
written in one piece and flushed to disk; once complete, the cell becomes one Parquet file. A line counts only with its
newline: what a kill left without one is no row, and the next append cuts it off.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import fields
from functools import cache
from pathlib import Path
from types import EllipsisType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from harness.results.rows import COLUMNS, SCHEMA_VERSION, Row, canonical_json, from_dict, to_dict

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Cell = tuple[str, str, int | None]  # task, setting, train_seed

_TYPES: dict[str, tuple[type, bool]] = {  # annotation in Row -> (exact type, may be None)
    "str": (str, False),
    "int": (int, False),
    "int | None": (int, True),
    "float": (float, False),
    "bool | None": (bool, True),
}
_PANDAS = {"str": "str", "int": "int64", "int | None": "Int64", "float": "float64", "bool | None": "boolean"}
_FILE_NAME = re.compile(r"(?P<task>[^+]*)\+(?P<setting>[^+]*)\+seed(?P<seed>none|-?\d+)\.(jsonl|parquet)")
_INT64 = range(-(2**63), 2**63)


class CorruptRowsError(ValueError):
    """A file of rows was damaged after it had been written; the message says where."""

    exit_code = 1  # of the command line


class RowStore:
    """The rows of one run, in one folder; one writer per cell at a time, any number of readers."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        """Opens the folder; it is made at the first append."""
        self.folder = Path(folder)

    def append(self, row: Row) -> None:
        """Adds one episode; on return it is on disk.

        Raises:
          TypeError: if a value is not of its column's plain Python type (numpy scalars are not).
          ValueError: if a number does not fit: a return that is not finite, an integer beyond 64 bits.
          OSError: as the file system raised it, a full disk for one; earlier rows stay readable.
        """
        _check(row)
        line = canonical_json(to_dict(row)).encode() + b"\n"
        path = self._path(_cell(row), "jsonl")
        self.folder.mkdir(parents=True, exist_ok=True)
        is_new = not path.exists()
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            _cut_torn_line(file)
            _write(file, line)
            os.fsync(file)
        finally:
            os.close(file)
        if is_new:
            _sync_folder(self.folder)

    def rows(
        self, task: str | None = None, setting: str | None = None, train_seed: int | EllipsisType | None = ...
    ) -> list[Row]:
        """The stored rows, sorted by task, setting, train_seed and episode, each episode once.

        Args:
          task: only of this task; None for all.
          setting: only of this setting; None for all.
          train_seed: only of this seed, where None means rows without one; `...` for all.

        Raises:
          CorruptRowsError: if a stored file is damaged.
        """
        wanted = [
            cell
            for cell in self.cells()
            if task in (None, cell[0]) and setting in (None, cell[1]) and train_seed in (..., cell[2])
        ]
        return [row for cell in wanted for row in self._read(cell)]

    def cells(self) -> list[Cell]:
        """Every cell with a file, sorted."""
        found = {cell for path in _listed(self.folder) if (cell := _parse(path)) is not None}
        return sorted(found, key=_cell_order)

    def episodes(self, task: str, setting: str, train_seed: int | None) -> set[int]:
        """Which episodes of a cell are stored."""
        return {row.episode for row in self._read((task, setting, train_seed))}

    def is_complete(self, task: str, setting: str, train_seed: int | None) -> bool:
        """Whether the cell was completed and nothing was added since."""
        cell = (task, setting, train_seed)
        return self._path(cell, "parquet").exists() and not self._path(cell, "jsonl").exists()

    def complete(self, task: str, setting: str, train_seed: int | None) -> None:
        """Turns a cell into one Parquet file, sorted by episode; doing it again changes nothing.

        A kill in between leaves both files or the old one: readers see the same rows either way. Episodes appended
        later are merged by the next call.

        Raises:
          ValueError: if the cell has no rows.
          OSError: as the file system raised it; the rows stay where they were.
        """
        cell = (task, setting, train_seed)
        if self.is_complete(*cell):
            return
        rows = self._read(cell)
        if not rows:
            raise ValueError(f"Cell {cell} in {self.folder} has no rows to complete.")
        _write_parquet(rows, self._path(cell, "parquet"))
        self._path(cell, "jsonl").unlink(missing_ok=True)
        _sync_folder(self.folder)

    def _path(self, cell: Cell, suffix: str) -> Path:
        task, setting, train_seed = cell
        seed = "none" if train_seed is None else str(train_seed)
        return self.folder / f"{quote(task, safe='')}+{quote(setting, safe='')}+seed{seed}.{suffix}"

    def _read(self, cell: Cell) -> list[Row]:
        # The lines are read first: should the writer complete the cell meanwhile, its rows are in the Parquet file.
        lines = _read_lines(self._path(cell, "jsonl"))
        by_episode: dict[int, Row] = {}
        for row in (*_read_parquet(self._path(cell, "parquet")), *lines):
            by_episode.setdefault(row.episode, row)  # the first wins
        return [by_episode[episode] for episode in sorted(by_episode)]


def load_rows(*paths: str | os.PathLike[str]) -> pd.DataFrame:
    """The rows under some paths as one table, without repeats where paths overlap.

    Args:
      paths: each a folder of runs, a run's folder, its `rows` folder, or one `.parquet` or `.jsonl` file of rows.

    Returns:
      One line per episode with the columns of `Row`; `success` is a nullable boolean, `train_seed` a nullable integer.

    Raises:
      FileNotFoundError: if a path does not exist.
      CorruptRowsError: if a stored file is damaged.
    """
    import pandas as pd

    rows = [row for source in dict.fromkeys(_sources(paths)) for row in _load(source)]
    columns = {
        field.name: pd.Series([getattr(row, field.name) for row in rows], dtype=_PANDAS[str(field.type)])
        for field in fields(Row)
    }
    return pd.DataFrame(columns)


def _sources(paths: Iterable[str | os.PathLike[str]]) -> Iterator[Path]:
    """The files and folders of rows that the paths lead to."""
    for path in map(Path, paths):
        if not path.exists():
            raise FileNotFoundError(f"No rows at {path}: no such file or folder.")
        if path.is_file():
            yield path.resolve()
        else:
            folders = (path, path / "rows", *sorted(path.glob("*/rows")))
            yield from (folder.resolve() for folder in folders if any(map(_parse, _listed(folder))))


def _load(source: Path) -> list[Row]:
    if source.is_dir():
        return RowStore(source).rows()
    if source.suffix not in (".parquet", ".jsonl"):
        raise ValueError(f"{source} is not a file of rows: expected .parquet or .jsonl.")
    return _read_parquet(source) if source.suffix == ".parquet" else _read_lines(source)


def _cell(row: Row) -> Cell:
    return (row.task, row.setting, row.train_seed)


def _cell_order(cell: Cell) -> tuple[str, str, bool, int]:
    task, setting, train_seed = cell
    return (task, setting, train_seed is not None, 0 if train_seed is None else train_seed)


def _listed(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _parse(path: Path) -> Cell | None:
    """The cell a file name stands for; None for other files, such as a half-written one."""
    match = _FILE_NAME.fullmatch(path.name)
    if match is None:
        return None
    seed = match["seed"]
    return (unquote(match["task"]), unquote(match["setting"]), None if seed == "none" else int(seed))


def _check(row: Row) -> None:
    """Refuses what would not come back from disk as it went in."""
    for field in fields(Row):
        value = getattr(row, field.name)
        exact, nullable = _TYPES[str(field.type)]
        if type(value) is not exact and not (nullable and value is None):
            raise TypeError(f"Row.{field.name} must be {field.type}, not {type(value).__name__} ({value!r}).")
        if exact is int and value is not None and value not in _INT64:
            raise ValueError(f"Row.{field.name} does not fit 64 bits: {value}.")
    if not math.isfinite(row.episode_return):
        raise ValueError(
            f"Episode {row.episode} of {_cell(row)} has a return that is not finite: {row.episode_return}."
        )


def _cut_torn_line(file: int) -> None:
    """Cuts what a killed writer left behind the last newline."""
    size = os.fstat(file).st_size
    if size and os.pread(file, 1, size - 1) != b"\n":
        os.ftruncate(file, os.pread(file, size, 0).rfind(b"\n") + 1)


def _write(file: int, line: bytes) -> None:
    """Writes the line in one piece; a file system that takes only a part is asked for the rest."""
    written = os.write(file, line)
    while written < len(line):  # a disk about to be full: the next write raises ENOSPC
        written += os.write(file, line[written:])


def _read_lines(path: Path) -> list[Row]:
    """The rows of a file of JSON lines; a last line without its newline is none."""
    try:
        *lines, _torn = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    return [_parse_line(line, path, number) for number, line in enumerate(lines, start=1)]


def _parse_line(line: bytes, path: Path, number: int) -> Row:
    try:
        row = from_dict(json.loads(line))
        _check(row)
    except (ValueError, TypeError) as error:
        raise CorruptRowsError(f"{path}, line {number} is not a row: {error}") from error
    return row


def _write_parquet(rows: list[Row], path: Path) -> None:
    """Writes the rows to a temporary file and renames it, so that `path` is never half a file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pylist([to_dict(row) for row in rows], schema=schema())
    temporary = path.with_name(path.name + ".tmp")
    try:
        with temporary.open("wb") as file:
            pq.write_table(table, file, compression="zstd")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):  # the first error is the one to tell
            temporary.unlink(missing_ok=True)
        raise


def _read_parquet(path: Path) -> list[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.exists():
        return []
    try:
        # From memory: pyarrow closes a file it was given by name only later, on a thread of its own.
        table = pq.read_table(pa.BufferReader(path.read_bytes()))
        if set(table.column_names) != set(COLUMNS):
            raise ValueError(f"its columns are {table.column_names}")
        return [from_dict(values) for values in table.select(list(COLUMNS)).cast(schema()).to_pylist()]
    except (pa.ArrowException, ValueError) as error:
        raise CorruptRowsError(f"{path} is not a file of rows: {error}") from error


@cache
def schema() -> pa.Schema:
    """The Parquet schema of rows; columns that may hold None are nullable, the others are not."""
    import pyarrow as pa

    arrow: dict[type, Any] = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
    columns = [pa.field(f.name, arrow[_TYPES[str(f.type)][0]], _TYPES[str(f.type)][1]) for f in fields(Row)]
    return pa.schema(columns, metadata={"rows_schema_version": str(SCHEMA_VERSION)})


def _sync_folder(folder: Path) -> None:
    """Makes new names in a folder survive a power cut."""
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
