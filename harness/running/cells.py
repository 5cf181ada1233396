"""The cells of a run: which there are, which lack episodes, which are not closed yet."""

from __future__ import annotations

from dataclasses import dataclass

from harness.results.store import RowStore
from harness.running.plan import RunPlan, TaskPlan
from harness.running.seeds import made_with


@dataclass(frozen=True)
class Cell:
    """One task, setting and training seed of a run, and the episodes it still lacks."""

    plan: TaskPlan
    setting: str
    train_seed: int | None  # None: of a policy that is not made from a seed
    missing: tuple[int, ...]

    @property
    def seed(self) -> int:
        """What an agent is made with."""
        return made_with(self.train_seed)


def missing_cells(plan: RunPlan, store: RowStore) -> list[Cell]:
    """The cells that lack episodes, in table order."""
    cells, stored = [], set(store.cells())  # one look at the folder, not one per cell
    for task, setting, seed in planned_cells(plan):
        key = (task.task, setting, seed)
        have = store.episodes(*key, run_id=plan.run_id) if key in stored else set()
        missing = tuple(episode for episode in range(plan.episodes) if episode not in have)
        if missing:
            cells.append(Cell(task, setting, seed, missing))
    return cells


def open_cells(plan: RunPlan, store: RowStore) -> list[tuple[str, str, int | None]]:
    """(task, setting, seed) of the plan's cells that are not closed, of a run that lacks no episode."""
    cells = [(task.task, setting, seed) for task, setting, seed in planned_cells(plan)]
    return [cell for cell in cells if not store.is_complete(*cell)]


def planned_cells(plan: RunPlan) -> list[tuple[TaskPlan, str, int | None]]:
    """The cells that can be measured: of given policies, only those there are."""
    return [cell for cell in plan.cells() if not plan.policies or (cell[0].task, made_with(cell[2])) in plan.policies]
