"""From suites and agents to the plans of a campaign: one per pair, each the plan of a command of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.errors import UsageError
from harness.registry import load_agent
from harness.running.plan import RunOptions, RunPlan
from harness.running.planning import make_plan
from harness.running.user_files import files_for


def make_plans(options: RunOptions, suites: Sequence[str], agents: Sequence[str]) -> list[RunPlan]:
    """Checks everything and plans every suite with every agent, suites in order; writes nothing.

    Args:
      options: what holds for all; its own suite and agent are not looked at. Training seeds and budgets are those of
        the agents that have any.
      suites: names, at least one.
      agents: names, at least one.
    Raises:
      UsageError: (or one of its kinds) in one sentence, for whatever cannot be.
    """
    for kind, names in (("suite", suites), ("agent", agents)):
        if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
            raise UsageError(f"--{kind} {twice[0]} is given twice: one table holds it once.")
    if options.checkpoint is not None and len(agents) > 1:
        raise UsageError(
            f"--checkpoint holds policies of one agent, and --agent names {len(agents)}: give one agent, or leave "
            "--checkpoint out."
        )
    pairs = [(suite, agent) for suite in suites for agent in agents]
    if len(pairs) == 1:
        return [make_plan(replace(options, suite=suites[0], agent=agents[0]))]
    plans = [make_plan(_of_one(options, suite, agent, agents)) for suite, agent in pairs]
    _check_different(plans)
    return plans


def _of_one(options: RunOptions, suite: str, agent: str, agents: Sequence[str]) -> RunOptions:
    """The options of one pair: without seeds and budgets where this agent has none and another of the command has."""
    own, all_of_them = load_agent(agent), [load_agent(name) for name in agents]
    seeds = options.seeds if own.seeded or not any(other.seeded for other in all_of_them) else None
    frames = options.frames if own.learns or not any(other.learns for other in all_of_them) else None
    files = files_for(agent, agents, options.agent_files)
    return replace(options, suite=suite, agent=agent, seeds=seeds, frames=frames, agent_files=files)


def _check_different(plans: Sequence[RunPlan]) -> None:
    """Refuses two names of one suite, or of one agent, in whatever spelling."""
    seen: dict[tuple[str, str], RunPlan] = {}
    for plan in plans:
        other = seen.setdefault((plan.suite.name, plan.agent.name), plan)
        if other is not plan:
            raise UsageError(
                f"{other.agent_name} on {other.suite_name} and {plan.agent_name} on {plan.suite_name} are both called "
                f"{plan.agent.name} on {plan.suite.name}, and one table cannot tell them apart: give one a name of its "
                "own."
            )
