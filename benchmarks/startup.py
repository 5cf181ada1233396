"""What a light command and a refusal take beside what any command line takes: `python benchmarks/startup.py`.

Exit status 1 if listing the suites takes more than three times as long as importing Typer and rich's tables, or if
any refusal takes more than a second.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HARNESS = ["-m", "harness"]
COMMANDS = {
    "floor": ["-c", "import typer, rich.table"],
    "list": [*HARNESS, "list", "suites"],
    "unknown suite": [*HARNESS, "run", "--suite", "video_hrad", "--agent", "random"],
    "wrong setting": [*HARNESS, "run", "--suite", "color_easy", "--agent", "drqv2", "--set", "batch_size=many"],
    "no rows": [*HARNESS, "leaderboard", "absent"],
}
REFUSED = list(COMMANDS)[2:]
ROUNDS = 12
ALLOWED, AT_MOST_SEC = 3.0, 1.0


def seconds(arguments: list[str], expected: int) -> float:
    """Wall-clock time of one interpreter; `RuntimeError` where it ends with another status than it should."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=ROOT)
    took = time.perf_counter() - start
    if done.returncode != expected:
        raise RuntimeError(f"{arguments} ended with {done.returncode}: {done.stderr}")
    return took


def main() -> int:
    """Runs all by turns and takes the fastest of each, so that what else the machine does matters little."""
    taken: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for name in [*COMMANDS] * ROUNDS:
        taken[name].append(seconds(COMMANDS[name], 2 if name in REFUSED else 0))
    fastest = {name: min(values) for name, values in taken.items()}
    ratio = fastest["list"] / fastest["floor"]
    print(
        f"harness list suites {fastest['list']:.3f} s, floor {fastest['floor']:.3f} s: {ratio:.2f} (at most {ALLOWED})"
    )
    for name in REFUSED:
        print(f"refused, {name}: {fastest[name]:.3f} s (at most {AT_MOST_SEC})")
    return int(ratio > ALLOWED or any(fastest[name] > AT_MOST_SEC for name in REFUSED))


if __name__ == "__main__":
    sys.exit(main())
