"""What a node of a cluster needs before it may work, and whether it is there; asked on the node."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.assets.store import AssetStore
from harness.errors import HarnessError
from harness.registry import load_agent, load_suite
from harness.running.asset_lookup import look_up
from harness.running.plan import RunPlan
from harness.running.provenance import code_revision, package_versions


@dataclass(frozen=True)
class NodeNeeds:
    """What is the same on every node; picklable.

    Attributes:
      folder: where the command was given, which paths may be relative to.
      revision: of the code that measures, see `harness.running.provenance`.
      versions: of packages that can move a score.
      paths: that the node must see, since they are shared.
      names: (suite, agent), importable.
      assets: where third-party files are looked for, and what they must be.
    """

    folder: Path
    revision: str
    versions: Mapping[str, str]
    paths: Sequence[Path]
    names: Sequence[tuple[str, str]]
    assets: Sequence[tuple[AssetStore, Mapping[str, str]]]


def needs_of(plans: Sequence[RunPlan], marker: Path) -> NodeNeeds:
    """What the jobs of some plans need; `marker` lies where their runs will."""
    given = [source.folder.absolute() for plan in plans for source in plan.policies.values()]
    names = dict.fromkeys((plan.suite_name, plan.agent_name) for plan in plans)
    assets = [(plan.store, {name: found.identity for name, found in plan.found.items()}) for plan in plans]
    paths = [Path.cwd(), marker, *dict.fromkeys(given)]
    return NodeNeeds(Path.cwd(), code_revision(), package_versions(), paths, list(names), assets)


def work_in(folder: Path) -> None:
    """Makes a folder the current one, in which modules are searched last: Ray has workers search it first."""
    os.chdir(folder)
    sys.path[:] = [*(path for path in sys.path if path != str(folder)), str(folder)]


def lacking(needs: NodeNeeds) -> str:
    """What this machine lacks, as the end of a sentence that begins with its name; "" if nothing."""
    if problem := other_code(needs):
        return problem
    for path in needs.paths:
        if not path.exists():
            return f"does not see {path}: folders must be at the same path on every node"
    work_in(needs.folder)
    try:
        for suite, agent in needs.names:
            load_suite(suite)
            load_agent(agent)
        for store, identities in needs.assets:
            for name, identity in identities.items():
                if look_up(store, name).identity != identity:
                    return f"has other files of '{name}' than this machine"
    except HarnessError as error:
        return f"lacks something: {str(error).rstrip('.')}"
    return ""


def other_code(needs: NodeNeeds) -> str:
    """Which package is of another version here, or that the harness is; "" if none."""
    here = package_versions()
    for name in sorted({*needs.versions, *here}):
        if here.get(name) != needs.versions.get(name):
            return f"has {name} {here.get(name, 'not at all')}, this machine {needs.versions.get(name, 'not at all')}"
    if code_revision() != needs.revision:
        return f"has other code of the harness ({code_revision()}) than this machine ({needs.revision})"
    return ""
