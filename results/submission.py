"""A submission: the rows, record and learning curves of one finished run in one checked file, for others to show.

`submit` makes one of a run's folder, `read_submission` reads one and refuses what is altered or incomplete. What the
numbers themselves say is judged in `harness.results.plausible`.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from harness.results.curve_lines import is_line
from harness.results.damage import CorruptRowsError, Listening, OnDamage, refuse
from harness.results.packing import PackedError, pack, unpack
from harness.results.plain_file import read_plain
from harness.results.row_files import decode_rows, encode_rows
from harness.results.rows import Row
from harness.results.store import RowStore

SUFFIX = ".zip"
RECORD, ROWS = "record.json", "rows.parquet"
LOG, POLICY, PROVENANCE = "train.jsonl", "policy", "provenance.json"
MAX_BYTES = 2**31

Unit = tuple[str, int | None]  # task, training seed


class SubmissionError(ValueError):
    """A submission is refused, or a run cannot be submitted; the message is one sentence."""


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)


class Named(_Part):
    """A suite or an agent, as the record has it; `asked` is the name that the user gave."""

    name: str
    version: int
    asked: str


class TaskRecord(_Part):
    """How one task was trained and measured."""

    task: str
    config: dict[str, JsonValue]  # the agent's settings, complete
    config_hash: str
    train_frames: int
    action_repeat: int
    frame_stack: int
    image_size: int
    episode_frames: int
    eval_seed_offset: int


class RunRecordView(_Part):
    """What a submission needs of a run's record; the file holds more, which is shown."""

    run_id: str
    status: str
    command: list[str]
    suite: Named
    agent: Named
    preset: str
    seeds: list[int | None]
    episodes: int
    settings: list[str]
    tasks: list[TaskRecord]
    checkpoints: dict[str, str]
    device: str
    render_profile: str
    packages: dict[str, str]
    code_revision: str
    started: str
    updated: str

    @property
    def is_handed(self) -> bool:
        """Whether its policy was handed over from Python, and so is kept nowhere."""
        return (self.preset, self.agent.version) == ("", 0)

    def cells(self) -> Iterator[tuple[TaskRecord, str, int | None]]:
        """(task, setting, training seed) of every cell that was asked for; of given policies, those that there were."""
        for task in self.tasks:
            for setting in self.settings:
                for seed in self.seeds:
                    if not self.checkpoints or checkpoint_name(task.task, seed) in self.checkpoints:
                        yield task, setting, seed

    def units(self) -> list[Unit]:
        """(task, training seed) of every policy that was measured."""
        return list(dict.fromkeys((task.task, seed) for task, _, seed in self.cells()))


@dataclass(frozen=True)
class Submission:
    """What was submitted.

    Attributes:
      name: of its file.
      digest: SHA-256 of the file, hex.
      record: of the run.
      whole_record: the record as it was written.
      rows: one per episode.
      files: everything, by name.
      are_digested: whether the rows were under a digest ever since they were measured.
    """

    name: str
    digest: str
    record: RunRecordView
    whole_record: Mapping[str, Any]
    rows: tuple[Row, ...]
    files: Mapping[str, bytes]
    are_digested: bool

    def logs(self) -> dict[str, bytes]:
        """The log of each training, by its folder's name."""
        return {n.split("/")[1]: data for n, data in self.files.items() if n.startswith("train/") and n.endswith(LOG)}

    def policy_files(self, unit: Unit) -> dict[str, bytes]:
        """The files of a policy, by their names in its folder; none if it was not submitted."""
        folder = f"train/{folder_name(*unit)}/{POLICY}/"
        return {n.removeprefix(folder): data for n, data in self.files.items() if n.startswith(folder)}


def folder_name(task: str, seed: int | None) -> str:
    """The name of the folder of a task's training in a submission."""
    return f"{quote(task, safe='')}-seed{seed}"


def checkpoint_name(task: str, seed: int | None) -> str:
    """What a run's record calls a given policy."""
    return f"{task} seed {0 if seed is None else seed}"


