"""Policies that are given (`--checkpoint`) rather than trained: which there are, and whether they fit what is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from harness.agent import AgentSpec
from harness.errors import CheckpointError, UsageError
from harness.running.fits import check_policy
from harness.running.plan import RunOptions
from harness.running.policies import PolicySource, find_policies
from harness.spec import Protocol, Suite


def given_policies(
    options: RunOptions, agent: AgentSpec, suite: Suite, asked: Sequence[str]
) -> Mapping[tuple[str, int], PolicySource]:
    """The policies to evaluate by (task, training seed), checked; empty to train or without anything to learn."""
    if options.checkpoint is None:
        if not agent.learns and options.frames is not None:
            raise UsageError(f"Agent '{options.agent}' does not learn, so a training budget (--frames) makes no sense.")
        return MappingProxyType({})
    if not agent.learns:
        raise UsageError(f"Agent '{options.agent}' has no parameters, so --checkpoint makes no sense.")
    if options.frames is not None:
        raise UsageError("--frames is a training budget and --checkpoint trains nothing: give one of the two.")
    policies = find_policies(options.checkpoint, agent)
    for source in policies.values():
        check_policy(agent, source)
    have = sorted({task for task, _ in policies})
    missing = [task for task in options.tasks if task not in have]
    if missing or not any(task in asked for task in have):
        raise CheckpointError(
            f"{options.checkpoint} holds a policy for {', '.join(have)}, not for {', '.join(missing or asked)}."
        )
    return MappingProxyType({key: source for key, source in policies.items() if key[0] in suite.all_tasks})


def any_policy(policies: Mapping[tuple[str, int], PolicySource], task: str) -> PolicySource | None:
    """A policy of the task, of whichever seed: all were trained with the same settings."""
    return next((policy for (name, _), policy in policies.items() if name == task), None)


def check_trained_for(source: PolicySource, protocol: Protocol, task: str, profile: str) -> None:
    """Refuses a policy that sees or moves otherwise than it was trained to; what to add is in the message."""
    conditions = source.conditions
    given = {
        "action_repeat": protocol.action_repeat[task],
        "frame_stack": protocol.frame_stack,
        "image_size": protocol.image_size,
    }
    for name, value in given.items():
        if conditions[name] != value:
            raise CheckpointError(
                f"The policy in {source.folder} was trained with {name} {conditions[name]}, not {value}: "
                f"add --set protocol.{name}={conditions[name]}."
            )
    if conditions["render_profile"] != profile:
        raise CheckpointError(
            f"The policy in {source.folder} was trained with the render profile {conditions['render_profile']}, "
            f"not {profile}."
        )
