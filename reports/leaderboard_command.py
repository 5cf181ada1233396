"""What `harness leaderboard` does with rows: filters them, builds the leaderboard, shows it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.reports import run_pages
from harness.reports.board_data import as_csv, as_json
from harness.reports.board_sheets import leaderboard_sheets
from harness.reports.leaderboard import Leaderboard
from harness.reports.ranking import COLUMNS
from harness.reports.run_sources import sources_of
from harness.reports.sheets import FORMATS, show
from harness.reports.site import Site, build_site
from harness.reports.submissions import FINGERPRINT, RulesOf, Submissions, judge, rows_of
from harness.results.columns import load_columns
from harness.results.damage import OnDamage, Undigested, refuse
from harness.results.submission import submissions_in
from harness.results.text import escaped

if TYPE_CHECKING:
    import pandas as pd

ALL_FORMATS = (*FORMATS, "csv", "json")


def check_format(fmt: str, formats: Sequence[str] = ALL_FORMATS) -> str:
    """Returns the name of a format if it exists.

    Raises:
      ValueError: otherwise.
    """
    if fmt not in formats:
        raise ValueError(f"Unknown format '{escaped(fmt)}'. Formats: {', '.join(formats)}.")
    return fmt


def load_selected(
    paths: Sequence[Path],
    wanted: Mapping[str, Sequence[str]],
    *,
    columns: Sequence[str] = COLUMNS,
    on_damage: OnDamage = refuse,
) -> pd.DataFrame:
    """Rows of some suites, tasks and settings.

    Args:
      paths: as for `harness.results.store.load_rows`.
      wanted: by the column ("suite", "task", "setting"), the values to keep; none for all.
      columns: which are read.
      on_damage: as for `load_rows`.

    Raises:
      FileNotFoundError: if a path does not exist.
      ValueError: if there are no rows, or a wanted value is in none of them.
    """
    return select(load_columns(*paths, columns=columns, on_damage=on_damage), paths, wanted)


def select(rows: pd.DataFrame, paths: Sequence[Path], wanted: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """The rows of some suites, tasks and settings among those of some paths.

    Raises:
      ValueError: as `load_selected`.
    """
    if rows.empty:
        where = ", ".join(escaped(path) for path in paths)
        raise ValueError(f"No rows in {where}: nothing has been measured there yet (harness run measures).")
    for column, values in wanted.items():
        there = sorted(map(str, rows[column].unique()))
        for value in values:
            if value not in there:
                raise ValueError(_absent(column, value, there))
        if values:
            rows = rows[rows[column].isin(list(values)).to_numpy()]
    if rows.empty:
        told = " and ".join(f"{column} {'/'.join(values)}" for column, values in wanted.items() if values)
        raise ValueError(f"No rows of {escaped(told)} together.")
    return rows


@dataclass(frozen=True)
class Loaded:
    """What a leaderboard is made of: rows of runs and of submissions.

    Attributes:
      rows: with the columns of a leaderboard, and of the pages of runs.
      paths: of runs.
      submissions: that were found among the paths.
    """

    rows: pd.DataFrame
    paths: tuple[Path, ...]
    submissions: Submissions


def load_with_submissions(
    paths: Sequence[Path],
    wanted: Mapping[str, Sequence[str]],
    rules_of: RulesOf,
    *,
    for_pages: bool = True,
    on_damage: OnDamage = refuse,
) -> Loaded:
    """Rows as of `load_selected`, and those of the submissions that are named or lie in named folders.

    Args:
      rules_of: what is known of a suite.
      for_pages: whether to read what the pages of runs show; a trajectory per row is much for rows by the million.

    Raises:
      FileNotFoundError, ValueError: as `load_selected`.
    """
    import pandas as pd

    files = submissions_in(paths)
    runs = tuple(path for path in paths if path not in files)
    more = (*(run_pages.COLUMNS if for_pages or files else ()), *(FINGERPRINT if files else ()))
    columns = list(dict.fromkeys([*COLUMNS, *more]))
    measured = load_columns(*runs, columns=columns, on_damage=on_damage)
    found = judge(files, rules_of, measured if files else None)
    rows = measured
    for each in found.accepted:
        if not each.submission.are_digested:
            on_damage(Undigested(each.path))
    if found.accepted:  # else rows by the million are not copied
        parts = [measured, rows_of(found.accepted)[columns]]
        rows = pd.concat([part for part in parts if len(part)], ignore_index=True)
    if rows.empty and found.refused:
        raise ValueError(f"{found.refused[0].path.name} is refused: {found.refused[0].reason}.")
    return Loaded(select(rows, paths, wanted), runs, found)


def site_pages(loaded: Loaded, found: Leaderboard) -> dict[str, str]:
    """The pages of a site, by the names of their files."""
    sources = sources_of(loaded.rows, loaded.paths, loaded.submissions.accepted)
    return build_site(Site(found, loaded.rows, sources, loaded.submissions.refused))


def show_leaderboard(found: Leaderboard, fmt: str, *, why: bool = False, width: int | None = None) -> str:
    """The leaderboard in one of `ALL_FORMATS`; with `why`, only what keeps its columns and boards apart."""
    if why:
        return "\n".join(map(escaped, found.why)) or "Nothing is kept apart: all rows of an agent were measured alike."
    if fmt == "json":
        return as_json(found)
    if fmt == "csv":
        return as_csv(found)
    return show(leaderboard_sheets(found), fmt, title="Leaderboard", width=width)


def _absent(column: str, value: str, there: Sequence[str]) -> str:
    near = difflib.get_close_matches(value, there, n=1, cutoff=0.5)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    shown = ", ".join(there[:20]) + (f", … ({len(there)} in all)" if len(there) > 20 else "")
    return escaped(f"No rows of {column} '{value}'.{hint} There are: {shown}.")
