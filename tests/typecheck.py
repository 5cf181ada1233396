"""Runs mypy over the project under the names that are imported: `python tests/typecheck.py`.

In a checkout `harness.suites` lies beside `harness` and is found at run time (`harness/__init__.py`); mypy reads
folders alone, so it is shown a folder of links in which everything lies where it is imported from.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BESIDE = ("suites", "baselines", "results", "reports")


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "harness"
        package.mkdir()
        for path in [*(ROOT / "harness").iterdir(), *(ROOT / name for name in BESIDE)]:
            (package / path.name).symlink_to(path)
        command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), *sys.argv[1:]]
        cache = ["--cache-dir", str(ROOT / ".mypy_cache")]
        return subprocess.run([*command, *cache], cwd=folder).returncode


if __name__ == "__main__":
    sys.exit(main())
