"""Keeps rows on disk so that a kill at any moment loses at most the episode under way.

A cell is what one run measured for one (task, setting, train_seed). While it fills, each episode is one line of JSON,
written in one piece and flushed to disk; once complete, the cell becomes one Parquet file. A line counts only with its
newline: what a kill left without one is no row, and the next append cuts it off.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import EllipsisType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from harness.results.csv_rows import read_csv
from harness.results.damage import CorruptRowsError, OnDamage, Undigested, refuse
from harness.results.frames import frame_of
from harness.results.row_files import (
    count_rows,
    is_as_written,
    read_columns,
    read_lines,
    read_parquet,
    to_line,
    write_parquet,
)
from harness.results.rows import Row, check_row

if TYPE_CHECKING:
    import pandas as pd

Cell = tuple[str, str, int | None]  # task, setting, train_seed

_PLACE = ("task", "setting", "train_seed")
_LONGEST_NAME = 255  # bytes, of a file on every usual file system
_FILE_NAME = re.compile(r"(?P<task>[^+]*)\+(?P<setting>[^+]*)\+seed(?P<seed>none|-?\d+)\.(jsonl|parquet)")


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
        line = to_line(row)
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
        self,
        task: str | None = None,
        setting: str | None = None,
        train_seed: int | EllipsisType | None = ...,
        *,
        on_damage: OnDamage = refuse,
    ) -> list[Row]:
        """The stored rows, sorted by task, setting, train_seed and episode, each episode once.

        Args:
          task: only of this task; None for all.
          setting: only of this setting; None for all.
          train_seed: only of this seed, where None means rows without one; `...` for all.
          on_damage: told of every damaged line or file, which is then left out; by default it is raised. Also told of
            every file without a digest, which is read.

        Raises:
          CorruptRowsError: if a stored file is damaged.
        """
        if task is not None and setting is not None and not isinstance(train_seed, EllipsisType):
            return self._read(
                (task, setting, train_seed), on_damage
            )  # one cell: its files have names, nothing is listed
        wanted = [
            cell
            for cell in self.cells()
            if task in (None, cell[0]) and setting in (None, cell[1]) and train_seed in (..., cell[2])
        ]
        return [row for cell in wanted for row in self._read(cell, on_damage)]

    def cells(self) -> list[Cell]:
        """Every cell with a file, sorted."""
        found = {cell for path in _listed(self.folder) if (cell := _parse(path)) is not None}
        return sorted(found, key=_cell_order)

    def episodes(self, task: str, setting: str, train_seed: int | None, *, run_id: str | None = None) -> set[int]:
        """Which episodes of a cell are stored.

        Args:
          run_id: whose rows they must be; None if that does not matter.

        Raises:
          CorruptRowsError: if a stored file is damaged, or holds rows of another run.
        """
        found = self.values(task, setting, train_seed, ["episode", "run_id"])
        for _, other in found:
            if run_id not in (None, other):
                cell = (task, setting, train_seed)
                where = self.complete_file(*cell) or self._path(cell, "jsonl")
                raise CorruptRowsError(f"{where} holds rows of another run, {other}: move it away.")
        return {episode for episode, _ in found}

    def values(self, task: str, setting: str, train_seed: int | None, columns: Sequence[str]) -> list[tuple[Any, ...]]:
        """Some columns of a cell's rows, sorted by episode; of a complete cell nothing else is decoded.

        Raises:
          CorruptRowsError: if a stored file is damaged.
        """
        cell, path = (task, setting, train_seed), self.complete_file(task, setting, train_seed)
        found = None if path is None else read_columns(path, [*_PLACE, *columns])
        if found and {row[:3] for row in found} == {cell}:
            return [row[len(_PLACE) :] for row in found]
        return [tuple(getattr(row, name) for name in columns) for row in self._read(cell)]

    def count(self, task: str, setting: str, train_seed: int | None) -> int:
        """How many episodes of a cell are stored, without reading them where they are in one file; for a quick look.

        Raises:
          CorruptRowsError: if a stored file is damaged.
        """
        if (path := self.complete_file(task, setting, train_seed)) is not None:
            return count_rows(path)
        return len(self.episodes(task, setting, train_seed))

    def is_as_written(self, task: str, setting: str, train_seed: int | None) -> bool:
        """Whether the cell is complete and its file has the digest of its bytes; nothing is decoded.

        Raises:
          CorruptRowsError: if it is damaged.
        """
        path = self.complete_file(task, setting, train_seed)
        return path is not None and is_as_written(path)

    def is_complete(self, task: str, setting: str, train_seed: int | None) -> bool:
        """Whether the cell was completed and nothing was added since."""
        return self.complete_file(task, setting, train_seed) is not None

    def complete_file(self, task: str, setting: str, train_seed: int | None) -> Path | None:
        """The one file that holds a cell which was completed and to which nothing was added since."""
        cell = (task, setting, train_seed)
        path = self._path(cell, "parquet")
        return path if path.exists() and not self._path(cell, "jsonl").exists() else None

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
        found: list[CorruptRowsError | Undigested] = []
        rows = self._read(cell, found.append)
        for each in found:
            refuse(each)
        if not rows:
            raise ValueError(f"Cell {cell} in {self.folder} has no rows to complete.")
        write_parquet(rows, self._path(cell, "parquet"), are_digested=not found)
        self._path(cell, "jsonl").unlink(missing_ok=True)
        _sync_folder(self.folder)

    def replace(self, task: str, setting: str, train_seed: int | None, rows: list[Row]) -> None:
        """Puts other rows in the place of a cell's, as one file; a kill in between leaves the old rows or the new.

        Raises:
          TypeError, ValueError, OSError: as `append`.
        """
        cell = (task, setting, train_seed)
        for row in rows:
            check_row(row)
        before: list[CorruptRowsError | Undigested] = []
        self._read(cell, before.append)
        are_digested = not any(isinstance(found, Undigested) for found in before)
        write_parquet(rows, self._path(cell, "parquet"), are_digested=are_digested)
        self._path(cell, "jsonl").unlink(missing_ok=True)  # of two rows of one episode the Parquet file's counts
        _sync_folder(self.folder)

    def _path(self, cell: Cell, suffix: str) -> Path:
        return self.folder / f"{_stem(cell)}.{suffix}"

    def _read(self, cell: Cell, on_damage: OnDamage = refuse) -> list[Row]:
        # The lines are read first: should the writer complete the cell meanwhile, its rows are in the Parquet file.
        lines = self._belonging(cell, "jsonl", read_lines, on_damage)
        by_episode: dict[int, Row] = {}
        for row in (*self._belonging(cell, "parquet", read_parquet, on_damage), *lines):
            by_episode.setdefault(row.episode, row)  # the first wins
        return [by_episode[episode] for episode in sorted(by_episode)]

    def _belonging(
        self, cell: Cell, suffix: str, read: Callable[[Path, OnDamage], list[Row]], on_damage: OnDamage
    ) -> list[Row]:
        """The rows of one of a cell's files, all of this cell."""
        path = self._path(cell, suffix)
        rows = read(path, on_damage)
        for row in rows:
            if _cell(row) != cell:
                on_damage(
                    CorruptRowsError(
                        f"{path} has a name of another cell than its row of episode {row.episode}, which is of "
                        f"{row.task}, {row.setting}, seed {row.train_seed}: give the file its own name or move it away."
                    )
                )
                return []
        return rows


