"""Rows between pandas and this program, and rows as an object that a notebook shows."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.results.csv_rows import rows_to_csv
from harness.results.earlier import upgraded
from harness.results.row_files import encode_rows
from harness.results.rows import Row, check_row, column_types, from_dict

if TYPE_CHECKING:
    import pandas as pd

PANDAS = {"str": "str", "int": "int64", "int | None": "Int64", "float": "float64", "bool | None": "boolean"}
_GROUP = ["suite", "task", "setting", "agent", "origin"]


def frame_of(rows: Sequence[Row]) -> pd.DataFrame:
    """One line per row with the columns of `Row`; `success` is a nullable boolean, `train_seed` a nullable integer."""
    import pandas as pd

    columns = {
        field.name: pd.Series([getattr(row, field.name) for row in rows], dtype=PANDAS[str(field.type)])
        for field in fields(Row)
    }
    return pd.DataFrame(columns)


def rows_of(frame: pd.DataFrame) -> list[Row]:
    """The rows that a table of pandas holds, in its order; columns that earlier versions lack may be absent.

    Raises:
      ValueError, TypeError: if a column is missing or unknown, or a value is none of a row's; the message says where.
    """
    types = column_types()
    columns = {str(name): _plain(frame[name], *types.get(str(name), (str, False))) for name in frame.columns}
    rows = []
    for number in range(len(frame)):
        row = from_dict(upgraded({name: values[number] for name, values in columns.items()}))
        try:
            check_row(row)
        except (ValueError, TypeError) as error:
            raise type(error)(f"Row {number}: {error}") from error
        rows.append(row)
    return rows


def _plain(column: pd.Series, kind: type, nullable: bool) -> list[Any]:
    """A column's values as plain Python ones, where nothing is lost by that."""
    values = [None if _is_absent(value) and nullable else value for value in column.astype(object).tolist()]
    return [_as(kind)(value) for value in values]


def _as(kind: type) -> Callable[[Any], Any]:
    def convert(value: Any) -> Any:
        if kind is int and isinstance(value, float) and value.is_integer():
            return int(value)  # pandas makes floats of integers beside an absent one
        if kind is float and type(value) is int:
            return float(value)
        plain = value.item() if hasattr(value, "item") else value
        return convert(plain) if plain is not value else value

    return convert


def _is_absent(value: Any) -> bool:
    import pandas as pd

    return value is None or value is pd.NA or (isinstance(value, float) and value != value)


class Rows:
    """Rows of evaluated episodes: a table of pandas in `frame`, written and shown in one line each.

    Attributes:
      frame: one line per episode, as of `frame_of`; what it is made of is not checked again when it is changed.
      are_digested: whether all rows were under a digest ever since they were measured; a file of them says so.
    """

    def __init__(self, frame: pd.DataFrame, *, are_digested: bool = False) -> None:
        self.frame = frame
        self.are_digested = are_digested

    @classmethod
    def from_pandas(cls, frame: pd.DataFrame) -> Rows:
        """Takes a table of pandas.

        Raises:
          ValueError, TypeError: as `rows_of`.
        """
        return cls(frame_of(rows_of(frame)))

    def to_pandas(self) -> pd.DataFrame:
        """A copy of the table."""
        return self.frame.copy()

    def rows(self) -> list[Row]:
        """The rows themselves.

        Raises:
          ValueError, TypeError: as `rows_of`.
        """
        return rows_of(self.frame)

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Writes a CSV file that `harness.results.load` reads back, equal in every value.

        Raises:
          ValueError, TypeError: as `rows_of`.
          OSError: if it cannot be written.
        """
        Path(path).write_text(rows_to_csv(self.rows()), encoding="utf-8", newline="")

    def to_parquet(self, path: str | os.PathLike[str]) -> None:
        """Writes a Parquet file that `harness.results.load` reads back; its digest vouches for rows that had one.

        Raises:
          ValueError, TypeError: as `rows_of`.
          OSError: if it cannot be written.
        """
        Path(path).write_bytes(encode_rows(self.rows(), are_digested=self.are_digested))

    def __len__(self) -> int:
        return len(self.frame)

    def __repr__(self) -> str:
        return f"{len(self)} episodes\n{self.summary()}"

    def _repr_html_(self) -> str:
        """For a notebook: what there is, one line per cell of a table."""
        return f"<p>{len(self)} episodes</p>{self.summary().to_html(escape=True, index=False)}"

    def summary(self) -> pd.DataFrame:
        """Per suite, task, setting, agent and origin: how many episodes and seeds, and the mean outcome."""
        groups = self.frame.groupby(_GROUP, observed=True, sort=False, dropna=False)
        found = groups.agg(
            episodes=("episode", "size"),
            seeds=("train_seed", "nunique"),
            mean_return=("episode_return", "mean"),
            success_rate=("success", "mean"),
        )
        return shown(found.reset_index())


def shown(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with every text from outside safe to show."""
    from harness.results.text import escaped

    texts = [name for name in frame.columns if name in _GROUP]
    return frame.assign(**{name: [escaped(value) for value in frame[name]] for name in texts})
