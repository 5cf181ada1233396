"""Which third-party files a suite and its agents need, looked up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from harness.agent import AgentSpec
from harness.assets.found import FoundAsset
from harness.assets.store import AssetStore
from harness.errors import CheckpointError, UsageError
from harness.registry import load_outside
from harness.running.plan import TaskPlan
from harness.running.policies import PolicySource
from harness.running.user_files import code_digest
from harness.spec import Suite

KEPT_OUT = ("code:", "rad-")  # beginnings of names: what policies do not hold, or cannot be rebuilt without


def find_assets(store: AssetStore, suite: Suite, more: Iterable[str] = ()) -> Mapping[str, FoundAsset]:
    """Looks up what a suite needs, and more by name, and lets its shifts look closer.

    Raises:
      MissingAssetError: for what is absent, as a whole or in part, and has no stand-in.
      CorruptAssetError: for a file that is not what the manifest says.
    """
    found = {name: look_up(store, name) for name in dict.fromkeys([*suite.assets, *more])}
    for shift in (shift for setting in suite.all_settings for shift in setting.shifts):
        shift.check_assets(found)
    return MappingProxyType(found)


def look_up(store: AssetStore, name: str) -> FoundAsset:
    """Finds an asset by name, pictures to overlay by `pictures:<choice>`, a user's code by `code:<module>:<callable>`.

    Raises:
      UsageError: (or one of its kinds) as the store does, and for code that cannot be imported.
    """
    kind, _, choice = name.partition(":")
    if kind == "code":
        return _code(choice)
    return store.find_pictures(choice) if kind == "pictures" else store.find(name)


def _code(name: str) -> FoundAsset:
    if not callable(load_outside(name, "encoder")):
        raise UsageError(f"'{name}' cannot be called, so it makes no encoder.")
    return FoundAsset(name, (), f"code:{code_digest(name)}")


def agent_assets(agent: AgentSpec, plans: Sequence[TaskPlan], *, trained: bool = False) -> list[str]:
    """Names of what an agent needs with the settings of some plans; a trained policy holds all but some."""
    names = [name for plan in plans for name in agent.required_assets(agent.configure(plan.config))]
    return [name for name in names if not trained or name.startswith(KEPT_OUT)]


def check_agent_assets(
    agent: AgentSpec,
    plans: Sequence[TaskPlan],
    found: Mapping[str, FoundAsset],
    policies: Iterable[PolicySource],
    asked: Sequence[str],
) -> None:
    """Looks closer at what an agent would learn with, or at the code that makes a part of given policies.

    Raises:
      CorruptAssetError: for a file that cannot serve, see `Config.check_assets`.
      CheckpointError: for a policy whose encoder was made by other code.
      UsageError: if it cannot look at the pictures of a task that is asked for.
    """
    sources = list(policies)
    for source in sources:
        _check_same_code(source, found)
    if agent.learns and not sources:
        for config in {repr(plan.config): plan.config for plan in plans}.values():
            agent.configure(config).check_assets(found)
    for plan in (plan for plan in plans if plan.task in asked):
        size, stack = plan.protocol.image_size, plan.protocol.frame_stack
        if problem := agent.configure(plan.config).seen_problem(found, (3 * stack, size, size)):
            raise UsageError(f"Agent {agent.name} cannot look at {plan.task} as it is set: {problem}.")


def _check_same_code(source: PolicySource, found: Mapping[str, FoundAsset]) -> None:
    for asset in found.values():
        if asset.identity.startswith("code:") and source.record.assets.get(asset.name) != asset.identity:
            raise CheckpointError(f"The policy in {source.folder} was trained with another version of '{asset.name}'.")
