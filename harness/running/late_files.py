"""Files of the user's that an agent or suite from outside reads only while it is made or plays.

The identity that names a run is known before that, so they are no part of it. They are recorded with the run, and its
rows name them; where one has changed since, what was measured with it is of another run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from harness.assets.store import AssetStore
from harness.errors import WorkError
from harness.files import write_json
from harness.reading import SHA256, Record, read_json
from harness.running.user_files import GONE, UserFiles, file_digest
from harness.watching import Watch

LATE_FILE = "late_files.json"


class _Recorded(Record):
    files: dict[str, Annotated[str, Field(pattern=SHA256)]]


def recorded(folder: Path) -> dict[Path, str]:
    """The late files of the run in a folder, SHA-256 each, hex.

    Raises:
      UsageError: if the record is damaged.
    """
    try:
        found = read_json(folder / LATE_FILE, _Recorded, remedy="delete the run's folder")
    except FileNotFoundError:
        return {}
    return {Path(name): digest for name, digest in found.files.items()}


def as_they_are(files: Mapping[Path, str]) -> dict[Path, str]:
    """The digests that some files have now; `GONE` for one that is not there."""
    return {path: file_digest(path) for path in files}


class LateFiles:
    """The late files of a run under way.

    Args:
      folder: of the run.
      expected: digests of those that are known to be read, from other runs of the same identity.
    """

    def __init__(self, folder: Path, expected: Mapping[Path, str]) -> None:
        self._folder, self._expected = folder, expected

    def add(self, found: Mapping[Path, str]) -> None:
        """Takes in what a worker has seen, and keeps it before any row that was measured with it.

        Raises:
          WorkError: if a file is not what it was for the rows before.
        """
        known = recorded(self._folder)
        for path, digest in found.items():
            if known.get(path, self._expected.get(path, digest)) != digest:
                raise WorkError(f"{path}, which the policy reads, changed while the run was at work: start it again.")
        if not found.items() <= known.items():
            files = {str(path): digest for path, digest in {**known, **found}.items()}
            self._folder.mkdir(parents=True, exist_ok=True)
            write_json(self._folder / LATE_FILE, {"files": files})


def late_notes(outside: UserFiles | None, folder: Path) -> list[str]:
    """What the rows of a run say of its late files, one note each, in a fixed order."""
    if outside is None:
        return []
    named = sorted((outside.name_of(path), digest) for path, digest in recorded(folder).items())
    return [f"reads {name} ({digest[:12]}), which no --agent-file makes part of its identity" for name, digest in named]


class Watched:
    """Watches a worker's part of the user's own code, and tells what it read.

    Args:
      outside: the identity; None for code of the project, which is not watched.
      store: whose files do not count, as rows name them.
      suite_too: whether the suite is the user's as well, not the agent alone.
      agent_too: whether the agent is.
      ours: folders of a run, whose files the harness wrote and knows: a policy, what a training leaves for itself.
    """

    def __init__(
        self, outside: UserFiles | None, store: AssetStore, *, agent_too: bool, suite_too: bool, ours: Sequence[Path]
    ) -> None:
        self._outside = outside
        self._watch = Watch([*store.folders, *(folder.resolve() for folder in ours)])
        nothing: AbstractContextManager[Any] = nullcontext()
        self.agent = self._watch if outside is not None and agent_too else nothing
        self.suite = self._watch if outside is not None and suite_too else nothing
        self._told: set[Path] = set()

    def tell(self, report: Callable[[Any], None]) -> None:
        """Reports what was read since the last time, if anything."""
        if self._outside is None:
            return
        new = self._watch.files - self._told - self._outside.files.keys()
        self._told |= new
        digests = {path: file_digest(path) for path in sorted(new)}
        if found := {path: digest for path, digest in digests.items() if digest != GONE}:
            report(("late", found))