def load_rows(*paths: str | os.PathLike[str], on_damage: OnDamage = refuse) -> pd.DataFrame:
    """The rows under some paths as one table, without repeats where paths overlap.

    Args:
      paths: each a folder of runs, a run's folder, its `rows` folder, or a `.parquet`, `.jsonl` or `.csv` file of rows.
      on_damage: as for `RowStore.rows`.

    Returns:
      As `harness.results.frames.frame_of`.

    Raises:
      FileNotFoundError: if a path does not exist.
      CorruptRowsError: if a stored file is damaged.
    """
    return frame_of([row for source in dict.fromkeys(sources(paths)) for row in _load(source, on_damage)])


def sources(paths: Iterable[str | os.PathLike[str]]) -> Iterator[Path]:
    """The files and folders of rows that the paths lead to."""
    for path in map(Path, paths):
        if not path.exists():
            raise FileNotFoundError(f"No rows at {path}: no such file or folder.")
        if path.is_file():
            yield path.resolve()
        else:
            folders = (path, path / "rows", *sorted(path.glob("*/rows")))
            yield from (folder.resolve() for folder in folders if any(map(_parse, _listed(folder))))


def _load(source: Path, on_damage: OnDamage) -> list[Row]:
    return RowStore(source).rows(on_damage=on_damage) if source.is_dir() else read_file(source, on_damage)


def read_file(source: Path, on_damage: OnDamage = refuse) -> list[Row]:
    """The rows of one file, in its order.

    Raises:
      ValueError: if its name ends in none of .parquet, .jsonl and .csv.
      CorruptRowsError: if it is damaged.
    """
    readers = {".parquet": read_parquet, ".jsonl": read_lines, ".csv": read_csv}
    if source.suffix not in readers:
        raise ValueError(f"{source} is not a file of rows: expected .parquet, .jsonl or .csv.")
    return readers[source.suffix](source, on_damage)


@functools.lru_cache(maxsize=1024)  # a cell's name is asked for ten times while it fills and is closed
def is_name(task: str, setting: str) -> bool:
    """Whether a cell of such names can be kept: a file's name has at most 255 bytes, and quoting makes three of one."""
    return len(f"{_stem((task, setting, 2**63))}.parquet.tmp") <= _LONGEST_NAME


def _stem(cell: Cell) -> str:
    """What the names of a cell's files begin with."""
    task, setting, train_seed = cell
    seed = "none" if train_seed is None else str(train_seed)
    return f"{quote(task, safe='')}+{quote(setting, safe='')}+seed{seed}"


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


def _sync_folder(folder: Path) -> None:
    """Makes new names in a folder survive a power cut."""
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
