"""What stands in rows and in policies' records about how they came to be: the same for all episodes of a cell."""

from __future__ import annotations

from typing import Any

from harness.cards import kind_of
from harness.results.rows import canonical_json, short_hash
from harness.running import provenance
from harness.running.cells import Cell
from harness.running.jobs import curve_seed
from harness.running.plan import RunPlan, TaskPlan
from harness.running.policies import PolicySource
from harness.running.threads import EVALUATION_THREADS


def training_facts(plan: RunPlan, task: TaskPlan, seed: int) -> dict[str, Any]:
    """What a policy's record says about how it came to be."""
    names = plan.agent.required_assets(plan.agent.configure(task.config))
    found = [plan.found[name] for name in names]
    return {
        "agent": plan.agent.name,
        "agent_version": plan.agent.version,
        "assets": {asset.name: asset.identity for asset in found},
        "compute": f"{kind_of(plan.device)}, threads {plan.threads}",
        "conditions": training_conditions(plan, task),
        "config": dict(task.config),
        "config_hash": task.config_hash,
        "curve_seed": curve_seed(seed),
        "notes": [*(asset.note for asset in found if asset.note), *plan.agent.configure(task.config).notes()],
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
        "compute": f"{kind_of(plan.device)}, threads {plan.threads}",
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
    seen = ["acts on states, not on pictures"] if plan.agent.observes == "states" else []
    seen += plan.agent.configure(cell.plan.config).evaluation_notes()
    notes = dict.fromkeys([*seen, *(asset.note for asset in found if asset.note), *facts["notes"]])
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
        "train_seed": cell.train_seed,
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
        "compute": _compute(plan, facts["compute"]),
    }


def _compute(plan: RunPlan, trained_on: str) -> str:
    """Devices and threads that an action passed through."""
    if plan.handed is not None:
        return "policy from outside"  # whose threads and device are its own
    return (
        f"{trained_on}; evaluated on {kind_of(plan.device)}, threads {EVALUATION_THREADS}"
        if plan.agent.learns
        else "cpu"
    )
