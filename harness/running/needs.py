"""What an agent needs of a suite besides pictures: states to act on, demonstrations to learn from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.assets.store import AssetStore
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.agent import AgentSpec, Config, DemoRequest
    from harness.demos import DemoSet
    from harness.running.plan import TaskPlan
    from harness.spec import Suite


def check_states(agent: AgentSpec, suite: Suite) -> None:
    """Refuses an agent that acts on states where the simulations tell none.

    Raises:
      UsageError: if so.
    """
    if agent.observes == "states" and not suite.offers_states:
        raise UsageError(f"Agent {agent.name} acts on states, and the simulations of {suite.name} tell none.")


def check_demos(
    agent: AgentSpec, config: Config, suite: Suite, plan: TaskPlan, store: AssetStore, profile: str
) -> None:
    """Checks before any work that the demonstrations an agent asks for can be made, or are those it needs.

    Raises:
      UsageError: if nothing demonstrates the task in the way asked for, they end before an episode does, or those of a
        folder are too few or of another scene.
      MissingAssetError: if a file is absent; nothing stands in for an expert.
    """
    request, task = config.demos(), plan.task
    if request is None:
        return
    if request.folder:
        given_demos(request, suite, plan, profile)
        return
    tasks = suite.demonstrators.get(request.source, {})
    if task not in tasks:
        others = [source for source, those in suite.demonstrators.items() if task in those]
        there = f"there is: {', '.join(others)}" if others else f"nothing demonstrates the tasks of {suite.name}"
        raise UsageError(f"Agent {agent.name} asks for demonstrations of {task} by '{request.source}'; {there}.")
    longest = suite.protocol.for_task(task).episode_frames
    if request.source == "expert" and plan.protocol.episode_frames > longest:
        raise UsageError(
            f"Episodes of {plan.protocol.episode_frames} frames are longer than the demonstrations of {task}, which "
            f"end after {longest}: set protocol.episode_frames to {longest} at most."
        )
    if request.source == "human":
        from harness.demos import check_recordings  # here: it loads the simulator

        check_recordings(replace(suite, protocol=plan.protocol), task, request.num, request.noisy, store)
    elif tasks[task]:
        AssetStore(store.folders, allow_stand_ins=False).find(tasks[task])


def given_demos(request: DemoRequest, suite: Suite, plan: TaskPlan, profile: str) -> DemoSet:
    """The demonstrations of a folder, as many as are asked for.

    Raises:
      UsageError: if there are fewer, or they show something else.
    """
    from harness.demos import check_scene, load_demos

    demos = load_demos(Path(request.folder))
    check_scene(demos, replace(suite, protocol=plan.protocol), plan.task, profile)
    if demos.record["source"] != request.source or demos.record["noisy"] != request.noisy:
        noise = "with" if demos.record["noisy"] else "without"
        raise UsageError(f"{demos.folder} holds demonstrations by '{demos.record['source']}' {noise} noise.")
    if len(demos) < request.num:
        raise UsageError(f"{demos.folder} holds {len(demos)} demonstrations, fewer than {request.num}.")
    return demos.first(request.num)
