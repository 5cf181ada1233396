"""Where rows come from: the folders of runs and the submissions, with their records and learning curves."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.reports.submissions import Accepted
from harness.reports.variants import ORIGIN
from harness.results.curve_lines import is_drawable
from harness.results.plain_file import read_plain
from harness.results.submission import LOG, RECORD

if TYPE_CHECKING:
    import pandas as pd

MAX_BYTES = 2**26
MEASURED = "measured here"
IMPORTED = "imported, checked by nobody"


@dataclass(frozen=True)
class RunSource:
    """One run.

    Attributes:
      run_id: as its rows have it.
      origin: as its rows have it; "" for what was measured here.
      trust: how far it is to be trusted, for a reader.
      record: as it was written; empty where there is none.
      logs: the lines of the log of each training, by its folder's name.
      digest: SHA-256 of the submission's file; "" for what was measured here.
      folder: of the run; None for a submission, and where there are rows alone.
    """

    run_id: str
    origin: str
    trust: str
    record: Mapping[str, Any]
    logs: Mapping[str, Sequence[Mapping[str, Any]]]
    digest: str = ""
    folder: Path | None = None

    @property
    def command(self) -> str:
        """The command that measured it, as it was given; "" if that is not known."""
        words = self.record.get("command")
        if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
            return ""
        return " ".join(["harness", *map(_quoted, words[1:])])


def sources_of(rows: pd.DataFrame, paths: Iterable[Path], accepted: Sequence[Accepted] = ()) -> list[RunSource]:
    """Where rows are from: runs under some paths, submissions, and runs of which there are rows alone.

    Args:
      rows: with `run_id`, and `ORIGIN` if some are from elsewhere.
      paths: as for `harness.results.store.load_rows`.
      accepted: submissions.
    """
    folders = dict.fromkeys(folder.resolve() for path in paths for folder in _run_folders(path))
    found = [*(_of_folder(folder) for folder in folders), *map(_of_submission, accepted)]
    by_name = {(source.run_id, source.origin): source for source in found}
    origins = rows[ORIGIN].astype(str) if ORIGIN in rows else [""] * len(rows)
    there = dict.fromkeys(zip(rows["run_id"].astype(str), origins, strict=True))
    named = [source for name, source in by_name.items() if name in there]
    return [*named, *(_without_record(*name) for name in there if name not in by_name)]


def _without_record(run_id: str, origin: str) -> RunSource:
    return RunSource(run_id, origin, IMPORTED if origin else MEASURED, {}, {})


def _run_folders(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from (folder for folder in (path, *sorted(path.iterdir())) if (folder / "rows").is_dir())


def _of_folder(folder: Path) -> RunSource:
    record = _object(_read(folder / RECORD))
    logs = {path.parent.name: _lines(_read(path)) for path in sorted(folder.glob(f"train/*/{LOG}"))}
    named = record.get("run_id")
    run_id = named if isinstance(named, str) else folder.name
    return RunSource(run_id, "", MEASURED, record, logs, folder=folder)


def _of_submission(accepted: Accepted) -> RunSource:
    found = accepted.submission
    logs = {name: _lines(data) for name, data in found.logs().items()}
    return RunSource(
        found.record.run_id, accepted.origin, accepted.trust, found.whole_record, logs, digest=found.digest
    )


def _read(path: Path) -> bytes:
    """What a file holds; nothing if it cannot be read, as a page is made of what there is."""
    try:
        return read_plain(path, MAX_BYTES)
    except OSError:
        return b""


def _object(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text.decode())
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _lines(text: bytes) -> list[dict[str, Any]]:
    """The whole lines of a training's log that can be drawn."""
    lines = (_object(line) for line in text.split(b"\n")[:-1])
    return [line for line in lines if is_drawable(line)]


def _quoted(word: str) -> str:
    import shlex

    return shlex.quote(word)
