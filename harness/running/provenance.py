"""What ran: package versions, code revision, processor. Everything here is cheap and imports no simulator."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import platform
import subprocess
from pathlib import Path

from harness.distribution import DISTRIBUTION, harness_version

# Packages whose version can move a score; the first three decide pixels, physics and rewards.
PACKAGES = ("mujoco", "dm_control", "metaworld", "gymnasium", "gymnasium-robotics", "torch", "numpy", "av", "pillow")
# What of this project can move a score; a change elsewhere (documentation, tests, tables, published numbers) cannot.
_ROWS = ("damage", "plain_file", "replacing", "row_files", "rows", "store", "text")
ROW_CODE = tuple(f"results/{name}.py" for name in _ROWS)
_BESIDE = ("suites", "baselines", "results")  # what a wheel has below `harness`
MEASURING_CODE = ("harness", "suites", "baselines", *ROW_CODE)


def package_versions() -> dict[str, str]:
    """Versions of every package that can move a score, and of Python; absent packages are left out."""
    return dict(_package_versions())


@functools.cache
def _package_versions() -> dict[str, str]:
    """Looked up once: every cell asks, and each answer reads a file per package."""
    versions = {"python": ".".join(platform.python_version_tuple()[:2]), DISTRIBUTION: harness_version()}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


@functools.cache
def code_revision() -> str:
    """Which code measures: a digest of the committed `MEASURING_CODE`.

    Where files of it differ from the commit, `-dirty.<hash of the differences>` follows, so that two different edits
    are two revisions. Where there is no git, it is this project's version and a digest of the installed files.
    """
    root = _checkout()
    if root is None:
        return _installed_revision()
    try:
        committed = _git(root, "ls-tree", "HEAD", *MEASURING_CODE)
        changes = _git(root, "diff", "HEAD", "--", *MEASURING_CODE)
        untracked = _git(root, "ls-files", "--others", "--exclude-standard", "--", *MEASURING_CODE).splitlines()
        added = [(name, (root / name).read_bytes()) for name in untracked if name.endswith(".py")]
    except (OSError, subprocess.SubprocessError):
        return _installed_revision()
    revision = hashlib.sha256(committed.encode()).hexdigest()[:12]
    if not changes and not added:
        return revision
    return f"{revision}-dirty.{hashlib.sha256(repr((changes, added)).encode()).hexdigest()[:8]}"


def _installed_revision() -> str:
    """The version, and a digest of the same code where a wheel (all of it below `harness`) or an archive has it."""
    package = Path(__file__).resolve().parents[1]
    roots = [package] if (package / "suites").is_dir() else [package.parent / name for name in ("harness", *_BESIDE)]
    found = []
    for path in (path for root in roots for path in root.rglob("*")):
        name = path.relative_to(package.parent).as_posix().removeprefix("harness/")
        if path.is_file() and "__pycache__" not in path.parts and _is_measuring(name):
            found.append((name, hashlib.sha256(path.read_bytes()).hexdigest()))
    return f"{harness_version()}+{hashlib.sha256(repr(sorted(found)).encode()).hexdigest()[:12]}"


def _is_measuring(name: str) -> bool:
    """Whether a file below `harness`, as a wheel has them, is of the `MEASURING_CODE`."""
    return not name.startswith(("reports/", "results/")) or name in ROW_CODE


def code_commit() -> str:
    """The git commit of the checkout, for people; "" without one. It says nothing of edits: see `code_revision`."""
    root = _checkout()
    try:
        return "" if root is None else _git(root, "rev-parse", "HEAD").strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def _checkout() -> Path | None:
    """The git checkout this file belongs to."""
    root = Path(__file__).resolve().parents[2]
    return root if (root / ".git").exists() else None


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def cpu_name() -> str:
    """The processor's name as the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
