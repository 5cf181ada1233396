"""One finished episode of each cell is played again, out of order and in another worker: does it come out the same?

Where it does not, the policy keeps something from one episode to the next (or draws at random), so that its returns
depend on the order and on the number of workers. For code of the project the contract tests see to that.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from harness.errors import UsageError
from harness.files import write_json
from harness.reading import Record, read_json
from harness.results.rows import Row
from harness.results.store import RowStore
from harness.running import provenance
from harness.running.cells import Cell, planned_cells
from harness.running.evaluation import Failure
from harness.running.held_rows import HeldRows
from harness.running.launchers import Launch, local
from harness.running.plan import RunPlan
from harness.running.progress import Progress, span
from harness.running.session import Session

REPLAY_FILE = "replays.json"
_TOLD = ("episode", "trajectory", "code_revision")  # columns that say whether an episode is to be played again
NOTE = "an episode played again came out otherwise: the policy depends on what ran before, or draws at random"


class Replayed(Record):
    """An episode that was played again."""

    task: str
    setting: str
    train_seed: int | None
    episode: int
    trajectory: str  # as its row has it
    same: bool  # whether it came out as that

    @property
    def cell(self) -> tuple[str, str, int | None]:
        """(task, setting, train_seed)."""
        return (self.task, self.setting, self.train_seed)


class _Recorded(Record):
    replayed: list[Replayed]


def replays(folder: Path) -> list[Replayed]:
    """What was played again of the run in a folder.

    Raises:
      UsageError: if the record is damaged.
    """
    try:
        return read_json(
            folder / REPLAY_FILE, _Recorded, remedy=f"delete it, and {folder.name} is played again"
        ).replayed
    except FileNotFoundError:
        return []


def replays_owed(plan: RunPlan, store: RowStore) -> list[Cell]:
    """The cells of a run that lacks no episode of which one is to be played again, and which one, in table order."""
    if not plan.replays:
        return []
    known = {(done.cell, done.episode, done.trajectory) for done in replays(plan.folder)}
    now = provenance.code_revision()
    return [
        Cell(task, setting, seed, (episode,))
        for task, setting, seed in planned_cells(plan)
        for episode, trajectory, code in store.values(task.task, setting, seed, _TOLD)[-1:]
        # Other code than that which measured may well play otherwise.
        if code == now and ((task.task, setting, seed), episode, trajectory) not in known
    ]


def play_again(plan: RunPlan, store: RowStore, cells: Sequence[Cell], *, quiet: bool, launch: Launch = local) -> None:
    """Plays the episodes that are owed, keeps what came of them, and says what it cost.

    Raises:
      HarnessError: whatever the work ran into, other than a policy that fails: that is another outcome.
    """
    if not cells:
        return
    started, held, played = time.monotonic(), HeldRows(), _out_of_order(cells, store)
    failures: list[Failure] = []
    again = Session(replace(plan, workers=1), held, played, quiet=True, on_failure=failures.append)
    again.run(launch)
    done = [_compared(cell, store, held) for cell in played]
    before = [each for each in replays(plan.folder) if each.cell not in {new.cell for new in done}]
    write_json(plan.folder / REPLAY_FILE, {"replayed": [each.model_dump() for each in (*before, *done)]})
    others = sum(not each.same for each in done)
    came_out = f"otherwise in {others} of {len(done)} cells" if others else "each came out the same"
    num = sum(len(cell.missing) for cell in played)
    told = f"Played {num} finished episodes again, out of order and in another worker: {came_out}"
    Progress(train_frames={}, episodes=0, quiet=quiet).note(f"{told} (it took {span(time.monotonic() - started)}).")


def check_still(plan: RunPlan, store: RowStore, launch: Launch = local) -> None:
    """Plays one stored episode of a finished run again, whose policy comes ready-made from outside.

    Its modules, the files it read when it was imported and those that were named are part of the run's name. What else
    it is made of (a file chosen at run time or read from C, the environment) cannot be known: is it what it was?

    Raises:
      UsageError: if the episode comes out otherwise.
    """
    known = {done.cell: done.same for done in replays(plan.folder)}
    if plan.trains or plan.outside is None or not plan.replays or not all(known.values()):
        return  # of one that is known to differ from itself nothing can be said
    now = provenance.code_revision()
    for task, setting, seed in planned_cells(plan):
        key = (task.task, setting, seed)
        first = next((told for told in store.values(*key, _TOLD) if told[2] == now), None)
        if first is not None:
            _check_alike(plan, store, Cell(task, setting, seed, (first[0],)), launch)
            return


def _check_alike(plan: RunPlan, store: RowStore, cell: Cell, launch: Launch) -> None:
    held, failures = HeldRows(), list[Failure]()
    with tempfile.TemporaryDirectory() as elsewhere:  # what it reads on the way says nothing of the rows that are there
        asked = replace(plan, workers=1, folder=Path(elsewhere))
        Session(asked, held, [cell], quiet=True, on_failure=failures.append).run(launch)
    if not _compared(cell, store, held).same:
        raise UsageError(
            f"Episode {cell.missing[0]} of {cell.plan.task}, {cell.setting} in {plan.folder} comes out otherwise now: "
            f"something that {plan.agent_name} is made of has changed and is not among its files. Name it with "
            "--agent-file, give the policy an identity(), or move that folder away (--no-replay shows it as it is)."
        )


def replay_notes(folder: Path) -> list[str]:
    """What the rows of a run say of its replays."""
    return [NOTE] if any(not done.same for done in replays(folder)) else []


def _out_of_order(cells: Sequence[Cell], store: RowStore) -> list[Cell]:
    """The last cell first, and of that an early episode after the late one."""
    *others, last = cells
    first = store.rows(last.plan.task, last.setting, last.train_seed)[0].episode
    return [replace(last, missing=tuple(dict.fromkeys((*last.missing, first)))), *reversed(others)]


def _compared(cell: Cell, store: RowStore, held: RowStore) -> Replayed:
    """What came of the episodes of a cell; one that has no row now is one in which the policy failed."""
    key = (cell.plan.task, cell.setting, cell.train_seed)
    before = {row.episode: row for row in store.rows(*key)}
    again = {row.episode: row for row in held.rows(*key)}
    last = before[cell.missing[0]]
    return Replayed(
        task=last.task,
        setting=last.setting,
        train_seed=last.train_seed,
        episode=last.episode,
        trajectory=last.trajectory,
        same=all(each in again and _is_alike(before[each], again[each]) for each in cell.missing),
    )


def _is_alike(before: Row, again: Row) -> bool:
    """Whether two rows of one episode tell the same; on another GL pictures differ, and nothing can be said."""
    told = [(row.episode_return, row.first_pixels, row.trajectory) for row in (before, again)]
    return told[0] == told[1] or before.gl_renderer != again.gl_renderer
