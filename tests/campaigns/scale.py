"""How planning, work, resuming, status and table grow with the number of cells, with workers that only pretend:

    python -m tests.campaigns.scale 100 1000 10000           one line per number of cells
    python -m tests.campaigns.scale --only plan,status 100000

A cell is one episode of a millisecond. Jobs, pipes, rows, files and locks are the real ones; what an episode gives is
made up. Times are of this process and of its worker's, in seconds of processor and (in brackets) of the clock.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.results.rows import Row
from harness.results.store import RowStore
from harness.running.cells import missing_cells
from harness.running.evaluation import EvaluateJob
from harness.running.messages import Report
from harness.running.plan import RunOptions, RunPlan
from harness.running.planning import make_plan
from harness.running.run import execute
from harness.running.status import statuses
from harness.running.workers import Job, WorkerPool
from harness.spec import Setting
from harness.testing import SUITE, Backdrop

TASKS = tuple(f"task_{number:02}" for number in range(50))
SETTINGS = tuple(Setting(f"noise_{number:02}", (Backdrop(noise=float(number)),)) for number in range(1, 20))
PROTOCOL = replace(
    SUITE.protocol, action_repeat=dict.fromkeys(TASKS, 2), train_frames=dict.fromkeys(TASKS, 5_000), eval_episodes=1
)
LARGE = replace(SUITE, name="large", tasks=TASKS, settings=SETTINGS, protocol=PROTOCOL)
SHAPES = {100: (1, 5), 1_000: (5, 10), 10_000: (10, 50), 100_000: (50, 100)}  # cells -> tasks, seeds; of 20 settings
EPISODE_SEC = 0.001
STEPS = ("plan", "work", "again", "status", "table")


class Pretending(WorkerPool):
    """Real workers, whose episodes are made up."""

    def submit(self, job: Job) -> None:
        super().submit(replace(job, function="tests.campaigns.scale:pretend"))


def pretend(job: EvaluateJob, report: Report) -> None:
    """Does in a worker what an evaluation does, but for playing."""
    for episode in job.episodes:
        time.sleep(EPISODE_SEC)
        report(("row", made_up(job, episode)))


def made_up(job: EvaluateJob, episode: int) -> Row:
    """The row of an episode that nobody played."""
    measured = {
        "setting": job.setting,
        "eval_seed": job.eval_seed,
        "episode": episode,
        "episode_return": 1.5,
        "success": True,
        "successes_json": '{"at_target":true}',
        "num_steps": 25,
        "num_frames": 50,
        "shift_json": "{}",
        "gl_renderer": "none",
        "first_pixels": "0" * 16,
        "trajectory": "0" * 16,
    }
    return Row(**{**job.columns, **measured, "code_revision": "made up"})


def options(runs: Path, cells: int) -> RunOptions:
    """A command that asks for so many cells."""
    tasks, seeds = SHAPES[cells]
    asked = {"suite": "tests.campaigns.scale:LARGE", "agent": "harness.testing:SEEKER", "device": "cpu", "workers": 1}
    return RunOptions(**asked, tasks=TASKS[:tasks], seeds=f"0-{seeds - 1}", episodes=1, runs=runs)


def plan(runs: Path, cells: int) -> RunPlan:
    """Everything that comes before the first job."""
    made = make_plan(options(runs, cells))
    missing_cells(made, RowStore(made.folder / "rows"))
    return made


def work(made: RunPlan) -> None:
    """Carries the plan out; of one that is finished, finds that out."""
    execute(made, quiet=True, launch=lambda workers, goes_on: Pretending(workers, goes_on=goes_on))


def table(made: RunPlan) -> None:
    """The command's table."""
    from harness.cli import _run_table

    _run_table(made, "text")


def timed(function: Callable[[], Any]) -> tuple[float, float, Any]:
    """Processor and clock seconds of a call, children that ended in it included, and its result."""
    before, started = sum(os.times()[:4]), time.monotonic()
    result = function()
    return sum(os.times()[:4]) - before, time.monotonic() - started, result


def measure(runs: Path, cells: int, steps: tuple[str, ...] = STEPS) -> dict[str, tuple[float, float]]:
    """The time of every step, (processor, clock)."""
    *times, made = timed(lambda: plan(runs, cells))
    found = {"plan": tuple(times)}
    calls = {"work": lambda: work(made), "again": lambda: work(plan(runs, cells)), "table": lambda: table(made)}
    calls["status"] = lambda: statuses(runs)
    for step in (step for step in steps if step != "plan"):
        found[step] = timed(calls[step])[:2]
    return found  # type: ignore[return-value]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cells", type=int, nargs="+", choices=SHAPES)
    parser.add_argument("--only", default=",".join(STEPS))
    asked = parser.parse_args()
    for cells in asked.cells:
        with tempfile.TemporaryDirectory() as folder:
            found = measure(Path(folder), cells, tuple(asked.only.split(",")))
        told = [f"{step} {used:.2f} ({clock:.2f})" for step, (used, clock) in found.items()]
        if "work" in found:
            told.append(f"{1000 * (found['work'][0] / cells):.2f} ms of processor per cell")
        print(f"{cells} cells: " + ", ".join(told), flush=True)


if __name__ == "__main__":
    main()
