"""How far runs are, from their folders alone: what is done, under way, failed and left, and how long that may take."""

from __future__ import annotations

import itertools
import os
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from harness.errors import HarnessError, UsageError
from harness.reading import parse_json, read_json
from harness.refusals import in_one_sentence
from harness.results.damage import CorruptRowsError
from harness.results.store import Cell, RowStore
from harness.running.failures import Failed, read_failures
from harness.running.progress import span
from harness.running.record import RECORD_FILE
from harness.running.run_folder import LOCK_FILE
from harness.running.seeds import made_with
from harness.running.slurm_runs import runs_with_jobs
from harness.running.train_log import LOG_FILE, LogLine
from harness.running.training_folder import has_policy

PAUSE = 10  # times the usual distance of two finished cells: a longer one was no work
NO_JOBS = "None of its Slurm jobs waits or runs any more: the same command takes in what they did, and goes on."
TAIL_BYTES = 1 << 16  # of a log; no line of it is longer


class _Task(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)

    task: str
    train_frames: int


class _Recorded(BaseModel):
    """What a record tells of how much was asked for."""

    model_config = ConfigDict(strict=True, frozen=True)

    run_id: str
    status: str
    seeds: list[int | None]
    episodes: int
    settings: list[str]
    tasks: list[_Task]
    checkpoints: dict[str, str]  # "task seed s" -> folder
    workers: int

    def cells(self) -> Iterator[Cell]:
        """(task, setting, seed) of every cell."""
        for task in self.tasks:
            for seed in self.seeds:
                if not self.checkpoints or f"{task.task} seed {made_with(seed)}" in self.checkpoints:
                    yield from ((task.task, setting, seed) for setting in self.settings)


@dataclass(frozen=True)
class RunStatus:
    """How far one run is.

    Attributes:
      state: "done", "running" (a command is at it), "failed" (what is left was tried), "detached" (its jobs are
        with a cluster), "stopped", or "damaged" (its record or a cell; the note says what).
      cells: asked for; each is one of `done`, `failed`, `running` (has some of its episodes) and left.
      left_sec: estimate of the time left, seconds; None where nothing tells the pace.
      note: what is wrong, or "".
    """

    run: str
    state: str
    cells: int = 0
    done: int = 0
    running: int = 0
    failed: int = 0
    trainings: int = 0
    trained: int = 0
    left_sec: float | None = None
    note: str = ""

    @property
    def left(self) -> int:
        """Cells that nobody has begun."""
        return self.cells - self.done - self.running - self.failed

    def shown(self) -> dict[str, Any]:
        """The run as a line of a list."""
        about = "" if self.left_sec is None else f"about {span(self.left_sec)}" if self.left_sec else ""
        trained = f"{self.trained}/{self.trainings}" if self.trainings else "-"
        counts = {"done": self.done, "running": self.running, "failed": self.failed, "left": self.left}
        return {
            "run": self.run,
            "state": self.state,
            **counts,
            "trained": trained,
            "time_left": about,
            "note": self.note,
        }


def statuses(runs: Path) -> list[RunStatus]:
    """The runs below a folder, or the one whose folder it is, by name.

    Raises:
      UsageError: if there is none.
    """
    folders = [runs] if (runs / RECORD_FILE).exists() else sorted(path.parent for path in runs.glob(f"*/{RECORD_FILE}"))
    if not folders:
        raise UsageError(f"There are no runs in {runs}: no folder in it has a {RECORD_FILE}.")
    held = _locked_files()
    found = [_status(folder, held) for folder in folders]
    return _asked(found, folders[0].parent / "slurm") if any(run.state == "detached" for run in found) else found


def _asked(runs: list[RunStatus], slurm: Path) -> list[RunStatus]:
    """The same after a look at Slurm, if it can be asked here: whether jobs of those that were left are there still."""
    if (with_jobs := runs_with_jobs(slurm)) is None:
        return runs
    over = {run.run for run in runs if run.state == "detached" and run.run not in with_jobs}
    return [replace(run, state="stopped", note=run.note or NO_JOBS) if run.run in over else run for run in runs]


def _status(folder: Path, held: set[tuple[int, int]]) -> RunStatus:
    try:
        record = read_json(folder / RECORD_FILE, _Recorded)
        failures = read_failures(folder)
    except HarnessError as error:
        return RunStatus(folder.name, "damaged", note=str(error))
    cells = list(record.cells())
    counted, lacking, damaged = _counted(folder, record, cells)
    done = {cell for cell in cells if counted.get(cell, 0) >= record.episodes}
    lost = Failed(failures)
    failed = {cell for cell in cells if cell not in done and lost.has(*cell)}
    running = {cell for cell in cells if cell in counted} - done - failed
    logs = _trainings(folder, record)
    state = "running" if _is_held(folder, held) else _resting(len(cells) - len(done), record.status, damaged)
    remaining = [cell for cell in cells if cell not in done and cell not in failed]
    return RunStatus(
        run=folder.name,
        state=state,
        cells=len(cells),
        done=len(done),
        running=len(running),
        failed=len(failed),
        trainings=len(logs),
        trained=sum(log.is_done for log in logs),
        left_sec=_left_sec(folder, record, logs, len(remaining)) if remaining else 0.0,
        note=_first_of([*damaged, *lacking]) or (failures[0].error if failed else ""),
    )


