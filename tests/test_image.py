"""The image's steps, run as scripts; and the lock file, which has to hold what the project asks for."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.latest import report

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
RECEIVERS = ("wandb", "mlflow")  # extras that rows are sent to: nothing is measured with them


def locked() -> dict[str, str]:
    lines = [line for line in LOCK.read_text().splitlines() if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}


def test_the_lock_holds_a_fitting_version_of_everything() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].items()
    optional = [text for name, texts in extras if name not in RECEIVERS for text in texts]
    for requirement in map(Requirement, [*project["dependencies"], *optional]):
        version = locked().get(canonicalize_name(requirement.name))
        assert version is not None, requirement.name
        assert requirement.specifier.contains(version), f"{requirement}: {version} is locked"


def test_the_image_is_made_by_scripts_that_are_there() -> None:
    text = (ROOT / "Dockerfile").read_text()
    scripts = re.findall(r"docker/\w+\.sh", text)
    assert set(scripts) == {"docker/build_wheel.sh", "docker/install.sh"}
    assert all((ROOT / script).is_file() for script in scripts)
    assert "requirements.lock" in text


@pytest.mark.parametrize(("index", "asked"), [("https://example.org/cu126", True), ("", False)])
def test_the_build_argument_says_where_torch_comes_from(index: str, asked: bool, tmp_path: Path) -> None:
    python, told = tmp_path / "python", tmp_path / "told"
    python.write_text(f'#!/bin/sh\necho "$@" >> {told}\n')  # of pip only what it is asked
    python.chmod(0o755)
    script = (ROOT / "Dockerfile").read_text().partition("RUN sh /install.sh ")[2].splitlines()[0]
    values = {"python": python, "/wheels": tmp_path, "/requirements.lock": LOCK, '"$TORCH_INDEX"': index}
    steps = ["sh", ROOT / "docker" / "install.sh", *(values[word] for word in script.split())]
    subprocess.run(steps, check=True)
    install, run = told.read_text().splitlines()
    assert (f"--extra-index-url {index}" in install) == asked
    assert f"--constraint {LOCK}" in install
    assert run == "-m harness --help"


@pytest.mark.exhaustive
def test_the_images_steps_leave_a_harness_that_runs(tmp_path: Path) -> None:
    """Needs a package index, and takes minutes; what Docker adds, the base image and the GL, is not tried."""
    python, wheels = tmp_path / "venv" / "bin" / "python", tmp_path / "wheels"
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    subprocess.run(["sh", ROOT / "docker" / "build_wheel.sh", sys.executable, ROOT, wheels], check=True)
    subprocess.run(["sh", ROOT / "docker" / "install.sh", python, wheels, LOCK], check=True, cwd=tmp_path)
    harness = [python.with_name("harness"), "run", "--suite", "harness.testing:SUITE", "--agent", "random"]
    done = subprocess.run([*harness, "--episodes", "1"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "dot_reach" in done.stdout


def test_what_newer_simulators_change_is_told_by_suite() -> None:
    before = {"versions": {"mujoco": "1", "metaworld": "1"}, "digests": {"a/t/train": "x", "a/t/s": "y", "b/t/s": "z"}}
    now = {"versions": {"mujoco": "2", "metaworld": "1"}, "digests": {"a/t/train": "x", "a/t/s": "w", "b/t/s": "z"}}
    assert report(before, before) == []
    assert report(before, now) == ["mujoco: 1 -> 2", "a changes: t/s"]
