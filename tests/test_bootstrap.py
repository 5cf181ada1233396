"""The set-up script mends what an interrupted one left."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BOOTSTRAP = Path(__file__).resolve().parent.parent / "bootstrap"


@pytest.mark.skipif(importlib.util.find_spec("ensurepip") is None, reason="this Python cannot make environments")
def test_an_environment_without_pip_gets_it(tmp_path: Path) -> None:
    shutil.copy(BOOTSTRAP, tmp_path)
    (tmp_path / "pyproject.toml").touch()
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "apt-get").write_text("#!/bin/sh\nexit 1\n")  # nothing is installed on the machine that tests
    (tools / "apt-get").chmod(0o755)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / ".venv")], check=True)
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHON": sys.executable, "PIP_NO_INDEX": "1"}
    command = ["sh", str(tmp_path / "bootstrap"), "harness"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    if "apt-get" in done.stderr or "as root" in done.stderr:
        pytest.skip("needs the off-screen GL")
    pip = subprocess.run([str(tmp_path / ".venv/bin/python"), "-m", "pip", "--version"], capture_output=True)
    assert pip.returncode == 0, done.stderr
    assert "pip could not install" in done.stderr  # there is nothing here to install
