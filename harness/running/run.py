"""One run: train what is missing, evaluate what is missing, keep every row. Killed at any moment, it resumes."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from harness.errors import UsageError, WorkError
from harness.files import disk_errors
from harness.results.rows import canonical_json, short_hash
from harness.results.store import RowStore
from harness.running import provenance
from harness.running.jobs import EVALUATION_THREADS, EvaluateJob, TrainJob, World, curve_seed
from harness.running.plan import RunPlan, TaskPlan
from harness.running.policies import PolicySource, check_intact, load_policy_source
from harness.running.progress import Progress
from harness.running.record import RunRecord
from harness.running.run_folder import clean, is_trained, leftovers, locked, policy_folder, train_folder
from harness.running.train_log import LOG_FILE, read_train_log
from harness.running.training_folder import check_unfinished, remove_leftovers
from harness.running.workers import Event, Job, WorkerPool

CHUNK = 5  # episodes a worker takes at once: few enough to balance, enough to use what it has loaded


@dataclass(frozen=True)
class Cell:
    """One task, setting and training seed of a run, and the episodes it still lacks."""

    plan: TaskPlan
    setting: str
    seed: int
    missing: tuple[int, ...]


def execute(
    plan: RunPlan,
    *,
    checkpoint_sec: float | None = None,
    quiet: bool = False,
    before_work: Callable[[], None] = lambda: None,
) -> RowStore:
    """Does whatever of the plan is not done yet.

    Args:
      plan: a checked plan.
      checkpoint_sec: least time between two checkpoints of a training, seconds; None takes the preset's.
      quiet: no progress on standard error.
      before_work: called once if anything is to be done, before it; what it raises ends the run as failed.
    Returns:
      The run's rows.
    Raises:
      UsageError: if the run's folder cannot be written or another process is at this run.
      HarnessError: whatever the work ran into; rows finished before are stored.
    """
    store = RowStore(plan.folder / "rows")
    cells = missing_cells(plan, store)
    if not cells:
        settle(plan, store)
        return store
    with locked(plan.folder), _terminating():
        cells = missing_cells(plan, store)
        check_folder(plan, cells)
        record = RunRecord(plan)
        record.write("running")
        try:
            before_work()
            seconds = plan.preset.checkpoint_sec if checkpoint_sec is None else checkpoint_sec
            Session(plan, store, cells, seconds, quiet).run()
            close(plan, store)
        except KeyboardInterrupt:
            record.try_to_write("interrupted")
            raise
        except Exception as error:
            record.try_to_write("failed", error=str(error))
            raise
        record.write("finished")
    return store


def settle(plan: RunPlan, store: RowStore) -> None:
    """Brings the folder of a run that lacks no episode to the state an uninterrupted one ends in.

    Where it cannot be written, or another process is at work on it, it stays as it is: its rows are all there.
    """
    if not open_cells(plan, store) and not leftovers(plan.folder) and not RunRecord(plan).is_owed():
        return
    with contextlib.suppress(UsageError, WorkError), locked(plan.folder):
        close(plan, store)
        if RunRecord(plan).is_owed():
            RunRecord(plan).write("finished")


def close(plan: RunPlan, store: RowStore) -> None:
    """Closes cells whose episodes are all there, and removes what kills have left."""
    with disk_errors(str(plan.folder)):
        for cell in open_cells(plan, store):
            store.complete(*cell)
        clean(plan.folder)


def open_cells(plan: RunPlan, store: RowStore) -> list[tuple[str, str, int]]:
    """(task, setting, seed) of the plan's cells that are not closed, of a run that lacks no episode."""
    cells = [(task.task, setting, seed) for task, setting, seed in planned_cells(plan)]
    return [cell for cell in cells if not store.is_complete(*cell)]


def missing_cells(plan: RunPlan, store: RowStore) -> list[Cell]:
    """The cells that lack episodes, in table order."""
    cells = []
    for task, setting, seed in planned_cells(plan):
        have = store.episodes(task.task, setting, seed)
        missing = tuple(episode for episode in range(plan.episodes) if episode not in have)
        if missing:
            cells.append(Cell(task, setting, seed, missing))
    return cells


def planned_cells(plan: RunPlan) -> list[tuple[TaskPlan, str, int]]:
    """The cells that can be measured: of given policies, only those there are."""
    return [cell for cell in plan.cells() if not plan.policies or (cell[0].task, cell[2]) in plan.policies]


