"""What a Slurm job does: one piece of work on a node, whose rows, policy and outcome go to the shared file system."""

from __future__ import annotations

import importlib
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from harness.errors import AgentError, HarnessError, WorkError
from harness.files import disk_errors, write_json
from harness.outside import described, forbid_ending
from harness.reading import SHA256, Record, read_json
from harness.refusals import in_one_sentence
from harness.results.store import RowStore
from harness.running import stopping
from harness.running.evaluation import EvaluateJob
from harness.running.messages import Report
from harness.running.workers import Job


class Outcome(Record):
    """How a piece of work ended: "done", "failed" with a sentence, or "again" where its time was up before.

    Attributes:
      status, error: the above.
      of_agent: whether the agent is to blame.
      late: SHA-256 of the user's files that it read outside its identity, by path; see `late_files`.
    """

    status: str
    error: str = ""
    of_agent: bool = False
    late: dict[str, Annotated[str, Field(pattern=SHA256)]] = {}  # noqa: RUF012 (pydantic copies it)

    def as_error(self) -> HarnessError:
        """The error of a failed one."""
        return AgentError(self.error) if self.of_agent else WorkError(self.error)


def run_task(job: Job, outcome: Path) -> None:
    """Does a job in this process, and leaves a file that says how it ended."""
    for number in (signal.SIGUSR2, signal.SIGTERM):  # the time limit is near; the node is wanted for others
        signal.signal(number, stopping.ask)
    forbid_ending()  # agents and suites from outside run in here
    late: dict[str, str] = {}
    ended = _ended(job, late)
    write_json(outcome, ended.model_copy(update={"late": late}).model_dump())


def read_outcome(path: Path) -> Outcome | None:
    """How a job ended; None as long as nothing says so."""
    try:
        return read_json(path, Outcome)
    except FileNotFoundError:
        return None


def _ended(job: Job, late: dict[str, str]) -> Outcome:
    """Does the job; what it reads outside its identity is added to `late`."""

    def hear(message: Any) -> None:
        if isinstance(message, tuple) and message[0] == "late":
            late.update({str(path): digest for path, digest in message[1].items()})

    try:
        module, _, name = job.function.partition(":")
        function = getattr(importlib.import_module(module), name)
        if isinstance(job.arguments, EvaluateJob):
            _evaluate(function, job.arguments, hear)
        else:
            function(job.arguments, hear)
    except stopping.StoppedError:
        return Outcome(status="again")
    except BaseException as error:  # whatever the agent or the suite raises
        told = str(error) if isinstance(error, HarnessError) else str(in_one_sentence(error) or described(error))
        return Outcome(status="failed", error=told, of_agent=isinstance(error, AgentError))
    return Outcome(status="done")


def _evaluate(function: Callable[[EvaluateJob, Report], None], job: EvaluateJob, hear: Report) -> None:
    """Plays what the cell still lacks, keeps every row at once, and closes the cell: it has no other writer."""
    if job.rows is None:
        raise WorkError("An evaluation on another machine has to know where its rows go.")
    store = RowStore(job.rows)
    cell = (job.world.plan.task, job.setting, job.columns["train_seed"])
    have = store.episodes(*cell)

    def keep(message: Any) -> None:
        hear(message)
        if isinstance(message, tuple) and message[0] == "row":
            with disk_errors(str(store.folder)):
                store.append(message[1])
            stopping.check()

    if missing := tuple(episode for episode in job.episodes if episode not in have):
        function(replace(job, episodes=missing), keep)
    with disk_errors(str(store.folder)):
        store.complete(*cell)
