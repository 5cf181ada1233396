"""The plan of an evaluation that was asked for from Python: of a suite and a policy that are objects, not names."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.agent import AgentSpec
from harness.assets.digests import sha256_of
from harness.assets.store import AssetStore
from harness.errors import UsageError
from harness.reading import read_json
from harness.results.rows import short_hash
from harness.running.asset_lookup import find_assets
from harness.running.handed import Handed
from harness.running.late_files import as_they_are, recorded
from harness.running.plan import RunPlan, TaskPlan
from harness.running.presets import Preset
from harness.running.record import RECORD_FILE, NamedRun
from harness.running.run_folder import LOCK_FILE
from harness.running.run_id import run_id
from harness.running.user_files import UserFiles, named_files, said_by
from harness.spec import Protocol, Suite, check_profile

NO_PRESET = Preset(
    name="",  # as rows of a policy that none trained say
    description="",
    train_frames=None,
    eval_episodes=None,
    num_seeds=1,
    curve_every_frames=0,
    curve_episodes=0,
    threads=1,
    checkpoint_sec=0.0,
    stand_ins=True,
)


@dataclass(frozen=True)
class Shown:
    """What a call measures on.

    Attributes:
      suite: its settings are those of the call and the training setting, in table order.
      settings: names of those that are measured.
      tasks: that are measured.
      protocols: of every task the suite has, so that a kept run may grow by tasks.
    """

    suite: Suite
    settings: tuple[str, ...]
    tasks: tuple[str, ...]
    protocols: Mapping[str, Protocol]


@dataclass(frozen=True)
class Call:
    """An evaluation as asked for, its numbers checked.

    Attributes:
      shown: what it measures on.
      policy: what acts.
      name: what the rows call the policy.
      identity: what tells it from others of its name; None for a call of its own, unless the policy says it itself.
      agent_files: files and folders that it is made of, too.
      episodes: per task and setting.
      eval_seed: the stream of episodes.
      workers: processes; None for this one.
      profile: render profile.
      store: where third-party files are found.
    """

    shown: Shown
    policy: Any
    name: str
    identity: str | None
    agent_files: Sequence[str]
    episodes: int
    eval_seed: int
    workers: int | None
    profile: str
    store: AssetStore


def plan_call(call: Call, folder: Path | None) -> RunPlan:
    """The plan of a call.

    Args:
      call: what was asked for.
      folder: where its rows are kept; None for nowhere.
    Raises:
      UsageError: for what cannot act, cannot be sent to workers, or is not what the folder holds.
    """
    check_profile(call.profile)
    shown, handed = call.shown, Handed(call.shown.suite, call.policy)
    if call.workers is not None:
        handed.check_portable()
    outside = _made_of(call)
    identity = short_hash([call.name, *_told(call, outside)])
    tasks = [
        TaskPlan(task, {}, identity, 0, replace(protocol, eval_seed_offset=call.eval_seed))
        for task, protocol in shown.protocols.items()
    ]
    plan = RunPlan(
        run_id="",
        folder=folder or Path(),
        suite=shown.suite,
        suite_name=shown.suite.name,
        shifts=(),
        agent=_spec(call.name),
        agent_name=call.name,
        preset=NO_PRESET,
        tasks=tuple(tasks),
        settings=shown.settings,
        seeds=(None,),
        episodes=call.episodes,
        workers=0 if call.workers is None else call.workers,
        threads=1,
        device="cpu",
        profile=call.profile,
        store=call.store,
        found=find_assets(call.store, shown.suite),
        policies={},
        handed=handed,
    )
    chosen = tuple(task for name in shown.tasks for task in tasks if task.task == name)
    if folder is None:
        return replace(plan, tasks=chosen)
    named = run_id(plan, ())
    _check_same(folder, named)
    return replace(plan, run_id=named, tasks=chosen, outside=outside)


def _made_of(call: Call) -> UserFiles:
    """What is known of the policy: the files that were named, and what it says of itself.

    Raises:
      UsageError: if a file is not there, or nothing else tells this policy from another of the same files.
    """
    files = {path: sha256_of(path) for path in sorted(named_files(call.agent_files, "agent_files="))}
    said = said_by(call.policy, "the policy")
    if files and not (said or call.identity):
        raise UsageError("agent_files= goes with identity=, or a policy that has an identity(): files are not all.")
    return UserFiles(Path(), files, said)


def _told(call: Call, outside: UserFiles) -> list[str]:
    """What tells the policy from others of its name."""
    if not (call.identity or outside.said):
        return [uuid.uuid4().hex]
    return [call.identity or "", *([outside.digest] if outside.said or outside.files else [])]


def _spec(name: str) -> AgentSpec:
    """Declares the policy as far as rows and records say it."""
    return AgentSpec(
        name=name,
        version=0,
        maker="",
        description="a policy handed over from Python",
        source="",
        learns=False,
        seeded=False,
        ready_made=True,
    )


def _check_same(folder: Path, named: str) -> None:
    """Refuses a folder that holds another run, something else, or rows of files that the policy read and that changed.

    Raises:
      UsageError: in one sentence.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UsageError(f"save= takes a folder, and {folder} is a file.")
    try:
        stored = read_json(folder / RECORD_FILE, NamedRun).run_id
    except FileNotFoundError:
        if others := sorted(path.name for path in folder.iterdir() if path.name != LOCK_FILE):
            raise UsageError(
                f"save= takes a new folder or one that it has kept a run in, and {folder} has '{others[0]}' in it."
            ) from None
        return
    if stored != named:
        raise UsageError(
            f"{folder} keeps another run ({stored}, not {named}): its policy, its identity=, the suite, numbers or "
            "packages were others. Give another folder, or what it was made with."
        )
    known = recorded(folder)
    for path, digest in as_they_are(known).items():
        if digest != known[path]:
            raise UsageError(
                f"{folder} keeps another run: {path}, which its policy read, has changed since. Give another folder."
            )
