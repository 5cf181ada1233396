"""What ran: package versions, code revision, processor. Everything here is cheap and imports no simulator."""

from __future__ import annotations

import functools
import importlib.metadata
import platform
import subprocess
from pathlib import Path

# Packages whose version can move a score; the first three decide pixels, physics and rewards.
PACKAGES = ("mujoco", "dm_control", "metaworld", "gymnasium", "gymnasium-robotics", "torch", "numpy", "av", "pillow")
DISTRIBUTION = "visual-rl-harness"


def package_versions() -> dict[str, str]:
    """Versions of every package that can move a score, and of Python; absent packages are left out."""
    versions = {"python": ".".join(platform.python_version_tuple()[:2]), DISTRIBUTION: harness_version()}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def harness_version() -> str:
    """This project's own version."""
    try:
        return importlib.metadata.version(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        return "0+unknown"


@functools.cache
def code_revision() -> str:
    """`<git commit>` of the checkout the code runs from, with `-dirty` if files differ; else the version."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return harness_version()
    try:
        commit = _git(root, "rev-parse", "--short=12", "HEAD")
        changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return harness_version()
    return f"{commit}-dirty" if changed else commit


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True, timeout=5)
    return done.stdout.strip()


def cpu_name() -> str:
    """The processor's name as the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
