"""What makes two trainings equal, whatever suites their policies are evaluated in, and where one has been done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from harness.cards import kind_of, without_card
from harness.errors import CheckpointError
from harness.registry import load_suite, suite_names
from harness.results.rows import short_hash
from harness.running.columns import training_facts
from harness.running.plan import RunPlan, TaskPlan
from harness.running.policies import PROVENANCE_FILE, PolicyRecord, load_policy_source
from harness.spec import Suite

# What a suite says of measuring, showing and telling. A training sees none of it: of the protocol it sees numbers,
# which are compared by themselves, and what is held out shows in which pictures were found. Every other field counts,
# those to come included.
NOT_OF_TRAINING = (
    *("name", "version", "tasks", "more_tasks", "settings", "protocol", "description", "source", "published_suite"),
    *("published_note", "views", "held_out", "axes", "frame_rewards", "needs_graphics"),
)


def training_key(plan: RunPlan, task: TaskPlan) -> str:
    """A hash of all that shapes a policy but its seed and the code, which is that of this process; equal trainings
    have equal ones. Suites from a user's own files are equal within one version of all their files at most."""
    protocol = task.protocol
    needed = [*plan.suite.train.assets, *plan.agent.required_assets(plan.agent.configure(task.config))]
    facts = {
        "scene": scene(plan.suite),
        "outside": replace(plan.outside, suite="").digest if plan.outside else "",  # of a suite the scene alone counts
        "agent": [plan.agent_name, plan.agent.version],
        "config": dict(task.config),
        "task": task.task,
        "frames": task.train_frames,
        "protocol": [protocol.action_repeat[task.task], protocol.frame_stack, protocol.image_size],
        "episode": [protocol.episode_frames, plan.suite.protocol.for_task(task.task).episode_frames],
        "assets": {name: plan.found[name].identity for name in needed},
        "compute": [kind_of(plan.device), plan.threads, plan.profile],
        "curve": [plan.preset.name, plan.preset.curve_every_frames, plan.preset.curve_episodes],
    }
    return short_hash(facts)


def scene(suite: Suite) -> dict[str, str]:
    """What a training can see of a suite: its simulator, its training setting, its demonstrations."""
    seen = (field.name for field in fields(suite) if field.name not in NOT_OF_TRAINING)
    return {name: repr(getattr(suite, name)) for name in seen}


def trained_elsewhere(runs: Path, plan: RunPlan, task: TaskPlan, seed: int) -> Path | None:
    """The folder of an equal training that an earlier run below `runs` has done with the code as it is; None if none.

    It may have been done for another of this project's suites, in a run of its own.
    """
    if plan.suite.train.assets or not runs.is_dir():  # no record tells of which files those were
        return None
    for folder in sorted(runs.glob(f"*/train/{task.task}-seed{seed}")):
        if (folder / "policy" / PROVENANCE_FILE).is_file() and folder.parent.parent != plan.folder:
            try:
                source = load_policy_source(folder / "policy")
                if _is_equal(source.record, plan, task, seed):
                    source.check_files()
                    return folder
            except CheckpointError:  # whoever asks for that run is told
                continue
    return None


def _is_equal(record: PolicyRecord, plan: RunPlan, task: TaskPlan, seed: int) -> bool:
    """Whether a policy is what this training would give."""
    if record.record_digest is None or not _same_scene(record, plan.suite):
        return False
    wanted = training_facts(plan, task, seed)
    found = record.model_dump(mode="json")
    found["compute"] = without_card(found["compute"])  # which only who has trained can tell; its rows name it
    same = ("agent", "agent_version", "compute", "config", "config_hash", "preset", "task", "train_seed", "curve_seed")
    if any(found[name] != wanted[name] for name in same):
        return False
    if any(record.assets.get(name) != identity for name, identity in wanted["assets"].items()):
        return False
    return _without_suite(found["conditions"]) == _without_suite(wanted["conditions"])


def _same_scene(record: PolicyRecord, suite: Suite) -> bool:
    """Whether a policy's suite exists here in its version, and trains as this one does."""
    name = record.conditions.suite
    if name not in suite_names():
        return False
    theirs = load_suite(name)
    return theirs.version == record.conditions.suite_version and scene(theirs) == scene(suite)


def _without_suite(conditions: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in conditions.items() if name not in ("suite", "suite_version")}
