"""Ten thousand episodes in one command and one worker: whether memory and descriptors stay what they were.

    python -m tests.campaigns.soak                     10,000 episodes of a small simulation
    python -m tests.campaigns.soak --episodes 500 --suite video_easy --task cartpole_swingup

Episodes are short, since what could leak is made anew for each of them. Prints, as the rows arrive, the resident memory
and the open descriptors of this process and of its worker.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.running.plan import RunOptions
from harness.running.planning import make_plan
from harness.running.run import execute

LOOK_SEC = 1.0
SHORT = ("protocol.episode_frames=16",)


@dataclass(frozen=True)
class Sample:
    """What was seen at one moment.

    Attributes:
      rows: episodes whose rows are kept.
      here: (resident memory, MiB; open descriptors) of this process.
      workers: the same, added over its workers.
    """

    rows: int
    here: tuple[float, int]
    workers: tuple[float, int]


def held(process: int) -> tuple[float, int]:
    """Resident memory, MiB, and open descriptors of a process; nothing of one that has ended."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20, len(os.listdir(f"/proc/{process}/fd"))
    except (OSError, IndexError):
        return 0.0, 0


def workers() -> list[int]:
    """Processes that were started by this one and play."""
    found = [int(name) for path in Path("/proc/self/task").glob("*/children") for name in path.read_text().split()]
    return [one for one in found if b"resource_tracker" not in Path(f"/proc/{one}/cmdline").read_bytes()]


def num_rows(folder: Path) -> int:
    """Rows that are kept, counted without decoding them: lines of cells under way, and what closed files state."""
    import pyarrow.parquet as pq

    lines = sum(path.read_bytes().count(b"\n") for path in folder.glob("rows/*.jsonl"))
    return lines + sum(pq.read_metadata(path).num_rows for path in folder.glob("rows/*.parquet"))


def look(folder: Path) -> Sample:
    """A sample now."""
    theirs = [held(worker) for worker in workers()]
    memory, descriptors = sum(one[0] for one in theirs), sum(one[1] for one in theirs)
    return Sample(num_rows(folder), held(os.getpid()), (memory, descriptors))


@contextmanager
def watched(folder: Path, samples: list[Sample], every: int) -> Iterator[None]:
    """Adds a sample whenever so many more rows are there."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(LOOK_SEC):
            rows = num_rows(folder)
            if rows >= every * (len(samples) + 1):
                samples.append(look(folder))
                print(samples[-1], flush=True)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def soak(runs: Path, suite: str, task: str, episodes: int, every: int) -> list[Sample]:
    """Plays so many episodes, half in training's looks and half in the others, and returns what was seen."""
    agent = "harness.testing:SEEKER" if suite.startswith("harness.testing") else "random"
    asked = {"suite": suite, "agent": agent, "tasks": [task], "device": "cpu", "workers": 1, "runs": runs}
    plan = make_plan(RunOptions(**asked, settings=SHORT, episodes=episodes // 2, profile="fast"))
    samples: list[Sample] = []
    with watched(plan.folder, samples, every):
        execute(plan, quiet=True)
    assert num_rows(plan.folder) == len(plan.cells()) * (episodes // 2)
    return samples


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", default="harness.testing:SUITE")
    parser.add_argument("--task", default="dot_reach")
    parser.add_argument("--episodes", type=int, default=10_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        soak(Path(folder), asked.suite, asked.task, asked.episodes, asked.episodes // 10)


if __name__ == "__main__":
    main()
