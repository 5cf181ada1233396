"""`ray.sh`: Ray is installed whole or not at all, and nothing waits for it longer than it is told to."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "ray.sh"
PYTHON = """#!/bin/sh
echo "$*" >>"$ASKED"
case "$*" in
    "-c import ray") [ "$FAILS" = nothing ] || { [ -e "$ASKED.installed" ] && [ "$FAILS" != import ]; } ;;
    *freeze*) echo "click==8.0"; echo "own @ file:///own" ;;
    *download*) case $FAILS in download) exit 1 ;; time) exec sleep 60 ;; esac ;;
    *uninstall*) rm "$ASKED.installed" ;;
    *install*) [ "$FAILS" != install ] && touch "$ASKED.installed" ;;
esac
"""


def ask(folder: Path, fails: str, seconds: int = 30) -> tuple[int, str, list[str]]:
    """Status, standard error, and what a Python was asked for of which something fails."""
    python, asked = folder / "python", folder / "asked"
    python.write_text(PYTHON)
    python.chmod(0o755)
    environment = {**os.environ, "FAILS": fails, "ASKED": str(asked)}
    command = ["sh", str(SCRIPT), str(python), str(seconds)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=50, check=False)
    return done.returncode, done.stderr, asked.read_text().splitlines()


def test_it_is_fetched_before_anything_is_installed_and_no_other_version_changes(tmp_path: Path) -> None:
    status, errors, asked = ask(tmp_path, "not at all")
    assert (status, errors) == (0, "")
    _, _, fetched, installed, tried = asked
    assert " download " in fetched
    assert "--no-index" in installed
    assert all(" -c " in line and "ray==" in line for line in (fetched, installed))
    assert tried == "-c import ray"


def test_where_it_is_there_nothing_is_done(tmp_path: Path) -> None:
    assert ask(tmp_path, "nothing") == (0, "", ["-c import ray"])


@pytest.mark.parametrize("fails", ["download", "time"])
def test_where_it_cannot_be_fetched_in_time_nothing_is_installed(tmp_path: Path, fails: str) -> None:
    started = time.monotonic()
    status, errors, asked = ask(tmp_path, fails, seconds=1)
    assert time.monotonic() - started < 30
    assert status == 1
    assert errors == "no Ray here: its tests skip (it could not be fetched within 1 s)\n"
    assert not [line for line in asked if " install" in line]


@pytest.mark.parametrize("fails", ["install", "import"])
def test_half_an_installation_is_removed(tmp_path: Path, fails: str) -> None:
    status, errors, asked = ask(tmp_path, fails)
    assert status == 1
    assert errors.endswith("no Ray here: its tests skip (it could not be installed)\n")
    assert "uninstall" in asked[-1]
    assert not (tmp_path / "asked.installed").exists()
