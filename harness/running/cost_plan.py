"""What is measured when costs are asked for; every wrong name, number or combination ends here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.assets.store import AssetStore
from harness.errors import UsageError
from harness.registry import load_agent, load_suite
from harness.running.asset_lookup import check_agent_assets, look_up
from harness.running.device import choose_device
from harness.running.plan import RunOptions
from harness.running.planning import check_task, plan_task
from harness.running.presets import load_preset
from harness.spec import check_profile

if TYPE_CHECKING:
    from harness.running.world import World


def plan_costs(
    agents: Sequence[str],
    suite_name: str,
    task: str | None,
    settings: Sequence[str],
    *,
    device: str,
    profile: str,
    assets: str | None,
) -> list[World]:
    """The worlds that agents are measured in: the published settings, stand-ins for absent third-party files.

    Raises:
      UsageError: (or one of its kinds) in one sentence, for whatever cannot be.
    """
    from harness.running.needs import check_states
    from harness.running.world import World

    suite = load_suite(suite_name)
    name = suite.check_task(task or suite.tasks[0])
    check_profile(profile)
    chosen = choose_device(device)
    store = AssetStore.from_environment(assets, allow_stand_ins=True, held_out=suite.held_out)
    worlds = []
    for agent_name in agents:
        agent = load_agent(agent_name)
        check_states(agent, suite)
        if not agent.learns:
            raise UsageError(f"Agent {agent.name} does not learn: there is no iteration to measure.")
        options = RunOptions(suite=suite_name, agent=agent_name, settings=settings)
        plan = plan_task(options, suite, agent, load_preset("paper"), name, {})
        check_task(options, suite, agent, plan)
        found = {asset: look_up(store, asset) for asset in agent.required_assets(agent.configure(plan.config))}
        check_agent_assets(agent, [plan], found, (), [name])
        worlds.append(
            World(suite_name, (), agent_name, plan, 0, store, {}, "cpu" if agent.cpu_only else chosen, profile)
        )
    return worlds
