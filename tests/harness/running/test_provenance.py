"""What ran is told apart: commits, edits, packages."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
from pathlib import Path

import pytest

from harness.running import provenance


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git checkout that pretends to be this project."""
    for name in (
        "harness/running/provenance.py",
        "results/store.py",
        "reports/table.py",
        "results/published.py",
        "README.md",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x = 1\n")
    subprocess.run(["git", "-C", str(tmp_path), "init", "-q"], check=True)
    commit(tmp_path)
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "harness" / "running" / "provenance.py"))
    return tmp_path


def commit(folder: Path) -> str:
    """Commits everything; returns the commit."""
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    for command in (["add", "."], [*identity, "commit", "-q", "-m", "some"]):
        subprocess.run(["git", "-C", str(folder), *command], check=True)
    command = ["git", "-C", str(folder), "rev-parse", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def revision() -> str:
    provenance.code_revision.cache_clear()
    found = provenance.code_revision()
    provenance.code_revision.cache_clear()
    return found


def test_every_edit_is_a_revision_of_its_own(checkout: Path) -> None:
    clean = revision()
    assert len(clean) == 12
    seen = {clean}
    file = checkout / "harness" / "running" / "provenance.py"
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


@pytest.mark.parametrize("name", ["README.md", "notes.py", "reports/table.py", "results/published.py"])
def test_what_cannot_move_a_score_does_not_count(name: str, checkout: Path) -> None:
    clean, first = revision(), provenance.code_commit()
    (checkout / name).write_text("z = 1\n")
    assert revision() == clean
    second = commit(checkout)
    assert revision() == clean
    assert provenance.code_commit() == second != first


@pytest.mark.parametrize(
    "name", ["harness/running/provenance.py", "harness/new.py", "suites/new/world.xml", "results/store.py"]
)
def test_a_commit_to_what_measures_counts(name: str, checkout: Path) -> None:
    clean = revision()
    (checkout / name).parent.mkdir(parents=True, exist_ok=True)
    (checkout / name).write_text("x = 2\n")
    commit(checkout)
    assert len(revision()) == 12
    assert revision() != clean


def test_all_that_measuring_imports_counts() -> None:
    root = Path(provenance.__file__).resolve().parents[2]
    packages = [root / name for name in provenance.MEASURING_CODE if (root / name).is_dir()]
    assert {path.name for path in packages} == {"harness", "suites", "baselines"}
    # These tell what there is, or look at what was measured, and measure nothing that stands in a row.
    showing = ("cli.py", "listing.py", "verifying.py", "suite_rules.py", "features.py")
    showing += ("filming.py", "interchange_commands.py")
    files = [path for package in packages for path in package.rglob("*.py") if path.name not in showing]
    text = "".join(path.read_text() for path in files)
    used = {f"results/{name}.py" for name in re.findall(r"from harness\.results\.(\w+) import", text)}
    names = ("damage", "plain_file", "replacing", "rows", "store", "text")
    assert used == {f"results/{name}.py" for name in names} <= set(provenance.MEASURING_CODE)
    outside = (
        r"^\s*(import harness\.results|from harness\.results import|from harness\.reports|import harness\.reports)"
    )
    assert not re.search(outside, text, re.MULTILINE)


def lay_out(folder: Path, *, as_wheel: bool) -> Path:
    """The project's code without git; returns the file whose place says where it is."""
    inner = folder / "harness" if as_wheel else folder
    for name in ("suites/hard/a.xml", "baselines/b.py", "results/rows.py", "results/published.py", "reports/table.py"):
        (inner / name).parent.mkdir(parents=True, exist_ok=True)
        (inner / name).write_text(name)
    file = folder / "harness" / "running" / "provenance.py"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("code")
    return file


@pytest.mark.parametrize("as_wheel", [True, False])
def test_without_git_the_installed_files_tell(as_wheel: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "__file__", str(lay_out(tmp_path / "here", as_wheel=as_wheel)))
    first, inner = revision(), tmp_path / "here" / ("harness" if as_wheel else "")
    assert first.startswith(f"{provenance.harness_version()}+")
    for name in ("results/published.py", "reports/table.py", "suites/__pycache__/a.pyc"):
        (inner / name).parent.mkdir(exist_ok=True)
        (inner / name).write_text("changed")
        assert revision() == first
    for name in ("suites/hard/a.xml", "results/rows.py", "baselines/new.py"):
        (inner / name).write_text("changed")
        assert revision() != first
    monkeypatch.setattr(provenance, "__file__", str(lay_out(tmp_path / "there", as_wheel=not as_wheel)))
    assert revision() == first  # a wheel is what it was built of
    assert provenance.code_commit() == ""


def test_packages_are_those_installed() -> None:
    versions = provenance.package_versions()
    assert versions["mujoco"] == importlib.metadata.version("mujoco")
    assert set(versions) >= {"python", "torch", "dm_control", "visual-rl-harness"}
