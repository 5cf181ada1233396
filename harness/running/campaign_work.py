"""The work of a campaign: jobs of several runs on one launcher; equal trainings are one, a failure stops no other."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import CheckpointError, HarnessError
from harness.results.store import RowStore
from harness.running.adoption import adopt
from harness.running.cells import Cell
from harness.running.equal_trainings import trained_elsewhere, training_key
from harness.running.failures import CellFailure, write_failures
from harness.running.jobs import TrainJob
from harness.running.launchers import Launch, Launcher
from harness.running.plan import RunPlan, TaskPlan
from harness.running.progress import Progress
from harness.running.run_folder import is_trained, train_folder
from harness.running.seeds import made_with
from harness.running.session import NoRowError, Session
from harness.running.training_folder import newest_checkpoint
from harness.running.workers import Event, Job

Unit = tuple[str, int]  # task, seed
FEW_FAILURES, FAILURES_SEC = 100, 5.0  # up to so many are written at once, more of them so often


@dataclass
class Part:
    """One run of a campaign: what it lacks, and what of it has failed."""

    plan: RunPlan
    store: RowStore
    cells: list[Cell]
    failures: list[CellFailure]
    session: Session | None = None
    _written: float = 0.0  # when the failures were, of the monotonic clock

    @functools.cached_property
    def units(self) -> dict[Unit, TaskPlan]:
        """The trainings its cells wait for, those that are done included."""
        return {(cell.plan.task, cell.seed): cell.plan for cell in self.cells if self.plan.trains}

    @functools.cached_property
    def _seeds(self) -> dict[Unit, int | None]:
        """Per task and seed, the seed as rows have it."""
        return {(cell.plan.task, cell.seed): cell.train_seed for cell in self.cells}

    def fail(self, unit: Unit, setting: str | None, error: str) -> None:
        """Keeps that a cell, or, without a setting, a training has failed."""
        failure = CellFailure(task=unit[0], setting=setting, train_seed=self._seeds[unit], error=error)
        if len(self.failures) >= FEW_FAILURES and time.monotonic() - self._written < FAILURES_SEC:
            self.failures.append(failure)  # the whole file is written each time: of thousands, not for every one
        elif failure not in self.failures:
            self.failures.append(failure)
            self.write_failures()

    def write_failures(self) -> None:
        """Writes those that there are, whoever failed first."""
        self.failures[:] = sorted(dict.fromkeys(self.failures), key=CellFailure.place)
        write_failures(self.plan.folder, self.failures)
        self._written = time.monotonic()


@dataclass
class _Training:
    """One training, and the parts that wait for its policy; the first is where it is done."""

    waiting: list[tuple[Part, Unit]] = field(default_factory=list)

    @property
    def home(self) -> tuple[Part, Unit]:
        return self.waiting[0]


class Work:
    """The trainings and evaluations of several runs on one launcher."""

    def __init__(
        self,
        parts: Sequence[Part],
        plans: Sequence[RunPlan],
        checkpoint_sec: float | None,
        quiet: bool,
        say: Callable[[str], None],
    ) -> None:
        self._parts, self._say = parts, say
        self._trained = _trained(plans)
        self._owners: dict[int, tuple[Part, Job]] = {}  # id of a job under way -> whose it is, and the job, kept alive
        self._trainings = self._find_trainings()
        frames = {
            (part.plan.run_id, unit): part.units[unit].train_frames
            for part, unit in (training.home for training in self._trainings.values())
        }
        episodes = sum(len(cell.missing) for part in parts for cell in part.cells)
        self._progress = Progress(train_frames=frames, episodes=episodes, quiet=quiet)
        for part in parts:
            seconds = part.plan.preset.checkpoint_sec if checkpoint_sec is None else checkpoint_sec
            share = _Share(self._progress, part.plan.run_id)
            part.session = Session(part.plan, part.store, part.cells, checkpoint_sec=seconds, progress=share)

    def run(self, launch: Launch) -> None:
        """Runs every job to its end, whatever fails."""
        for training in self._trainings.values():
            self._announce(training)
        workers = max(part.plan.workers for part in self._parts)
        with self._progress, launch(workers, True) as launcher:
            for part in self._parts:
                part_session(part).begin(self._door(part, launcher), self._not_here(part))
            try:
                for event in launcher.events():
                    self._handle(launcher, event)
            finally:
                self._write_failures()

    def _write_failures(self) -> None:
        for part in self._parts:
            if len(part.failures) > FEW_FAILURES:  # some may not be written yet
                part.write_failures()

    def _find_trainings(self) -> dict[tuple[str, int], _Training]:
        """The trainings still to be done; policies of equal ones that are done are taken over at once."""
        groups: dict[tuple[str, int], _Training] = {}
        for part in self._parts:
            for unit, task in part.units.items():
                key = (training_key(part.plan, task), unit[1])
                groups.setdefault(key, _Training()).waiting.append((part, unit))
        return {key: group for key, group in groups.items() if not self._adopted(group)}

    def _adopted(self, training: _Training) -> bool:
        """Whether the policy is there, for all that wait for it; else puts first who has a checkpoint to go on from."""
        training.waiting.sort(key=lambda each: newest_checkpoint(train_folder(each[0].plan, *each[1])) is None)
        part, unit = training.home
        task = part.units[unit]
        folder = self._trained.get((training_key(part.plan, task), unit[1]))
        folder = folder or trained_elsewhere(part.plan.folder.parent, part.plan, task, unit[1])
        if folder is None:
            return False
        self._adopt(training, folder)
        return True

    def _adopt(self, training: _Training, folder: Path) -> list[tuple[Part, Unit]]:
        """Hands a policy to whoever lacks it; returns those."""
        lacking = [(part, unit) for part, unit in training.waiting if not is_trained(part.plan, *unit)]
        for part, unit in lacking:
            adopt(folder, part.plan, part.units[unit], unit[1])
            self._say(
                f"{part.plan.run_id}: {unit[0]}, seed {unit[1]} is trained already, by {folder.parent.parent.name}."
            )
        return lacking

    def _announce(self, training: _Training) -> None:
        part, (name, seed) = training.home
        others = ", ".join(other.plan.run_id for other, _ in training.waiting[1:])
        self._say(f"{part.plan.run_id}: training {name}, seed {seed}" + (f", also for {others}." if others else "."))

    def _not_here(self, part: Part) -> set[Unit]:
        """The trainings that another part does for this one."""
        homes = {(id(t.home[0]), t.home[1]) for t in self._trainings.values()}
        return {unit for unit in part.units if (id(part), unit) not in homes}

    def _door(self, part: Part, launcher: Launcher) -> Any:
        return _Door(self._owners, part, launcher)

    def _handle(self, launcher: Launcher, event: Event) -> None:
        part, _ = self._owners[id(event.job)]
        if event.kind in ("done", "failed"):
            del self._owners[id(event.job)]
        if event.kind == "failed":
            self._fail(part, event.job, event.payload)
            return
        try:
            part_session(part).handle(self._door(part, launcher), event)
            if event.kind == "done" and isinstance(event.job.arguments, TrainJob):
                training = self._training_of(part, event.job)
                for other, unit in self._adopt(training, event.job.arguments.folder):
                    part_session(other).trained(self._door(other, launcher), unit)
        except (NoRowError, CheckpointError) as error:  # what it has left is not there, or damaged
            self._fail(part, event.job, error)

    def _training_of(self, part: Part, job: Job) -> _Training:
        unit = (job.arguments.world.plan.task, job.arguments.world.seed)
        return self._trainings[(training_key(part.plan, part.units[unit]), unit[1])]

    def _fail(self, part: Part, job: Job, error: HarnessError) -> None:
        """Keeps a failure with every run it is one of; the others go on."""
        self._progress.note(f"Failed: {part.plan.run_id}, {job.group}: {error}")
        world = job.arguments.world
        if isinstance(job.arguments, TrainJob):
            for other, unit in self._training_of(part, job).waiting:
                other.fail(unit, None, str(error))
        else:
            part.fail((world.plan.task, world.seed), job.arguments.setting, str(error))


def part_session(part: Part) -> Session:
    """The session of a part that is at work."""
    if part.session is None:
        raise RuntimeError(f"{part.plan.run_id} has not begun.")
    return part.session


def _trained(plans: Sequence[RunPlan]) -> dict[tuple[str, int], Path]:
    """The folders of the trainings that are done in any run of the command, by what makes them equal."""
    return {
        (training_key(plan, task), seed): train_folder(plan, task.task, seed)
        for plan in plans
        if plan.trains
        for task in plan.tasks
        for seed in map(made_with, plan.seeds)
        if is_trained(plan, task.task, seed)
    }


@dataclass(frozen=True)
class _Door:
    """A launcher as one part sees it: jobs that come in are remembered as that part's."""

    owners: dict[int, tuple[Part, Job]]
    part: Part
    launcher: Launcher

    @property
    def chunk(self) -> int | None:
        return self.launcher.chunk

    @property
    def keeps_rows(self) -> bool:
        return self.launcher.keeps_rows

    def submit(self, job: Job) -> None:
        self.owners[id(job)] = (self.part, job)
        self.launcher.submit(job)


@dataclass(frozen=True)
class _Share:
    """The campaign's progress as one of its runs tells it."""

    progress: Progress
    run_id: str

    def trained(self, unit: Unit, num_frames: int) -> None:
        self.progress.trained((self.run_id, unit), num_frames)

    def training_done(self, unit: Unit) -> None:
        self.progress.training_done((self.run_id, unit))

    def evaluating(self) -> None:
        self.progress.evaluating()

    def episode_done(self) -> None:
        self.progress.episode_done()

    def note(self, text: str) -> None:
        self.progress.note(text)
