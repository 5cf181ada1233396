"""Several runs in one command: what is missing in any of them, each training once, and no failure stops the others."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence

from harness.errors import HarnessError, UsageError
from harness.results.store import RowStore
from harness.running.campaign_work import Part, Work
from harness.running.cells import missing_cells
from harness.running.failures import CellFailure, Failed, ReplayFailure, read_failures, still_failed, write_failures
from harness.running.launchers import Launch, local
from harness.running.plan import RunPlan
from harness.running.record import RunRecord
from harness.running.replays import play_again, replays_owed
from harness.running.run import check_folder, close, execute, terminating
from harness.running.run_folder import locked


def run_campaign(
    plans: Sequence[RunPlan],
    *,
    checkpoint_sec: float | None = None,
    quiet: bool = False,
    before_work: Callable[[], None] = lambda: None,
    retry_failed: bool = False,
    launch: Launch = local,
    say: Callable[[str], None] = lambda text: None,
) -> Mapping[str, list[CellFailure]]:
    """Does whatever of the plans is not done yet.

    Args:
      plans: checked, of different runs below one folder.
      checkpoint_sec: as of `harness.running.run.execute`.
      quiet: no progress on standard error.
      before_work: called once if anything is to be done, before it.
      retry_failed: try again what an earlier command has seen fail.
      launch: starts the launcher that does the work.
      say: told which training serves which runs.
    Returns:
      Run id -> what of it has failed and has no rows, now or earlier.
    Raises:
      UsageError: if a run's folder cannot be written, or another process is at one of the runs.
      HarnessError: if rows or policies cannot be kept, which stops everything.
    """
    with contextlib.ExitStack() as stack:
        parts = [_open(plan, retry_failed, quiet, launch, stack) for plan in plans]
        at_work = [part for part in parts if part.cells]
        if at_work:
            _work(at_work, plans, checkpoint_sec, quiet, before_work, launch, say)
        return {part.plan.run_id: part.failures for part in parts if part.failures}


def _open(plan: RunPlan, retry_failed: bool, quiet: bool, launch: Launch, stack: contextlib.ExitStack) -> Part:
    """A run, locked if it lacks anything that is to be done."""
    store = RowStore(plan.folder / "rows")
    part = _look(plan, store, retry_failed)
    if part.cells:
        stack.enter_context(locked(plan.folder))
        part = _look(plan, store, retry_failed)
        check_folder(plan, part.cells)
    elif not part.failures:
        try:
            execute(plan, quiet=quiet, launch=launch)  # which ends what a kill has left, without measuring anything
        except UsageError:
            raise
        except HarnessError as error:  # of an episode that is played again: the rows are all there, and shown
            part.failures.append(ReplayFailure.of(error))
    return part


def _look(plan: RunPlan, store: RowStore, retry_failed: bool) -> Part:
    missing = missing_cells(plan, store)
    failures = [] if retry_failed else still_failed(read_failures(plan.folder), missing)
    lost = Failed(failures)
    left = [cell for cell in missing if not lost.has(cell.plan.task, cell.setting, cell.train_seed)]
    return Part(plan, store, left, failures)


def _work(
    parts: Sequence[Part],
    plans: Sequence[RunPlan],
    checkpoint_sec: float | None,
    quiet: bool,
    before_work: Callable[[], None],
    launch: Launch,
    say: Callable[[str], None],
) -> None:
    """Does the work of locked parts, and leaves their records saying how it ended."""
    records = [RunRecord(part.plan) for part in parts]
    for part, record in zip(parts, records, strict=True):
        record.write("running")
        write_failures(part.plan.folder, part.failures)
    try:
        with terminating():
            before_work()
            Work(parts, plans, checkpoint_sec, quiet, say).run(launch)
            while records:
                _end(parts[-len(records)], records[0], quiet, launch)
                del records[0]
    except BaseException as error:
        interrupted = isinstance(error, KeyboardInterrupt)
        for record in records:  # of those that have not ended
            if interrupted:
                record.try_to_write(getattr(error, "status", "interrupted"))
            else:
                record.try_to_write("failed", error=str(error))
        raise


def _end(part: Part, record: RunRecord, quiet: bool, launch: Launch) -> None:
    """Plays finished episodes of a run again, if all are there, closes it, and says in its record how it ended."""
    if not part.failures:
        try:
            play_again(part.plan, part.store, replays_owed(part.plan, part.store), quiet=quiet, launch=launch)
        except HarnessError as error:
            part.failures.append(ReplayFailure.of(error))
            record.write("failed", error=str(error))
            return
    close(part.plan, part.store, complete=not part.failures)
    if part.failures:
        record.write("failed", error=part.failures[0].error)
    else:
        record.write("finished")


def all_failures(failures: Mapping[str, Iterable[CellFailure]]) -> list[str]:
    """One line per failure, for people."""
    return [f"{run}: {failure.place()}: {failure.error}" for run, some in failures.items() for failure in some]
