"""Work that an earlier command has sent to Slurm: it is found under way, or waited for while it is being cancelled."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence

from harness.running.slurm_queue import Place, Queue, cancel
from harness.running.slurm_records import Records
from harness.running.slurm_work import Task
from harness.running.workers import Event

TOLD_SEC = 30.0  # between two words to Slurm that it cancels what it was asked to


class Earlier:
    """Tells what is to be submitted from what an earlier command has."""

    def __init__(self, records: Records, queue: Queue) -> None:
        self._records, self._queue = records, queue
        self._told, self._has_said = -math.inf, False
        self.num_waited = 0

    def find(self, tasks: Sequence[Task]) -> Iterator[Event]:
        """Makes every task new, under way at its place, or neither, as long as its old job is being cancelled."""
        for task in tasks:
            task.is_new = task.is_new or not self._records.of(task.key)
        if not (unsure := [task for task in tasks if not task.is_new]):
            return
        here, outcomes = self._queue.now(), self._records.outcomes()
        leaving: dict[Place, Task] = {}
        for task in unsure:
            places = self._look(task, here, outcomes)
            leaving |= dict.fromkeys(places, task)
            task.is_new = task.place is None and not places
        self.num_waited = len(leaving)
        if leaving:
            yield from self._wait(leaving, here)

    def _look(self, task: Task, here: Mapping[Place, str], outcomes: set[str]) -> list[Place]:
        """Finds a task under way; else returns where its work is still being cancelled."""
        leaving = []
        for place in self._records.of(task.key):
            is_cancelled = self._records.is_cancelled(place)
            if not is_cancelled and (place in here or self._records.outcome(place).name in outcomes):
                task.sent(place, here.get(place, ""), found=True)
                return []
            if place in here:
                leaving.append(place)
            else:
                self._records.end(place)
        return leaving

    def _wait(self, leaving: Mapping[Place, Task], here: Mapping[Place, str]) -> Iterator[Event]:
        if time.monotonic() - self._told >= TOLD_SEC:
            self._told = time.monotonic()
            cancel(here[place] for place in leaving)
        if not self._has_said:
            self._has_said = True
            place, task = next(iter(leaving.items()))
            more = f" and {len(leaving) - 1} more" if len(leaving) > 1 else ""
            told = f"(Slurm job {here[place]}{more}) of an earlier command is being cancelled and is waited for"
            yield Event(task.job, "restarted", told)
