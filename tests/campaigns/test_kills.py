"""A small run survives kills, full disks and refusals at changes of its folder; the whole campaign: -m exhaustive."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def campaign(*arguments: str) -> int:
    """Runs the campaign in a process of its own, which forks; returns how many faults were suffered."""
    command = [sys.executable, "-m", "tests.campaigns.kills", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    numbers = re.search(r"\{'parent': (\d+), 'worker': (\d+)\} of \{'parent': (\d+), 'worker': (\d+)\}", done.stdout)
    assert numbers is not None, done.stdout
    assert int(numbers[3]) > 50  # else the counting itself is broken
    assert int(numbers[4]) > 100
    return int(numbers[1]) + int(numbers[2])


@pytest.mark.slow
def test_killed_at_every_fifth_change_the_folder_ends_as_if_nothing_had_been() -> None:
    assert campaign("--every", "5") > 30


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["full", "EIO"])
def test_refused_at_every_fifteenth_change_it_ends_so_too(kind: str) -> None:
    assert campaign("--kind", kind, "--every", "15") > 10


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "every", "least"), [("back", "30", 5), ("two", "10", 4)])
def test_with_the_clock_set_back_and_with_two_at_once_it_ends_so_too(kind: str, every: str, least: int) -> None:
    assert campaign("--kind", kind, "--every", every) > least


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", ["kill", "back", "full", "EIO"])
def test_every_change_there_is(kind: str) -> None:
    assert campaign("--kind", kind) > 150
