"""Both kinds of install work from any folder, whatever lies in it, and take no name but `harness`."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
KINDS = ("wheel", "editable")

# A user's folder. Modules whose names this project has at the top of its checkout, and ones of Python's and of packages
# that are used here: the former are the user's, the latter must not be found before the real ones.
MINE = {
    "results.py": "MINE = 1",
    "suites/__init__.py": "from suites.tasks import MINE",
    "suites/tasks.py": "MINE = 2",
    "reports.py": "raise RuntimeError('the user did not ask for reports')",
    "baselines/__init__.py": "raise RuntimeError('the user did not ask for baselines')",
    "tests/__init__.py": "MINE = 3",
    "my_module.py": """
import numpy as np
import results, suites, tests
assert (results.MINE, suites.MINE, tests.MINE) == (1, 2, 3)
policy = lambda observations: np.zeros((len(observations), 2), np.float32)
""",
}
REAL_ONES_ELSEWHERE = {
    name: f"raise RuntimeError('{name} of the current folder was found first')"
    for name in ("random.py", "signal.py", "socket.py", "typer.py", "numpy/__init__.py", "pydantic.py")
}
RUN = ["run", "--suite", "harness.testing:SUITE", "--agent", "my_module:policy", "--task", "dot_reach", "--episodes"]


def lay(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def call(command: list[str | Path], folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Runs a command as a user would who knows nothing of this checkout."""
    names = ("PYTHONPATH", "PYTHONSAFEPATH", "HARNESS_ASSETS")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    environment |= {"XDG_CACHE_HOME": str(folder / "cache"), **more}
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, check=False)


def pip(*arguments: str | Path, python: Path | str = sys.executable) -> None:
    quiet = ["-q", "--disable-pip-version-check", "--no-input"]
    command = [sys.executable, "-m", "pip", "--python", python, *arguments, *quiet, "--no-index", "--no-deps"]
    subprocess.run(command, check=True, capture_output=True, text=True)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-build-isolation", "--wheel-dir", folder, ROOT)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def environments(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The Python of an environment with each kind of install; what this project needs is borrowed from this one."""
    import numpy

    pythons = {}
    for kind, what in (("wheel", [wheel]), ("editable", ["--no-build-isolation", "--editable", ROOT])):
        folder = tmp_path_factory.mktemp(kind)
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        borrowed = Path(numpy.__file__).parent.parent
        next(folder.glob("lib/python*/site-packages")).joinpath("borrowed.pth").write_text(f"{borrowed}\n")
        pythons[kind] = folder / "bin" / "python"
        pip("install", *what, python=pythons[kind])
    return pythons


def test_the_wheel_holds_all_of_the_package_and_takes_one_name(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name.split("/")[0] for name in names} == {"harness", "visual_rl_harness-0.1.0.dist-info"}
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    beside = ("suites/", "baselines/", "results/", "reports/")
    wanted = {f"harness/{name}" for name in listed if name.startswith(beside)}
    wanted |= {name for name in listed if name.startswith("harness/")}
    assert wanted <= names
    assert {"harness/py.typed", "harness/assets/manifest.json"} <= names
    assert sum(name.startswith("harness/results/published/") and name.endswith(".csv") for name in names) > 10


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source archive of this checkout, unpacked."""
    folder = tmp_path_factory.mktemp("source")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", folder]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
        archive.extractall(folder, filter="data")
    return next(path for path in folder.iterdir() if path.is_dir())


def test_the_source_archive_holds_what_git_does_and_builds_the_same_wheel(
    wheel: Path, source: Path, tmp_path: Path
) -> None:
    held = {str(path.relative_to(source)) for path in source.rglob("*") if path.is_file()}
    git = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]  # neither runs nor third-party files
    listed = subprocess.run(git, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert held == {*listed, "PKG-INFO"}
    pip("wheel", "--no-build-isolation", "--wheel-dir", tmp_path, source)
    assert contents(next(tmp_path.glob("*.whl"))) == contents(wheel)


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", ["command", "module"])
def test_a_run_with_workers_is_shadowed_by_nothing(
    environments: dict[str, Path], kind: str, way: str, tmp_path: Path
) -> None:
    lay(tmp_path, MINE | REAL_ONES_ELSEWHERE)
    if way == "command":  # `python -m harness` would be asked for this one
        lay(tmp_path, {"harness.py": "raise RuntimeError('harness.py of the current folder was found first')"})
    python = environments[kind]
    start: list[str | Path] = [python.with_name("harness")] if way == "command" else [python, "-m", "harness"]
    done = call([*start, *RUN, "2", "--workers", "2"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert "dot_reach" in done.stdout


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("first", ["harness", "gymnasium"])
def test_ids_are_registered_by_the_import(environments: dict[str, Path], kind: str, first: str, tmp_path: Path) -> None:
    lay(tmp_path, MINE)
    second = "gymnasium" if first == "harness" else "harness"
    code = f"import {first}, {second}; print('harness/video_hard-walker_walk-v2' in gymnasium.registry)"
    done = call([environments[kind], "-c", code], tmp_path)
    assert (done.stdout, done.stderr) == ("True\n", "")


@pytest.mark.parametrize("kind", KINDS)
def test_suites_are_listed_from_any_folder(environments: dict[str, Path], kind: str, tmp_path: Path) -> None:
    lay(tmp_path, MINE | REAL_ONES_ELSEWHERE)
    done = call([environments[kind].with_name("harness"), "list", "suites"], tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    names = {path.stem for path in (ROOT / "suites").glob("*.py") if path.stem != "__init__"}
    assert {name for name in names if name in done.stdout} == names


@pytest.mark.parametrize("kind", KINDS)
def test_an_install_offers_no_other_name(environments: dict[str, Path], kind: str, tmp_path: Path) -> None:
    names = ("suites", "baselines", "results", "reports", "tests", "benchmarks", "editable")
    code = f"import harness, importlib.util as u; print([n for n in {names} if u.find_spec(n)], harness.__file__)"
    found, _, place = call([environments[kind], "-c", code], tmp_path).stdout.strip().partition(" ")
    assert found == "[]"
    assert Path(place).is_relative_to(ROOT) == (kind == "editable")


@pytest.mark.render
@pytest.mark.parametrize("kind", KINDS)
def test_an_episode_of_a_real_suite_from_any_folder(environments: dict[str, Path], kind: str, tmp_path: Path) -> None:
    lay(tmp_path, MINE | REAL_ONES_ELSEWHERE)
    short = ["--set", "protocol.episode_frames=80", "--profile", "fast", "--workers", "1", "--episodes", "1"]
    command = [environments[kind].with_name("harness"), "run", "--suite", "video_easy", "--agent", "random", *short]
    done = call([*command, "--task", "walker_walk"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert "video_easy" in done.stdout
    assert "† Published" in done.stdout  # the numbers beside come with the package
