"""The tables of rows of any number of suites, one each, and how a notebook shows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.reports.filling import build_table, expected_from_rows
from harness.reports.leaderboard import SuiteFacts
from harness.reports.render import render
from harness.reports.table import Table

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class ShownTables:
    """Tables as a notebook shows them; `str()` is plain text.

    Attributes:
      tables: by suite.
    """

    tables: Mapping[str, Table]

    def text(self, fmt: str = "text") -> str:
        """All of them in a format of `harness.reports.render.render`.

        Raises:
          ValueError: if there is no such format.
        """
        return "\n\n".join(render(table, fmt) for table in self.tables.values())

    def __str__(self) -> str:
        return self.text()

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self.text("html")


def suite_tables(rows: pd.DataFrame, facts: Mapping[str, SuiteFacts]) -> dict[str, Table]:
    """By suite, the table of its rows.

    Args:
      rows: as from `harness.results.store.load_rows`.
      facts: by suite; suites without any are described by their rows.
    """
    suites = sorted(map(str, rows["suite"].unique()))
    return {suite: _table(rows[(rows["suite"] == suite).to_numpy()], facts.get(suite)) for suite in suites}


def _table(rows: pd.DataFrame, facts: SuiteFacts | None) -> Table:
    if facts is None:
        return build_table(rows, expected_from_rows(rows))
    expected = expected_from_rows(
        rows,
        train_setting=facts.train_setting,
        metric=facts.metric,
        published_suite=facts.published_suite,
        published_note=facts.published_note,
    )
    return build_table(rows, expected)
