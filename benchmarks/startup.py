"""What a light command takes beside what any command line takes: `python benchmarks/startup.py`.

Exit status 1 if listing the suites takes more than three times as long as importing Typer and rich's tables.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = {"floor": ["-c", "import typer, rich.table"], "list": ["-m", "harness", "list", "suites"]}
ROUNDS = 12
ALLOWED = 3.0


def main() -> int:
    """Runs both by turns and compares the fastest of each, so that what else the machine does matters little."""
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for name in [*COMMANDS] * ROUNDS:
        start = time.perf_counter()
        subprocess.run([sys.executable, *COMMANDS[name]], stdout=subprocess.DEVNULL, check=True, cwd=ROOT)
        seconds[name].append(time.perf_counter() - start)
    fastest = {name: min(values) for name, values in seconds.items()}
    ratio = fastest["list"] / fastest["floor"]
    print(
        f"harness list suites {fastest['list']:.3f} s, floor {fastest['floor']:.3f} s: {ratio:.2f} (at most {ALLOWED})"
    )
    return int(ratio > ALLOWED)


if __name__ == "__main__":
    sys.exit(main())
