"""The work of one invocation: jobs for the workers in, rows into the run's folder out."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from harness.errors import WorkError
from harness.files import disk_errors
from harness.results.damage import CorruptRowsError
from harness.results.store import RowStore
from harness.running.cells import Cell
from harness.running.columns import cell_columns, training_facts
from harness.running.evaluation import EvaluateJob, Failure
from harness.running.jobs import TrainJob
from harness.running.late_files import LateFiles
from harness.running.launchers import Launch, Launcher, local
from harness.running.plan import RunPlan, TaskPlan
from harness.running.policies import PolicySource, load_policy_source
from harness.running.progress import Progress
from harness.running.run_folder import is_trained, policy_folder, train_folder
from harness.running.training_folder import remove_leftovers
from harness.running.workers import Event, Job
from harness.running.world import World


class NoRowError(WorkError):
    """An episode gave what is no valid row, or none that can be read where it was played."""


class Session:
    """The work of one invocation: jobs in, rows out.

    Args:
      plan: what is asked for.
      store: where rows go.
      cells: those of the plan that lack episodes.
      checkpoint_sec: least time between two checkpoints of a training, seconds.
      quiet: no progress on standard error.
      on_failure: told of every episode in which the policy fails, and the work goes on; None: the first ends it.
      progress: what is told how far it is; None for one of its own.
    """

    evaluation = "harness.running.evaluation:evaluate"  # what a worker does with an `EvaluateJob`

    def __init__(
        self,
        plan: RunPlan,
        store: RowStore,
        cells: list[Cell],
        *,
        checkpoint_sec: float = 0.0,
        quiet: bool = False,
        on_failure: Callable[[Failure], None] | None = None,
        progress: Any = None,
    ) -> None:
        self.plan, self.store, self.cells = plan, store, cells
        self._checkpoint_sec, self._on_failure = checkpoint_sec, on_failure
        self._late = LateFiles(plan.folder, plan.outside.late if plan.outside else {})
        self._left = {(c.plan.task, c.setting, c.train_seed): set(c.missing) for c in cells}
        self._of_unit: dict[tuple[str, int], list[Cell]] = {}
        for cell in cells:
            self._of_unit.setdefault((cell.plan.task, cell.seed), []).append(cell)
        self.trainings = [key for key in self._trained_units() if not is_trained(plan, *key)]
        frames = {task.task: task.train_frames for task in plan.tasks}
        self._progress = progress or Progress(
            train_frames={key: frames[key[0]] for key in self.trainings},
            episodes=sum(len(cell.missing) for cell in cells),
            quiet=quiet,
        )

    def run(self, launch: Launch = local) -> None:
        """Runs every job to its end."""
        with self._progress, launch(self.plan.workers, False) as launcher:
            self.begin(launcher)
            for event in launcher.events():
                self.handle(launcher, event)

    def begin(self, launcher: Launcher, elsewhere: Collection[tuple[str, int]] = ()) -> None:
        """Submits what can be done at once; `elsewhere`: trainings (task, seed) that another session does."""
        waiting = set(self.trainings)
        for key in self._trained_units():
            if key not in waiting:  # a kill may have come between the policy and the cleaning up
                remove_leftovers(train_folder(self.plan, *key))
            elif key not in elsewhere:
                launcher.submit(self._train_job(*key))
        for cell in self.cells:
            if (cell.plan.task, cell.seed) not in waiting:
                self._submit_evaluation(launcher, cell)

    def trained(self, launcher: Launcher, key: tuple[str, int]) -> None:
        """The policy of a task and seed is there: submits what waited for it."""
        for cell in self._of_unit.get(key, ()):
            self._submit_evaluation(launcher, cell)

    def _trained_units(self) -> list[tuple[str, int]]:
        return list(self._of_unit) if self.plan.trains else []

    def handle(self, launcher: Launcher, event: Event) -> None:
        """Takes in what one of its jobs said.

        Raises:
          NoRowError: if an episode gave no valid row.
          CheckpointError: if a training is done and its policy is damaged, or not there.
        """
        arguments = event.job.arguments
        if event.kind == "restarted":
            self._progress.note(f"A worker {event.payload}; its work is done again.")
        elif event.kind == "message" and event.payload[0] == "late":
            self._late.add(event.payload[1])
        elif isinstance(arguments, TrainJob):
            key = (arguments.world.plan.task, arguments.world.seed)
            if event.kind == "message":
                if event.payload[1] is not None:  # else a sign of life from a worker that collects
                    self._progress.trained(key, event.payload[1])
            else:
                self._progress.training_done(key)
                self.trained(launcher, key)
        elif event.kind == "done":
            self._collect(arguments)
        elif event.kind == "message" and event.payload[0] == "row":
            self._keep(event.payload[1])
        elif event.kind == "message" and event.payload[0] == "failure" and self._on_failure is not None:
            self._on_failure(event.payload[1])
        elif event.kind == "message":
            self._progress.evaluating()

    def _collect(self, job: EvaluateJob) -> None:
        """Counts the rows of an evaluation that has kept them itself."""
        if job.rows is None:
            return
        key = (job.world.plan.task, job.setting, job.columns["train_seed"])
        try:
            stored = self.store.episodes(*key)
        except CorruptRowsError as error:
            raise NoRowError(str(error)) from error
        if missing := set(job.episodes) - stored:
            raise NoRowError(f"Episodes {sorted(missing)} of {key} were played and are not in {job.rows}.")
        for episode in job.episodes:
            self._left[key].discard(episode)
            self._progress.episode_done()

    def _keep(self, row: Any) -> None:
        key = (row.task, row.setting, row.train_seed)
        if row.episode not in self._left[key]:
            return  # evaluated again because a worker died after it had reported this episode
        with disk_errors(str(self.store.folder)):
            try:
                self.store.append(row)
            except (TypeError, ValueError) as error:
                raise NoRowError(
                    f"Episode {row.episode} of {row.task}, {row.setting} gave no valid row: {error}"
                ) from error
            self._left[key].remove(row.episode)
            if not self._left[key]:
                self.store.complete(*key)
        self._progress.episode_done()

    def _world(self, task: TaskPlan, seed: int) -> World:
        plan = self.plan
        return World(
            suite_name=plan.suite_name,
            shifts=plan.shifts,
            agent_name=plan.agent_name,
            plan=task,
            seed=seed,
            store=plan.store,
            identities={name: found.identity for name, found in plan.found.items()},
            device=plan.device,
            profile=plan.profile,
            handed=plan.handed,
            outside=plan.outside,
        )

    def _train_job(self, task_name: str, seed: int) -> Job:
        plan = self.plan
        task = next(task for task in plan.tasks if task.task == task_name)
        job = TrainJob(
            world=self._world(task, seed),
            folder=train_folder(plan, task_name, seed),
            threads=plan.threads,
            facts=training_facts(plan, task, seed),
            checkpoint_sec=self._checkpoint_sec,
            curve_every_frames=plan.preset.curve_every_frames,
            curve_episodes=plan.preset.curve_episodes,
            collectors=max(1, plan.workers // len(self.trainings)),
        )
        return Job("harness.running.jobs:train", job, group=f"training of {task_name}, seed {seed}")

    def _submit_evaluation(self, launcher: Launcher, cell: Cell) -> None:
        plan = self.plan
        source = policy_of(plan, cell.plan.task, cell.seed)
        columns = cell_columns(plan, cell, source)
        chunk = launcher.chunk or len(cell.missing)
        for first in range(0, len(cell.missing), chunk):
            job = EvaluateJob(
                world=self._world(cell.plan, cell.seed),
                setting=cell.setting,
                eval_seed=cell.seed + cell.plan.protocol.eval_seed_offset,
                episodes=cell.missing[first : first + chunk],
                policy=source.folder if source else None,
                columns=columns,
                goes_on=self._on_failure is not None,
                rows=self.store.folder if launcher.keeps_rows else None,
            )
            group = f"evaluation of {cell.plan.task}, {cell.setting}, seed {cell.seed}"
            launcher.submit(Job(self.evaluation, job, group=group))


def policy_of(plan: RunPlan, task: str, seed: int) -> PolicySource | None:
    """The trained policy of a task and seed; None for agents without parameters."""
    if plan.policies:
        return plan.policies[(task, seed)]
    return load_policy_source(policy_folder(plan, task, seed)) if plan.trains else None
