"""Which suites' pictures, rewards and draws change with other versions of the simulators (`tox -e latest`):

python -m tests.latest write FILE      what the installed versions draw, a few steps of every suite and setting
python -m tests.latest compare FILE    status 1, and the suites that differ, where those installed now draw otherwise
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
import warnings
from pathlib import Path

from harness.registry import load_suite, suite_names
from tests.contract.drawing import drawn

SIMULATORS = ("mujoco", "dm_control", "metaworld", "gymnasium", "gymnasium-robotics")


def versions() -> dict[str, str]:
    """Of the packages that decide pictures and physics."""
    return {name: importlib.metadata.version(name) for name in SIMULATORS}


def digests() -> dict[str, str]:
    """One digest per suite and setting, of its first task; or what kept it from being drawn."""
    warnings.simplefilter("ignore")  # stand-ins are named
    found = {}
    for name in suite_names():
        suite = load_suite(name)
        for setting in suite.all_settings:
            place = f"{name}/{suite.tasks[0]}/{setting.name}"
            try:
                found[place] = drawn(name, suite.tasks[0], setting.name, "standard")
            except Exception as error:  # a simulator that changed may raise anything
                found[place] = f"{type(error).__name__}: {error}"
    return found


def report(before: dict[str, dict[str, str]], now: dict[str, dict[str, str]]) -> list[str]:
    """What differs, one line per version and per suite."""
    lines = [f"{n}: {v} -> {now['versions'][n]}" for n, v in before["versions"].items() if now["versions"][n] != v]
    changed: dict[str, list[str]] = {}
    for place, digest in before["digests"].items():
        if now["digests"].get(place) != digest:
            suite, _, rest = place.partition("/")
            changed.setdefault(suite, []).append(rest)
    return [*lines, *(f"{suite} changes: {', '.join(places)}" for suite, places in changed.items())]


def main() -> int:
    kind, path = sys.argv[1], Path(sys.argv[2])
    now = {"versions": versions(), "digests": digests()}
    if kind == "write":
        path.write_text(json.dumps(now, indent=2))
        return 0
    lines = report(json.loads(path.read_text()), now)
    print("\n".join(lines) or "nothing changes")
    return 1 if any(" changes: " in line for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main())
