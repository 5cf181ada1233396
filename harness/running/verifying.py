"""Playing some of a submission's episodes again, from its own policies, and comparing what comes of it."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import UsageError, WorkError
from harness.registry import agent_names, load_suite, suite_names
from harness.results.certificate import Certificate, compare
from harness.results.packing import is_name
from harness.results.rows import Row
from harness.results.submission import PROVENANCE, Submission, TaskRecord, Unit, folder_name
from harness.running import provenance
from harness.running.cells import Cell
from harness.running.held_rows import HeldRows
from harness.running.plan import RunOptions, RunPlan
from harness.running.planning import make_plan
from harness.running.presets import PRESETS
from harness.running.session import Session

Place = tuple[str, str, int | None, int]  # task, setting, training seed, episode


@dataclass(frozen=True)
class ReplayOptions:
    """How to play again.

    Attributes:
      episodes: how many, drawn over all cells.
      sample_seed: which; one that the sender did not know.
      suite, agent: `package.module:ATTRIBUTE` where the submission names one from outside, as that is code to run.
      assets: folders with third-party files.
      device: auto, cpu, cuda or cuda:1.
      workers: processes; None for one per core.
    """

    episodes: int
    sample_seed: int
    suite: str | None = None
    agent: str | None = None
    assets: str | None = None
    device: str = "auto"
    workers: int | None = None


def verify(submission: Submission, options: ReplayOptions, *, quiet: bool = False) -> Certificate:
    """Plays some episodes again.

    Raises:
      UsageError: if the submission has no policies, or its suite or agent is not known here.
    """
    if options.episodes < 1:
        raise UsageError(f"--episodes must be at least 1, not {options.episodes}.")
    rng = random.Random(options.sample_seed)
    rows = rng.sample(list(submission.rows), min(options.episodes, len(submission.rows)))
    played = replay(submission, rows, options, quiet=quiet)
    pairs = [(row, played[place_of(row)]) for row in rows]
    code = provenance.code_revision()
    return compare(submission.digest, options.sample_seed, len(submission.rows), pairs, code)


def replay(
    submission: Submission,
    rows: Sequence[Row],
    options: ReplayOptions,
    *,
    quiet: bool = False,
    session: Callable[..., Session] = Session,
) -> dict[Place, Row]:
    """The episodes of some rows, played from the submitted policies; `session` makes what plays them.

    Raises:
      UsageError: as `verify`.
      WorkError: if an episode gave no row.
    """
    names = _names(submission, options)
    tasks = {task.task: task for task in submission.record.tasks}
    found = HeldRows()
    with tempfile.TemporaryDirectory(prefix="harness-verify-") as folder:
        for task in dict.fromkeys(row.task for row in rows):
            mine = [row for row in rows if row.task == task]
            plan = _plan(submission, tasks[task], mine, names, options, Path(folder))
            session(plan, found, _cells(plan, mine), quiet=quiet).run()
    played = {place_of(row): row for row in found.rows()}
    if missing := [row for row in rows if place_of(row) not in played]:
        raise WorkError(f"Episode {missing[0].episode} of {missing[0].task}, {missing[0].setting} gave no row.")
    return played


def place_of(row: Row) -> Place:
    """Where an episode stands in its run."""
    return (row.task, row.setting, row.train_seed, row.episode)


def _names(submission: Submission, options: ReplayOptions) -> tuple[str, str]:
    """The names of suite and agent, those from outside only as the user gives them: a submission runs no code."""
    record = submission.record
    found = []
    for kind, given, named, known in (
        ("suite", options.suite, record.suite.asked, suite_names()),
        ("agent", options.agent, record.agent.asked, agent_names()),
    ):
        if given is None and named not in known:
            raise UsageError(
                f"{submission.name} names the {kind} '{named}', which is none of ours; give what it is, if you trust "
                f"that code, as --{kind} package.module:ATTRIBUTE."
            )
        found.append(given or named)
    return found[0], found[1]


def _plan(
    submission: Submission,
    task: TaskRecord,
    rows: Sequence[Row],
    names: tuple[str, str],
    options: ReplayOptions,
    folder: Path,
) -> RunPlan:
    """The plan of one task's episodes."""
    suite = load_suite(names[0])
    own = {setting.name for setting in suite.all_settings}
    protocol = suite.protocol.for_task(suite.check_task(task.task))
    asked = {"action_repeat": protocol.action_repeat[task.task], "frame_stack": protocol.frame_stack}
    asked |= {"image_size": protocol.image_size, "episode_frames": protocol.episode_frames}
    changed = [f"protocol.{n}={getattr(task, n)}" for n, value in asked.items() if getattr(task, n) != value]
    changed += [f"{name}={json.dumps(value)}" for name, value in _settings(submission, task, rows[0]).items()]
    preset = submission.record.preset
    return make_plan(
        RunOptions(
            suite=names[0],
            agent=names[1],
            tasks=(task.task,),
            preset=preset if preset in PRESETS else "paper",
            episodes=1 + max(row.episode for row in rows),
            checkpoint=_unpacked(submission, rows, folder) if task.train_frames else None,
            workers=options.workers,
            device=options.device,
            settings=changed,
            shifts=sorted({row.setting for row in rows} - own),
            profile=submission.record.render_profile,
            assets=options.assets,
            runs=folder / "runs",
        )
    )


def _settings(submission: Submission, task: TaskRecord, row: Row) -> dict[str, Any]:
    """The agent's settings that its policy was not trained with: those of an evaluation."""
    text = submission.policy_files((row.task, row.train_seed)).get(PROVENANCE)
    trained = json.loads(text).get("config", {}) if text else {}
    return {name: value for name, value in task.config.items() if name not in trained or trained[name] != value}


def _cells(plan: RunPlan, rows: Sequence[Row]) -> list[Cell]:
    task = plan.tasks[0]
    episodes: dict[tuple[str, int | None], list[int]] = {}
    for row in rows:
        episodes.setdefault((row.setting, row.train_seed), []).append(row.episode)
    return [Cell(task, setting, seed, tuple(sorted(found))) for (setting, seed), found in episodes.items()]


def _unpacked(submission: Submission, rows: Sequence[Row], folder: Path) -> Path:
    """A folder with the policies of some rows of one task."""
    units: list[Unit] = list(dict.fromkeys((row.task, row.train_seed) for row in rows))
    place = folder / f"policies-{len(list(folder.iterdir()))}"
    for unit in units:
        files = submission.policy_files(unit)
        if not files:
            raise UsageError(
                f"{submission.name} holds no policy of {unit[0]}, seed {unit[1]}, so nothing can be played again: "
                "it was made without --policies."
            )
        for name, data in files.items():
            if not is_name(name):
                raise UsageError(f"{submission.name} has a file of a policy that leads out of its folder: '{name}'.")
            target = place / folder_name(*unit).replace("%", "_") / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
    return place