def submit(run: Path, *, policies: bool = False, on_damage: OnDamage = refuse) -> bytes:
    """One file that holds a run's rows, record and learning curves.

    Args:
      run: its folder.
      policies: whether to put the policies in too, those that have parameters, so that others can play episodes again.
      on_damage: raises damage, and is told of what has no digest.

    Raises:
      SubmissionError: if the run is not finished, or lacks anything that a submission needs.
      CorruptRowsError: if its rows are damaged.
    """
    record_bytes = _read(run / RECORD, f"{run} is no run's folder: it has no {RECORD}.")
    record, _ = _parse_record(record_bytes, f"{run / RECORD} cannot be submitted")
    if record.status != "finished":
        raise SubmissionError(f"{run} is not finished ({record.status}): the command that began it goes on.")
    if policies and record.is_handed:
        raise SubmissionError(f"The policy of {run} was handed over from Python and is not kept: submit it without.")
    told = Listening(on_damage)
    store = RowStore(run / "rows")
    rows = [row for task, *cell in record.cells() for row in store.rows(task.task, *cell, on_damage=told)]  # type: ignore[arg-type]
    kept = [row for row in rows if row.episode < record.episodes]
    files = {RECORD: record_bytes, ROWS: encode_rows(kept, are_digested=not told.undigested), **_logs(run, record)}
    with_parameters = {(row.task, row.train_seed) for row in kept if row.checkpoint}
    for unit in record.units() if policies else ():
        if unit in with_parameters:  # others, such as a random one, are made again from their seed
            files |= _policy(run, record, unit)
    data = pack(files)
    read_submission(data, f"{record.run_id}{SUFFIX}")  # whoever makes it is told what others would be
    return data