def check_folder(plan: RunPlan, cells: list[Cell]) -> None:
    """Checks what earlier invocations left for these cells, before any work or change.

    Raises:
      CheckpointError: if a policy, or what a training would go on from, is damaged.
    """
    sources = []
    for task, seed in dict.fromkeys((cell.plan.task, cell.seed) for cell in cells if plan.trains):
        folder = train_folder(plan, task, seed)
        if is_trained(plan, task, seed):
            sources.append(load_policy_source(policy_folder(plan, task, seed)))
            sources[-1].check_belongs(plan.agent, task, seed)
        else:
            check_unfinished(folder)
            read_train_log(folder / LOG_FILE)
    check_intact(sources)


def mixed_code(plan: RunPlan, store: RowStore) -> str | None:
    """What to do where more than one revision of the code measures this run; None where it is one.

    A run goes on after the code was changed, as nobody wants to lose days of training to an edit; but its table cannot
    put the two together, and the same command would never mend that.
    """
    cells = [(task.task, setting, seed) for task, setting, seed in plan.cells()]
    measured = {row.code_revision for cell in cells for row in store.rows(*cell)}
    if missing_cells(plan, store):
        measured.add(provenance.code_revision())
    trained: dict[str, set[str]] = {}
    for task, seed in dict.fromkeys((task, seed) for task, _, seed in cells if plan.trains):
        known = is_trained(plan, task, seed)
        conditions = load_policy_source(policy_folder(plan, task, seed)).conditions if known else {}
        trained.setdefault(task, set()).add(conditions.get("code_revision", provenance.code_revision()))
    unlike = set().union(*(revisions for revisions in trained.values() if len(revisions) > 1))
    if len(measured) < 2 and not unlike:
        return None
    kept = " (trained policies stay)" if plan.trains else ""
    remedy = f"{plan.folder} (it trains again)" if unlike else f"{store.folder}{kept}"
    return (
        f"More than one version of the code measures this run ({', '.join(sorted(measured | unlike))}), so its table "
        f"has lines (a), (b): to measure it anew by the code as it is, delete {remedy}, or give another folder with "
        "--runs."
    )


class Session:
    """The work of one invocation: jobs in, rows out."""

    def __init__(self, plan: RunPlan, store: RowStore, cells: list[Cell], checkpoint_sec: float, quiet: bool) -> None:
        self.plan, self.store, self.cells = plan, store, cells
        self._checkpoint_sec = checkpoint_sec
        self._left = {(c.plan.task, c.setting, c.seed): set(c.missing) for c in cells}
        self._trainings = [key for key in self._trained_units() if not is_trained(plan, *key)]
        frames = {task.task: task.train_frames for task in plan.tasks}
        self._progress = Progress(
            train_frames={key: frames[key[0]] for key in self._trainings},
            episodes=sum(len(cell.missing) for cell in cells),
            quiet=quiet,
        )

    def run(self) -> None:
        """Runs every job to its end."""
        with self._progress, WorkerPool(self.plan.workers) as pool:
            for key in self._trained_units():
                if key in self._trainings:
                    pool.submit(self._train_job(*key))
                else:  # a kill may have come between the policy and the cleaning up
                    remove_leftovers(train_folder(self.plan, *key))
            for cell in self.cells:
                if (cell.plan.task, cell.seed) not in self._trainings:
                    self._submit_evaluation(pool, cell)
            for event in pool.events():
                self._handle(pool, event)

    def _trained_units(self) -> list[tuple[str, int]]:
        if not self.plan.trains:
            return []
        return list(dict.fromkeys((cell.plan.task, cell.seed) for cell in self.cells))

    def _handle(self, pool: WorkerPool, event: Event) -> None:
        arguments = event.job.arguments
        if event.kind == "restarted":
            self._progress.note(f"A worker {event.payload}; its work is done again.")
        elif isinstance(arguments, TrainJob):
            key = (arguments.world.plan.task, arguments.world.seed)
            if event.kind == "message":
                self._progress.trained(key, event.payload[1])
            else:
                self._progress.training_done(key)
                for cell in self.cells:
                    if (cell.plan.task, cell.seed) == key:
                        self._submit_evaluation(pool, cell)
        elif event.kind == "message" and event.payload[0] == "row":
            self._keep(event.payload[1])
        elif event.kind == "message":
            self._progress.evaluating()

    def _keep(self, row: Any) -> None:
        key = (row.task, row.setting, row.train_seed)
        if row.episode not in self._left[key]:
            return  # evaluated again because a worker died after it had reported this episode
        with disk_errors(str(self.store.folder)):
            try:
                self.store.append(row)
            except (TypeError, ValueError) as error:
                raise WorkError(
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
        )
        return Job("harness.running.jobs:train", job, group=f"training of {task_name}, seed {seed}")

    def _submit_evaluation(self, pool: WorkerPool, cell: Cell) -> None:
        plan = self.plan
        source = policy_of(plan, cell.plan.task, cell.seed)
        columns = cell_columns(plan, cell, source)
        for first in range(0, len(cell.missing), CHUNK):
            job = EvaluateJob(
                world=self._world(cell.plan, cell.seed),
                setting=cell.setting,
                eval_seed=cell.seed + cell.plan.protocol.eval_seed_offset,
                episodes=cell.missing[first : first + CHUNK],
                policy=source.folder if source else None,
                columns=columns,
            )
            group = f"evaluation of {cell.plan.task}, {cell.setting}, seed {cell.seed}"
            pool.submit(Job("harness.running.jobs:evaluate", job, group=group))


