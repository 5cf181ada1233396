"""Runs for tests of launchers, and what they leave."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from harness.results.rows import Row
from harness.results.store import RowStore
from harness.running.policies import load_policy_source

ROOT = Path(__file__).resolve().parents[2]
HERE = "tests.campaigns.suites:"
CAMPAIGN = (
    *("--suite", f"{HERE}EASY", "--suite", f"{HERE}HARD", "--agent", "tests.harness.learner:AGENT", "--seeds", "0-1"),
    *("--task", "dot_reach", "--frames", "200", "--episodes", "3", "--device", "cpu", "--checkpoint-sec", "0"),
)
ONE = ("--suite", f"{HERE}EASY", "--agent", "tests.harness.learner:AGENT", "--task", "dot_reach", "--device", "cpu")


def command(runs: Path, *arguments: str) -> list[str]:
    """A `harness run` with its runs in a folder."""
    return [sys.executable, "-m", "harness", "run", *arguments, "--runs", str(runs), "--json"]


def rows(runs: Path) -> dict[str, list[Row]]:
    """All rows of every run."""
    return {path.parent.name: RowStore(path).rows() for path in sorted(runs.glob("*/rows"))}


def parameters(runs: Path) -> dict[str, str]:
    """The digest of every policy."""
    found = sorted(runs.glob("*/train/*/policy"))
    return {f"{path.parents[2].name}/{path.parent.name}": load_policy_source(path).digest for path in found}


def wait_for(folder: Path, pattern: str, seconds: float = 120.0) -> None:
    """Waits until there is such a file."""
    deadline = time.monotonic() + seconds
    while not list(folder.glob(pattern)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert list(folder.glob(pattern))