def _first_of(problems: list[str]) -> str:
    more = f" So it is with {len(problems) - 1} more." if len(problems) > 1 else ""
    return problems[0] + more if problems else ""


def _resting(lacking: int, recorded: str, damaged: list[str]) -> str:
    """The state of a run that no command is at."""
    if damaged:
        return "damaged"
    if not lacking:
        return "done"
    return recorded if recorded in ("failed", "detached") else "stopped"


def _counted(folder: Path, record: _Recorded, cells: list[Cell]) -> tuple[dict[Cell, int], list[str], list[str]]:
    """How many episodes of each cell are stored.

    A finished run has closed its cells with all episodes: a file that is as it was written is not decoded.

    Returns:
      the counts; then sentences about cells that a finished run lacks, and about what is damaged.
    """
    store, finished = RowStore(folder / "rows"), record.status == "finished"
    if store.folder.exists() and not store.folder.is_dir():
        return {}, [], [f"{store.folder} is not a folder, as a run keeps in this place: move it away."]
    stored = set(store.cells())
    counted: dict[Cell, int] = {}
    lacking, damaged = [], []
    for cell in cells:
        try:
            if cell in stored:
                counted[cell] = record.episodes if finished and store.is_as_written(*cell) else store.count(*cell)
        except (CorruptRowsError, OSError) as error:
            damaged.append(str(in_one_sentence(error)))
            continue
        if finished and counted.get(cell, 0) < record.episodes:
            lacking.append(f"{_named(cell)} lacks episodes, although the run was finished: the same command goes on.")
    return counted, lacking, damaged


def _named(cell: Cell) -> str:
    task, setting, seed = cell
    return f"{task}, {setting}" + ("" if seed is None else f", seed {seed}")


@dataclass(frozen=True)
class _Training:
    frames: int
    budget: int
    elapsed_sec: float
    is_done: bool


def _trainings(folder: Path, record: _Recorded) -> list[_Training]:
    """The trainings of a run and how far each is; none where it only evaluates."""
    found = []
    for task in record.tasks if not record.checkpoints else ():
        for seed in record.seeds if task.train_frames else ():
            training = folder / "train" / f"{task.task}-seed{made_with(seed)}"
            is_done = has_policy(training)
            frames, seconds = _last(training / LOG_FILE)
            found.append(_Training(task.train_frames if is_done else frames, task.train_frames, seconds, is_done))
    return found


def _last(log: Path) -> tuple[int, float]:
    """Frames and seconds at the last whole line of a log; zeros before the first."""
    try:
        with open(log, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL_BYTES))
            lines = file.read().split(b"\n")[:-1]
        line = parse_json(lines[-1], LogLine, str(log))
    except (OSError, IndexError, HarnessError):
        return 0, 0.0
    return line.num_frames, line.elapsed_sec


def _left_sec(folder: Path, record: _Recorded, trainings: list[_Training], cells: int) -> float | None:
    """Estimate: what is left of training at the pace of all so far, side by side; then cells at theirs."""
    left = [training for training in trainings if not training.is_done]
    frames = sum(max(0, training.budget - training.frames) for training in left)
    measured = [training for training in trainings if training.elapsed_sec > 0 and training.frames > 0]
    per_cell = _cell_sec(folder / "rows")
    if (frames and not measured) or per_cell is None:
        return None
    pace = sum(t.frames for t in measured) / sum(t.elapsed_sec for t in measured) if frames else 1.0
    return frames / pace / max(1, min(record.workers, len(left))) + cells * per_cell


def _cell_sec(rows: Path) -> float | None:
    """Time between two cells that were finished one after the other, seconds, pauses left out; None before three."""
    times = sorted(path.lstat().st_mtime for path in rows.glob("*.parquet")) if rows.is_dir() else []
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    if len(gaps) < 2:
        return None
    longest = PAUSE * statistics.median(gaps)
    kept = [gap for gap in gaps if gap <= longest]
    return sum(kept) / len(kept) if kept else None


def _is_held(folder: Path, held: set[tuple[int, int]]) -> bool:
    try:
        found = (folder / LOCK_FILE).stat()
    except OSError:
        return False
    return (found.st_dev, found.st_ino) in held


def _locked_files() -> set[tuple[int, int]]:
    """(device, inode) of what processes here hold locks on; asking for a lock would disturb one that starts."""
    try:
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return set()
    found = set()
    for fields in (line.split() for line in lines if "FLOCK" in line and "->" not in line):
        major, minor, inode = fields[5].split(":")
        found.add((os.makedev(int(major, 16), int(minor, 16)), int(inode)))
    return found


def total(runs: list[RunStatus]) -> Mapping[str, Any]:
    """The sums over runs."""
    known = [run.left_sec for run in runs if run.left_sec is not None]
    names = ("cells", "done", "running", "failed", "trainings", "trained")
    sums: dict[str, Any] = {name: sum(getattr(run, name) for run in runs) for name in names}
    state = "done" if sums["done"] == sums["cells"] else ""
    return RunStatus("all", state, **sums, left_sec=sum(known) if len(known) == len(runs) else None).shown()
