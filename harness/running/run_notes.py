"""Notes that hold for all rows of a run and are known only when it has been measured: added to its rows at its end.

Rows of one run then differ in no note, whichever of them was measured when the reason for it came up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from harness.results.rows import Row
from harness.results.store import Cell, RowStore
from harness.running.cells import planned_cells
from harness.running.late_files import late_notes
from harness.running.plan import RunPlan
from harness.running.replays import replay_notes

BETWEEN = "; "  # notes of a row


def run_notes(plan: RunPlan) -> list[str]:
    """The notes of a run."""
    return [*late_notes(plan.outside, plan.folder), *replay_notes(plan.folder)]


def notes_owed(plan: RunPlan, store: RowStore) -> bool:
    """Whether rows lack notes of their run."""
    return any(True for _ in _owing(plan, store))


def write_notes(plan: RunPlan, store: RowStore) -> None:
    """Adds the run's notes to rows that lack them, one cell in one step each; doing it again changes nothing.

    Raises:
      OSError: as the file system raised it; each cell has its rows with the notes or without.
    """
    for cell, rows in list(_owing(plan, store)):
        store.replace(*cell, rows)


def _owing(plan: RunPlan, store: RowStore) -> Iterator[tuple[Cell, list[Row]]]:
    """The cells whose rows lack notes, and the rows as they should be."""
    notes = run_notes(plan)
    for task, setting, seed in planned_cells(plan) if notes else ():
        cell = (task.task, setting, seed)
        rows = store.rows(*cell)
        noted = [_noted(row, notes) for row in rows]
        if noted != rows:
            yield cell, noted


def _noted(row: Row, notes: Sequence[str]) -> Row:
    """The row with a run's notes, last and in their order."""
    own = [part for part in row.notes.split(BETWEEN) if part and part not in notes]
    return replace(row, notes=BETWEEN.join([*own, *notes]))
