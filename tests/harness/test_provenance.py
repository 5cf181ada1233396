"""What ran is told apart: commits, edits, packages."""

from __future__ import annotations

import importlib.metadata
import subprocess
from pathlib import Path

import pytest

from harness import provenance


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git checkout that pretends to be this project."""
    (tmp_path / "harness").mkdir()
    (tmp_path / "harness" / "provenance.py").write_text("x = 1\n")
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(["git", "-C", str(tmp_path), *identity, *command], check=True)
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "harness" / "provenance.py"))
    return tmp_path


def revision() -> str:
    provenance.code_revision.cache_clear()
    found = provenance.code_revision()
    provenance.code_revision.cache_clear()
    return found


def test_every_edit_is_a_revision_of_its_own(checkout: Path) -> None:
    clean = revision()
    assert len(clean) == 12
    seen = {clean}
    file = checkout / "harness" / "provenance.py"
    for text in ("x = 2\n", "x = 3\n"):
        file.write_text(text)
        seen.add(revision())
    file.write_text("x = 1\n")
    assert revision() == clean
    for text in ("y = 1\n", "y = 2\n"):  # git does not track this one
        (checkout / "harness" / "new.py").write_text(text)
        seen.add(revision())
    assert len(seen) == 5
    assert all(name.startswith(clean) for name in seen)


def test_files_outside_the_packages_do_not_count(checkout: Path) -> None:
    clean = revision()
    (checkout / "notes.py").write_text("z = 1\n")
    assert revision() == clean


def test_without_git_the_version_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "harness" / "provenance.py"))
    assert revision() == provenance.harness_version()


def test_packages_are_those_installed() -> None:
    versions = provenance.package_versions()
    assert versions["mujoco"] == importlib.metadata.version("mujoco")
    assert set(versions) >= {"python", "torch", "dm_control", "visual-rl-harness"}


def test_only_files_of_ones_own_have_a_digest() -> None:
    assert provenance.source_digest("video_hard") == ""
    assert len(provenance.source_digest("harness.testing:SUITE")) == 16
