"""What `harness check` and `harness baseline save` do with rows: find both sides, ask the gate, show its answer."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.reports.gate import EXIT_STATUS, Gate, GateError
from harness.reports.gate_sides import COLUMNS, side_of, tables_of
from harness.reports.leaderboard_command import load_selected, select
from harness.results.baseline_file import SUFFIX, read_baseline, write_baseline
from harness.results.damage import OnDamage, refuse
from harness.results.frames import frame_of
from harness.results.rows import Row
from harness.results.store import RowStore, read_file, sources
from harness.results.text import escaped

if TYPE_CHECKING:
    import pandas as pd

INCONCLUSIVE = {"": 3, "pass": 0, "fail": 1}
MOST = 1_000_000


def load_side(paths: Sequence[Path], wanted: Mapping[str, Sequence[str]], on_damage: OnDamage = refuse) -> pd.DataFrame:
    """Rows of one side: of runs, of files of rows, or of a frozen baseline.

    Args:
      paths: where they are; a frozen baseline is one file that ends in .json.
      wanted: as for `load_selected`.
      on_damage: raises damage, and is told of what has no digest.

    Raises:
      FileNotFoundError, ValueError: as `load_selected`; a damaged or altered file is never left out.
    """
    if not any(path.suffix == SUFFIX for path in paths):
        return load_selected(paths, wanted, columns=COLUMNS, on_damage=on_damage)
    if len(paths) > 1:
        raise GateError("A frozen baseline is compared alone, not together with other rows.")
    return select(frame_of(read_baseline(paths[0])), paths, wanted)


def freeze(paths: Sequence[Path], out: Path, on_damage: OnDamage = refuse) -> int:
    """Writes the frozen baseline of one finished evaluation; returns how many episodes it holds. As for `load_side`.

    Raises:
      FileNotFoundError, ValueError: if there is none, or it is unfinished or measured in two ways.
    """
    if out.suffix != SUFFIX:
        raise GateError(f"A frozen baseline is a file that ends in {SUFFIX}, not '{escaped(out)}'.")
    rows = [row for source in dict.fromkeys(sources(paths)) for row in _rows_of(source, on_damage)]
    rows = list(dict.fromkeys(rows))
    tables_of(side_of(frame_of(rows), "baseline", "return"), each_setting=True)
    write_baseline(rows, out)
    return len(rows)


def exit_status(gate: Gate, inconclusive: str) -> int:
    """What the command ends with.

    Args:
      gate: the answer.
      inconclusive: "pass", "fail", or "" for the status of its own.
    """
    return INCONCLUSIVE[inconclusive] if gate.verdict == "cannot tell" else EXIT_STATUS[gate.verdict]


def parse_counts(name: str, text: str | None) -> list[int]:
    """Reads `10` or `10,20,50`.

    Raises:
      GateError: if it is neither.
    """
    if text is None:
        return []
    if not re.fullmatch(r"\s*\d{1,7}\s*(,\s*\d{1,7}\s*)*", text) or not all(
        1 <= int(n) <= MOST for n in text.split(",")
    ):
        raise GateError(f"--{name} takes numbers such as 10 or 10,20,50, from 1 to {MOST:,}, not '{escaped(text)}'.")
    return [int(number) for number in text.split(",")]


def _rows_of(source: Path, on_damage: OnDamage) -> list[Row]:
    return RowStore(source).rows(on_damage=on_damage) if source.is_dir() else read_file(source, on_damage)
