"""Which third-party files a suite and its agents need, looked up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from harness.agent import AgentSpec
from harness.assets.found import FoundAsset
from harness.assets.store import AssetStore
from harness.running.plan import TaskPlan
from harness.spec import Suite


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
    """Finds an asset by name, or pictures to overlay by `pictures:<choice>`; raises as the store does."""
    kind, colon, choice = name.partition(":")
    return store.find_pictures(choice) if colon and kind == "pictures" else store.find(name)


def agent_assets(agent: AgentSpec, plans: Sequence[TaskPlan]) -> list[str]:
    """Names of what an agent needs with the settings of some plans."""
    return [name for plan in plans for name in agent.required_assets(agent.configure(plan.config))]
