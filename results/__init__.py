"""Rows of evaluated episodes: what a run writes, and what a notebook loads and shows.

rows = harness.results.load("runs")       # rows.frame is a table of pandas
harness.results.table(rows)               # one table per suite, as `harness report` has them
"""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from harness.reports.suite_tables import ShownTables
    from harness.results.frames import Rows

__all__ = ["load", "table"]


def load(*paths: str | os.PathLike[str]) -> Rows:
    """The rows under some paths, each file once where paths overlap.

    Args:
      paths: each a folder of runs, a run's folder, or a `.parquet`, `.jsonl` or `.csv` file of rows; none for `runs`.

    Raises:
      FileNotFoundError: if a path does not exist.
      ValueError: if a file is none of rows; `CorruptRowsError`, which is one, if it is damaged.

    Warns:
      UserWarning: if a file has no digest, so that nobody can tell whether its rows were altered.
    """
    from harness.results.damage import Listening, undigested_told
    from harness.results.frames import Rows
    from harness.results.store import load_rows

    # The caller's line is shown: of the frames between, one is this function, two are contextlib's.
    with undigested_told(lambda note: warnings.warn(note.removeprefix("Note: "), stacklevel=5)) as on_damage:
        told = Listening(on_damage)
        rows = load_rows(*(paths or ("runs",)), on_damage=told)
    return Rows(rows, are_digested=not told.undigested)


def table(rows: Rows | pd.DataFrame | str | os.PathLike[str], *, suite: str | None = None) -> ShownTables:
    """The tables of some rows, one per suite, as a notebook shows them: HTML, or plain text by `print`.

    Args:
      rows: as from `load`, a table of pandas that holds rows, or a path for `load`.
      suite: only this one.

    Raises:
      FileNotFoundError, ValueError, TypeError: as `load` and `harness.results.frames.Rows.from_pandas`.
    """
    # A notebook's way in, as the command line is a shell's: what both are asked is answered by the same code.
    from harness.cli import suite_facts
    from harness.reports.suite_tables import ShownTables, suite_tables

    frame = _frame(rows)
    if suite is not None:
        frame = frame[(frame["suite"] == suite).to_numpy()]
    if frame.empty:
        raise ValueError("There are no rows" + (f" of suite '{suite}'." if suite is not None else "."))
    return ShownTables(suite_tables(frame, suite_facts(map(str, frame["suite"].unique()), ())))


def _frame(rows: Rows | pd.DataFrame | str | os.PathLike[str]) -> pd.DataFrame:
    from harness.results.frames import Rows

    if isinstance(rows, str | os.PathLike):
        return load(rows).frame
    return rows.frame if isinstance(rows, Rows) else Rows.from_pandas(rows).frame
