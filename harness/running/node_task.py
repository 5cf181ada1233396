"""One piece of work on a node of a cluster: its rows and its policy go to the shared folder, its end is told."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from harness.errors import AgentError, HarnessError, WorkError
from harness.files import disk_errors
from harness.outside import described
from harness.reading import SHA256, Record
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

    def late_message(self) -> tuple[str, dict[Path, str]] | None:
        """What it read, as a job on this machine would have said it; None if nothing."""
        return ("late", {Path(name): digest for name, digest in self.late.items()}) if self.late else None


def carry_out(job: Job) -> Outcome:
    """Does a job here; its rows and policy go to the shared folder."""
    late: dict[str, str] = {}
    return _ended(job, late).model_copy(update={"late": late})


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
