"""One run: train what is missing, evaluate what is missing, keep every row. Killed at any moment, it resumes."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from dataclasses import asdict

from harness.errors import UsageError, WorkError
from harness.files import disk_errors
from harness.results.store import RowStore
from harness.running.cells import Cell, missing_cells, open_cells
from harness.running.evaluation import Failure
from harness.running.failures import write_failures
from harness.running.launchers import Launch, local
from harness.running.plan import RunPlan
from harness.running.policies import check_intact, load_policy_source
from harness.running.record import RunRecord
from harness.running.replays import check_still, play_again, replays_owed
from harness.running.run_folder import clean, is_trained, leftovers, locked, policy_folder, train_folder
from harness.running.run_notes import notes_owed, write_notes
from harness.running.session import Session
from harness.running.train_log import LOG_FILE, read_train_log
from harness.running.training_folder import check_unfinished


def execute(
    plan: RunPlan,
    *,
    checkpoint_sec: float | None = None,
    quiet: bool = False,
    before_work: Callable[[], None] = lambda: None,
    on_failure: Callable[[Failure], None] | None = None,
    launch: Launch = local,
) -> RowStore:
    """Does whatever of the plan is not done yet.

    Args:
      plan: a checked plan.
      checkpoint_sec: least time between two checkpoints of a training, seconds; None takes the preset's.
      quiet: no progress on standard error.
      before_work: called once if anything is to be done, before it; what it raises ends the run as failed.
      on_failure: told at the end of every episode in which the policy failed, and the rest is measured; None: the first
        failure ends the run.
      launch: starts the launcher that does the work.
    Returns:
      The run's rows.
    Raises:
      UsageError: if the run's folder cannot be written or another process is at this run.
      HarnessError: whatever the work ran into; rows finished before are stored.
    """
    store = RowStore(plan.folder / "rows")
    cells = missing_cells(plan, store)
    if not cells and not replays_owed(plan, store):
        settle(plan, store, launch)
        return store
    failures: list[Failure] = []
    # What is all there is shown also where it cannot be played again: the disk cannot be written, another is at it.
    with contextlib.nullcontext() if cells else contextlib.suppress(UsageError), locked(plan.folder), terminating():
        cells = missing_cells(plan, store)
        check_folder(plan, cells)
        record = RunRecord(plan)
        record.write("running")
        write_failures(plan.folder, [])  # a campaign's: they are tried again now
        try:
            before_work()
            seconds = plan.preset.checkpoint_sec if checkpoint_sec is None else checkpoint_sec
            goes_on = None if on_failure is None else failures.append
            if cells:
                Session(plan, store, cells, checkpoint_sec=seconds, quiet=quiet, on_failure=goes_on).run(launch)
            if not failures:
                play_again(plan, store, replays_owed(plan, store), quiet=quiet, launch=launch)
            close(plan, store, complete=not failures)
        except KeyboardInterrupt as stop:
            record.try_to_write(getattr(stop, "status", "interrupted"))
            raise
        except Exception as error:
            record.try_to_write("failed", error=str(error))
            raise
        if failures:
            record.write("failed", error=failures[0].error, failures=[asdict(failure) for failure in failures])
        else:
            record.write("finished")
    for failure in failures:
        on_failure(failure)  # type: ignore[misc]  # where it is None there are none
    return store


def settle(plan: RunPlan, store: RowStore, launch: Launch = local) -> None:
    """Brings the folder of a run that lacks no episode to the state an uninterrupted one ends in.

    Where it cannot be written, or another process is at work on it, it stays as it is: its rows are all there.

    Raises:
      UsageError: if its policy is known not to be what it was, see `check_still`.
    """
    check_still(plan, store, launch)
    is_closed = not open_cells(plan, store) and not notes_owed(plan, store)
    if is_closed and not leftovers(plan.folder) and not RunRecord(plan).is_owed():
        return
    with contextlib.suppress(UsageError, WorkError), locked(plan.folder):
        close(plan, store)
        if RunRecord(plan).is_owed():
            RunRecord(plan).write("finished")


def close(plan: RunPlan, store: RowStore, *, complete: bool = True) -> None:
    """Closes the cells of a run whose episodes are all there, if they are, and removes what kills have left."""
    with disk_errors(str(plan.folder)):
        for cell in open_cells(plan, store) if complete else ():
            store.complete(*cell)
        if complete:
            write_notes(plan, store)
        clean(plan.folder)


def check_folder(plan: RunPlan, cells: list[Cell]) -> None:
    """Checks what earlier invocations left for these cells, before any work or change.

    Raises:
      CheckpointError: if a policy, or what a training would go on from, is damaged.
    """
    sources = []
    for task, seed in dict.fromkeys((cell.plan.task, cell.seed) for cell in cells if plan.trains):
        folder = train_folder(plan, task, seed)
        if is_trained(plan, task, seed):
            sources.append(load_policy_source(policy_folder(plan, task, seed)))
            sources[-1].check_belongs(plan.agent, task, seed)
        else:
            check_unfinished(folder)
            read_train_log(folder / LOG_FILE)
    check_intact(sources)


@contextlib.contextmanager
def terminating() -> Iterator[None]:
    """A polite kill (a cluster's time limit, say) ends the run as an interrupt does: resumable, and at once."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:  # not the main thread: whoever called us looks after signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
