"""What an agent needs of a suite besides pictures: states to act on, demonstrations to learn from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.assets.store import AssetStore
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.agent import AgentSpec, Config
    from harness.spec import Suite


def check_states(agent: AgentSpec, suite: Suite) -> None:
    """Refuses an agent that acts on states where the simulations tell none.

    Raises:
      UsageError: if so.
    """
    if agent.observes == "states" and not suite.offers_states:
        raise UsageError(f"Agent {agent.name} acts on states, and the simulations of {suite.name} tell none.")


def check_demos(agent: AgentSpec, config: Config, suite: Suite, task: str, store: AssetStore) -> None:
    """Checks before any work that the demonstrations an agent asks for can be made.

    Raises:
      UsageError: if nothing demonstrates the task in the way asked for.
      MissingAssetError: if a file is absent; nothing stands in for an expert.
    """
    request = config.demos()
    if request is None:
        return
    tasks = suite.demonstrators.get(request.source, {})
    if task not in tasks:
        others = [source for source, those in suite.demonstrators.items() if task in those]
        there = f"there is: {', '.join(others)}" if others else f"nothing demonstrates the tasks of {suite.name}"
        raise UsageError(f"Agent {agent.name} asks for demonstrations of {task} by '{request.source}'; {there}.")
    if tasks[task]:
        AssetStore(store.folders, allow_stand_ins=False).find(tasks[task])
