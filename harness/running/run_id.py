"""The hash that names a run, and that of an agent with its settings: same facts, same name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.agent import AgentSpec
from harness.assets.found import FoundAsset
from harness.cards import kind_of
from harness.results.rows import short_hash
from harness.running import provenance
from harness.running.asset_lookup import agent_assets
from harness.running.plan import RunPlan, TaskPlan
from harness.running.policies import PolicySource
from harness.running.user_files import UserFiles
from harness.spec import Protocol


def run_id(plan: RunPlan, own_assets: Sequence[str]) -> str:
    """Same facts, same run: tasks, seeds, episodes and added settings may grow within a run, nothing else may."""
    names = dict.fromkeys([*own_assets, *(agent_assets(plan.agent, plan.tasks) if plan.trains else ())])
    facts = {
        "suite": [plan.suite.name, plan.suite.version],
        "agent": [plan.agent_name, plan.agent.version],
        "hashes": [[task.task, task.config_hash] for task in plan.tasks],
        "protocol": [[_numbers(task.protocol), task.protocol.action_repeat[task.task]] for task in plan.tasks],
        "assets": {name: plan.found[name].identity for name in names},
        "policies": sorted([*key, source.digest] for key, source in plan.policies.items()),
        "compute": [kind_of(plan.device), plan.threads, plan.profile],
        "packages": provenance.package_versions(),
    }
    label = re.sub(r"[^A-Za-z0-9_.-]+", "-", f"{plan.suite.name}-{plan.agent.name}")
    mode = "checkpoint" if plan.policies else plan.preset.name if plan.handed is None else "python"
    return f"{label}-{mode}-{short_hash(facts)[:8]}"


def _numbers(protocol: Protocol) -> list[int]:
    return [protocol.frame_stack, protocol.image_size, protocol.episode_frames, protocol.eval_seed_offset]


def with_config_hash(
    plan: TaskPlan,
    agent: AgentSpec,
    found: Mapping[str, FoundAsset],
    source: PolicySource | None,
    outside: UserFiles | None,
) -> TaskPlan:
    """The hash covers what an agent is and was trained with; suite and protocol have columns of their own.

    Agents and suites from a user's own files count by all that they are made of, as they have no version we know.
    """
    names = agent.required_assets(agent.configure(plan.config))
    assets = source.record.assets if source else {name: found[name].identity for name in names}
    facts = [
        agent.name,
        agent.version,
        dict(plan.config),
        plan.train_frames,
        assets,
        {"outside": outside.digest} if outside else {},
    ]
    return replace(plan, config_hash=short_hash(facts))
