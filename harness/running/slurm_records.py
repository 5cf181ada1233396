"""What is on disk of jobs under way on a Slurm cluster, so that a command that comes back finds them.

An array of jobs has a name of its own, and a record from before it is submitted: whatever a kill comes between, squeue
tells by the name which of its jobs are there. A job leaves its outcome in a file named by its work and its array: what
one that was cancelled still writes is never taken for another's.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections import defaultdict
from collections.abc import Collection, Sequence
from pathlib import Path

from harness.files import write_json
from harness.reading import Record, read_json
from harness.running.slurm_queue import Place


class Sent(Record):
    """An array on disk.

    Attributes:
      keys: the works of its jobs, in their order.
      runs: the names of the runs those are of.
      cancelled: which of its jobs Slurm was asked to cancel.
    """

    keys: list[str]
    runs: list[str]
    cancelled: list[int] = []  # noqa: RUF012 (pydantic copies it)


class Records:
    """The arrays of one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._arrays: dict[str, Sent] = {}
        self._ended: dict[str, set[int]] = defaultdict(set)
        self._places: dict[str, list[Place]] = defaultdict(list)  # by work

    def load(self, *, pass_over: tuple[type[Exception], ...] = ()) -> None:
        """Reads what commands have left.

        Raises:
          UsageError: if a record is damaged, unless such are passed over.
        """
        for path in sorted(self._folder.glob("harness-*.json")):
            with contextlib.suppress(FileNotFoundError, *pass_over):  # another command may just have ended
                self._add(path.stem, read_json(path, Sent))

    def new(self, works: Sequence[tuple[str, str]]) -> str:
        """Writes the record of an array that is about to be submitted, of (work, run); returns its name."""
        name = f"harness-{secrets.token_hex(6)}"
        self._write(name, Sent(keys=[key for key, _ in works], runs=[run for _, run in works]))
        self._add(name, self._arrays[name])
        return name

    def of(self, key: str) -> list[Place]:
        """Where a work was sent to and has not been seen to end."""
        return [(name, index) for name, index in self._places.get(key, ()) if index not in self._ended[name]]

    def runs_at(self, places: Collection[Place]) -> set[str]:
        """The runs whose jobs are at these places."""
        return {sent.runs[i] for name, i in places if (sent := self._arrays.get(name)) and i < len(sent.runs)}

    def is_cancelled(self, place: Place) -> bool:
        """Whether Slurm was asked to cancel the job there."""
        return place[1] in self._arrays[place[0]].cancelled

    def mark_cancelled(self, places: Collection[Place]) -> None:
        """Keeps that Slurm is being asked to cancel these: nobody is to wait for what comes of them."""
        indices: dict[str, set[int]] = defaultdict(set)
        for name, index in places:
            indices[name].add(index)
        for name, some in indices.items():
            sent = self._arrays[name]
            self._write(name, sent.model_copy(update={"cancelled": sorted({*sent.cancelled, *some})}))

    def outcome(self, place: Place) -> Path:
        """The file in which the job there says how it ended."""
        name, index = place
        return self._folder / f"{self._arrays[name].keys[index]}.{name}.outcome.json"

    def outcomes(self) -> set[str]:
        """The names of all files in which jobs say how they ended: one listing.

        A name that is not there and is asked for stays unknown to NFS for a while; a listing is asked for anew.
        """
        return {name for name in os.listdir(self._folder) if name.endswith(".outcome.json")}

    def end(self, place: Place) -> None:
        """Forgets a job that is over; the record goes with its array's last."""
        self.outcome(place).unlink(missing_ok=True)
        name, index = place
        self._ended[name].add(index)
        if len(self._ended[name]) == len(self._arrays[name].keys):
            self._file(name).unlink(missing_ok=True)

    def has_remains(self) -> bool:
        """Whether `sweep` has anything to look at."""
        return bool(self._with_remains())

    def sweep(self, here: Collection[Place]) -> None:
        """Removes records of arrays that have no job left, and no outcome but of jobs that were cancelled.

        Only of arrays that this command has to do with, or that were cancelled: another may be submitting its own.
        """
        outcomes = self.outcomes()
        for name in self._with_remains():
            left = [(name, i) for i in range(len(self._arrays[name].keys)) if i not in self._ended[name]]
            waited = [place for place in left if self.outcome(place).name in outcomes and not self.is_cancelled(place)]
            if not waited and not any(place in here for place in left):
                for place in left:
                    self.end(place)

    def _with_remains(self) -> list[str]:
        touched = [name for name, sent in self._arrays.items() if self._ended[name] or sent.cancelled]
        return [name for name in touched if len(self._ended[name]) < len(self._arrays[name].keys)]

    def _add(self, name: str, sent: Sent) -> None:
        self._arrays[name] = sent
        for index, key in enumerate(sent.keys):
            self._places[key].append((name, index))

    def _write(self, name: str, sent: Sent) -> None:
        self._arrays[name] = sent
        write_json(self._file(name), sent.model_dump())

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.json"
