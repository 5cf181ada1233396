"""A run that is over, planned again from its record: its policies, to be looked at rather than trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, PositiveInt

from harness.agent import AgentSpec
from harness.errors import UsageError
from harness.reading import read_json
from harness.registry import load_agent, load_suite
from harness.running.plan import RunOptions, RunPlan
from harness.running.planning import make_plan
from harness.running.record import RECORD_FILE
from harness.spec import Protocol


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)


class _Named(_Part):
    asked: str


class _Task(_Part):
    task: str
    action_repeat: PositiveInt
    frame_stack: PositiveInt
    image_size: PositiveInt
    episode_frames: PositiveInt


class RunFacts(_Part):
    """What its record must tell of a run to plan it again."""

    run_id: str
    suite: _Named
    agent: _Named
    preset: str
    render_profile: str
    tasks: list[_Task]


def read_facts(run: Path) -> RunFacts:
    """Reads a run's record.

    Raises:
      UsageError: if there is none, or it is damaged.
    """
    try:
        return read_json(run / RECORD_FILE, RunFacts)
    except FileNotFoundError:
        raise UsageError(f"{run} is no run's folder: it has no {RECORD_FILE}.") from None


def plan_policies(
    run: Path,
    facts: RunFacts,
    *,
    tasks: Sequence[str] = (),
    shifts: Sequence[str] = (),
    device: str = "auto",
    assets: str | None = None,
) -> RunPlan:
    """The run's policies as a plan of its own suite, under the protocol it was trained with.

    Raises:
      UsageError: (or one of its kinds) for whatever cannot be.
    """
    options = RunOptions(
        suite=facts.suite.asked,
        agent=facts.agent.asked,
        tasks=tasks,
        preset=facts.preset,
        checkpoint=run,
        device=device,
        settings=_protocol_settings(facts, load_suite(facts.suite.asked).protocol),
        shifts=shifts,
        profile=facts.render_profile,
        assets=assets,
        runs=run.parent,
    )
    return make_plan(options)


def check_sees(agent_name: str) -> AgentSpec:
    """Refuses an agent that has no encoder, as far as its declaration tells.

    Raises:
      UsageError: if so.
    """
    agent = load_agent(agent_name)
    if not agent.learns or agent.observes == "states":
        why = "it acts on states" if agent.observes == "states" else "it does not learn"
        raise UsageError(f"Agent {agent.name} has no encoder to look at: {why}.")
    return agent


def _protocol_settings(facts: RunFacts, protocol: Protocol) -> tuple[str, ...]:
    """Numbers of the protocol that the run had otherwise than its suite, as `--set` takes them.

    Raises:
      UsageError: if the tasks of the run had different ones.
    """
    settings = []
    for name in ("action_repeat", "frame_stack", "image_size", "episode_frames"):
        found = {task.task: int(getattr(task, name)) for task in facts.tasks}
        usual = {task: _number(protocol.for_task(task), task, name) for task in found}
        if found == usual:
            continue
        if len(set(found.values())) > 1:
            raise UsageError(f"The tasks of {facts.run_id} have several values of {name}: name one with --task.")
        settings.append(f"protocol.{name}={next(iter(found.values()))}")
    return tuple(settings)


def _number(protocol: Protocol, task: str, name: str) -> int:
    return protocol.action_repeat[task] if name == "action_repeat" else int(getattr(protocol, name))