def policy_of(plan: RunPlan, task: str, seed: int) -> PolicySource | None:
    """The trained policy of a task and seed; None for agents without parameters."""
    if plan.policies:
        return plan.policies[(task, seed)]
    return load_policy_source(policy_folder(plan, task, seed)) if plan.trains else None


def training_facts(plan: RunPlan, task: TaskPlan, seed: int) -> dict[str, Any]:
    """What a policy's record says about how it came to be."""
    names = plan.agent.required_assets(plan.agent.configure(task.config))
    found = [plan.found[name] for name in names]
    return {
        "agent": plan.agent.name,
        "agent_version": plan.agent.version,
        "assets": {asset.name: asset.identity for asset in found},
        "compute": f"{plan.device}, threads {plan.threads}",
        "conditions": training_conditions(plan, task),
        "config": dict(task.config),
        "config_hash": task.config_hash,
        "curve_seed": curve_seed(seed),
        "notes": [asset.note for asset in found if asset.note],
        "preset": plan.preset.name,
        "stand_ins": [asset.name for asset in found if asset.stand_in],
        "task": task.task,
        "train_frames": task.train_frames,
        "train_seed": seed,
    }


def training_conditions(plan: RunPlan, task: TaskPlan) -> dict[str, Any]:
    """All that shapes a trained policy except its seed; policies of one cell must agree in it."""
    protocol = task.protocol
    return {
        "action_repeat": protocol.action_repeat[task.task],
        "code_revision": provenance.code_revision(),
        "compute": f"{plan.device}, threads {plan.threads}",
        "config_hash": task.config_hash,
        "curve": [plan.preset.curve_every_frames, plan.preset.curve_episodes],
        "episode_frames": protocol.episode_frames,
        "frame_stack": protocol.frame_stack,
        "image_size": protocol.image_size,
        "packages": provenance.package_versions(),
        "render_profile": plan.profile,
        "suite": plan.suite.name,
        "suite_version": plan.suite.version,
        "train_frames": task.train_frames,
    }


def cell_columns(plan: RunPlan, cell: Cell, source: PolicySource | None) -> dict[str, Any]:
    """The columns that all rows of a cell share."""
    facts = source.facts if source else training_facts(plan, cell.plan, cell.seed)
    found = [plan.found[name] for name in plan.suite.setting(cell.setting).assets]
    stand_ins = dict.fromkeys([*(asset.name for asset in found if asset.stand_in), *facts["stand_ins"]])
    notes = dict.fromkeys([*(asset.note for asset in found if asset.note), *facts["notes"]])
    protocol = cell.plan.protocol
    return {
        "run_id": plan.run_id,
        "suite": plan.suite.name,
        "suite_version": plan.suite.version,
        "task": cell.plan.task,
        "agent": plan.agent.name,
        "agent_version": plan.agent.version,
        "config_hash": cell.plan.config_hash,
        "preset": facts["preset"],
        "train_seed": cell.seed,
        "train_frames": facts["train_frames"],
        "action_repeat": protocol.action_repeat[cell.plan.task],
        "frame_stack": protocol.frame_stack,
        "image_size": protocol.image_size,
        "episode_frames": protocol.episode_frames,
        "render_profile": plan.profile,
        "assets_json": canonical_json({**{asset.name: asset.identity for asset in found}, **facts["assets"]}),
        "stand_ins": ", ".join(stand_ins),
        "notes": "; ".join(notes),
        "training": short_hash(facts["conditions"]) if source else "",
        "checkpoint": source.digest if source else "",
        "packages_json": canonical_json(provenance.package_versions()),
        "compute": f"{facts['compute']}; evaluated on {plan.device}, threads {EVALUATION_THREADS}"
        if plan.agent.learns
        else "cpu",
    }


@contextlib.contextmanager
def _terminating() -> Iterator[None]:
    """A polite kill (a cluster's time limit, say) ends the run as an interrupt does: resumable, and at once."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:  # not the main thread: whoever called us looks after signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