def load_submission(path: Path) -> Submission:
    """Reads a submission's file.

    Raises:
      FileNotFoundError: if there is none.
      SubmissionError: as `read_submission`.
    """
    try:
        data = read_plain(path, MAX_BYTES + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise SubmissionError(f"it cannot be read ({error.strerror or error})") from error
    if len(data) > MAX_BYTES:
        raise SubmissionError("it has more than two gigabytes")
    return read_submission(data, path.name)


def read_submission(data: bytes, name: str) -> Submission:
    """What a submission holds.

    Raises:
      SubmissionError: if it was altered, is incomplete, or its parts contradict each other; a clause.
    """
    try:
        files = unpack(data)
    except PackedError as error:
        raise SubmissionError(str(error)) from error
    if missing := [part for part in (RECORD, ROWS) if part not in files]:
        raise SubmissionError(f"it is incomplete: it has no {missing[0]}")
    record, whole = _parse_record(files[RECORD], f"its {RECORD} is damaged")
    rows, are_digested = _rows(files[ROWS])
    found = Submission(name, hashlib.sha256(data).hexdigest(), record, whole, tuple(rows), files, are_digested)
    for problem in (*_contradictions(found), *_gaps(found)):
        raise SubmissionError(problem)
    return found


def submissions_in(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """The files of submissions among some paths and in the folders among them, in order."""
    found: list[Path] = []
    for path in map(Path, paths):
        if path.suffix == SUFFIX and not path.is_dir():
            found.append(path)
        elif path.is_dir():
            found += sorted(file for file in path.glob(f"*{SUFFIX}") if not file.is_dir())
    return list(dict.fromkeys(found))


def _read(path: Path, absent: str) -> bytes:
    try:
        return read_plain(path, MAX_BYTES)
    except FileNotFoundError:
        raise SubmissionError(absent) from None
    except OSError as error:
        raise SubmissionError(f"{path} cannot be read ({error.strerror or error}).") from error


def _parse_record(text: bytes, problem: str) -> tuple[RunRecordView, dict[str, Any]]:
    try:
        whole = json.loads(text.decode())
        return RunRecordView.model_validate_json(text), whole
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise SubmissionError(f"{problem}: {place or 'it'}: {first['msg']}") from error
    except (ValueError, RecursionError) as error:
        raise SubmissionError(f"{problem}: it is no JSON") from error


def _rows(data: bytes) -> tuple[list[Row], bool]:
    import pyarrow as pa

    try:
        return decode_rows(data)
    except (pa.ArrowException, CorruptRowsError, OSError, ValueError, TypeError, LookupError, MemoryError) as error:
        raise SubmissionError(f"its {ROWS} is no file of rows: {' '.join(str(error).split())}") from error


def _logs(run: Path, record: RunRecordView) -> dict[str, bytes]:
    """The logs of the trainings, each as far as its last whole line."""
    found = {}
    for task, seed in record.units():
        path = run / "train" / f"{task}-seed{seed}" / LOG
        if path.is_file():
            text = read_plain(path)
            found[f"train/{folder_name(task, seed)}/{LOG}"] = text[: text.rfind(b"\n") + 1]
    return found


def _policy(run: Path, record: RunRecordView, unit: Unit) -> dict[str, bytes]:
    given = record.checkpoints.get(checkpoint_name(*unit))
    folder = Path(given) if given else run / "train" / f"{unit[0]}-seed{unit[1]}" / POLICY
    if not (folder / PROVENANCE).is_file():
        raise SubmissionError(
            f"{run} has no policy of {unit[0]}, seed {unit[1]}: submit it without policies, or with those it measured."
        )
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {
        f"train/{folder_name(*unit)}/{POLICY}/{path.relative_to(folder).as_posix()}": read_plain(path) for path in paths
    }


_SAME = ("run_id", "suite", "suite_version", "agent", "agent_version", "render_profile")
_SAME_IN_TASK = ("config_hash", "train_frames", "action_repeat", "frame_stack", "image_size", "episode_frames")


def _contradictions(found: Submission) -> Iterator[str]:
    """What the rows say that record and policies do not."""
    record = found.record
    stated = dict(
        zip(
            _SAME,
            (
                record.run_id,
                *(record.suite.name, record.suite.version, record.agent.name, record.agent.version),
                record.render_profile,
            ),
            strict=True,
        )
    )
    tasks = {task.task: task for task in record.tasks}
    for row in found.rows:
        if row.origin:
            yield f"its rows were not measured by a run, but are from {row.origin}"
        of_task = {name: getattr(tasks.get(row.task), name, None) for name in _SAME_IN_TASK}
        for name, value in {**stated, **of_task}.items():
            if getattr(row, name) != value:
                yield f"its rows and its record differ in {name}: {getattr(row, name)} and {value}"
        if row.task in tasks and row.eval_seed != _eval_seed(tasks[row.task], row.train_seed):
            yield f"an episode of {row.task} is of a seed outside the protocol: {row.eval_seed}"
    yield from _policy_contradictions(found)


def _eval_seed(task: TaskRecord, seed: int | None) -> int:
    return (0 if seed is None else seed) + task.eval_seed_offset


def _policy_contradictions(found: Submission) -> Iterator[str]:
    digests: dict[Unit, set[str]] = {}
    for row in found.rows:
        digests.setdefault((row.task, row.train_seed), set()).add(row.checkpoint)
    for (task, seed), there in digests.items():
        if len(there) > 1:
            yield f"its rows of {task}, seed {seed}, are of two policies"
        files = found.policy_files((task, seed))
        if files and there != {policy_digest(files)}:
            yield f"its policy of {task}, seed {seed}, is not the one that its rows were measured with"


def policy_digest(files: Mapping[str, bytes]) -> str:
    """SHA-256 over a policy's files but its record, as the record and rows have it."""
    digest = hashlib.sha256()
    for name in sorted(files, key=PurePosixPath):
        if PurePosixPath(name).name != PROVENANCE:
            digest.update(files[name])
    return digest.hexdigest()


def _gaps(found: Submission) -> Iterator[str]:
    """What is missing, twice there, or not asked for."""
    record = found.record
    if record.status != "finished":
        yield f"it is incomplete: its run was not finished ({record.status})"
    if record.episodes < 1:
        yield "it is incomplete: its record asks for no episode"
    seen: dict[tuple[str, str, int | None], list[int]] = {}
    for row in found.rows:
        seen.setdefault((row.task, row.setting, row.train_seed), []).append(row.episode)
    asked = {(task.task, setting, seed) for task, setting, seed in record.cells()}
    if not asked:
        yield "it is incomplete: its record names no cell"
    for cell in seen.keys() - asked:
        yield f"it has rows that its record does not name: {cell[0]}, {cell[1]}, seed {cell[2]}"
    for cell in sorted(asked, key=str):
        episodes = sorted(seen.get(cell, []))
        place = f"{cell[0]}, {cell[1]}, seed {cell[2]}"
        if len(set(episodes)) < len(episodes):
            yield f"an episode of {place} is there twice"
        if outside := [number for number in episodes if not 0 <= number < record.episodes]:
            yield f"episode {outside[0]} of {place} is none that its record asks for"
        if len(episodes) < record.episodes:
            yield f"it is incomplete: {record.episodes - len(episodes)} episodes of {place} are missing"
    yield from _missing_logs(found)


def _missing_logs(found: Submission) -> Iterator[str]:
    record, logs = found.record, found.logs()
    frames = {task.task: task.train_frames for task in record.tasks}
    for task, seed in record.units():
        name = folder_name(task, seed)
        if not record.checkpoints and frames[task] > 0 and name not in logs:
            yield f"it is incomplete: the learning curve of {task}, seed {seed}, is missing"
        if name in logs and not _is_log(logs[name]):
            yield f"the learning curve of {task}, seed {seed}, is damaged"


def _is_log(text: bytes) -> bool:
    """Whether every line is one of a log in JSON, and the last one ends."""
    if text and not text.endswith(b"\n"):
        return False
    try:
        lines = [json.loads(line) for line in text.decode().splitlines() if line]
    except (ValueError, RecursionError):
        return False
    return all(map(is_line, lines))
