"""Seconds and memory of a leaderboard, from a thousand rows to a million.

    python -m benchmarks.leaderboard_rows [--sizes 1000 10000 100000 1000000] [--interval student]

Rows lie on disk as runs leave them: one Parquet file per task, setting and training seed, 100 episodes each; five seeds
and six tasks, agents and settings as the size asks for. Every size is measured in a process of its own: reading (all
checks and digests included), building every ranking, and showing the result as a page.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

NUM_EPISODES = 100  # of one cell
SEEDS, TASKS = 5, 6
MOST_SETTINGS = 20  # shifted ones; beyond, there are more agents
ROWS_PER_SETTING = NUM_EPISODES * SEEDS * TASKS


@dataclass(frozen=True)
class Measured:
    """Of one size: wall-clock seconds, CPU seconds in all, and the largest resident set of the process, in MB."""

    rows: int
    read_sec: float
    build_sec: float
    show_sec: float
    cpu_sec: float
    memory_mb: float


def write_rows(folder: Path, count: int) -> None:
    """Runs with about so many rows in all; fewer than one setting's are one task's."""
    from harness.results.row_files import write_parquet
    from harness.results.store import RowStore

    per_agent = min(count, ROWS_PER_SETTING * (1 + MOST_SETTINGS))
    num_agents = max(2, round(count / per_agent))
    num_cells = max(1, round(count / num_agents / NUM_EPISODES))
    cells = [(t, s, seed) for s in range(1 + MOST_SETTINGS) for t in range(TASKS) for seed in range(SEEDS)]
    rng = np.random.default_rng(0)
    for agent in range(num_agents):
        store = RowStore(folder / f"run{agent}" / "rows")
        store.folder.mkdir(parents=True)
        for task, setting, seed in cells[:num_cells]:
            rows = _cell(agent, task, setting, seed, rng)
            write_parquet(rows, store.folder / f"task{task}+{rows[0].setting}+seed{seed}.parquet")


def _cell(agent: int, task: int, setting: int, seed: int, rng: np.random.Generator) -> list:
    from harness.results.rows import Row

    returns = rng.normal(500 + 10 * agent - 10 * setting + rng.normal(0, 30), 80, NUM_EPISODES)
    return [
        Row(
            run_id=f"run{agent}",
            suite="made_up",
            suite_version=1,
            task=f"task{task}",
            setting="train" if setting == 0 else f"shift_{setting:02}",
            agent=f"agent{agent}",
            agent_version=1,
            config_hash=f"{agent:016x}",
            preset="paper",
            train_seed=seed,
            eval_seed=seed + 42,
            episode=episode,
            episode_return=float(value),
            success=None,
            successes_json="{}",
            num_steps=500,
            num_frames=1000,
            train_frames=1_100_000,
            action_repeat=2,
            frame_stack=3,
            image_size=84,
            episode_frames=1000,
            render_profile="standard",
            shift_json=f'{{"video":{episode}}}',
            assets_json='{"videos":"0123456789abcdef"}',
            stand_ins="",
            notes="",
            training="0123456789abcdef",
            checkpoint=f"{agent:032x}{seed:032x}",
            packages_json='{"mujoco":"3.3.0","torch":"2.13.0"}',
            compute="cpu, 1 thread",
            gl_renderer="llvmpipe",
            code_revision="0123456789abcdef",
            first_pixels=f"{episode:016x}",
            trajectory=f"{agent:04x}{episode:012x}",
        )
        for episode, value in enumerate(returns)
    ]


def measure(folder: Path, interval: str) -> Measured:
    """Reads, builds and shows once."""
    from harness.reports.leaderboard_command import load_with_submissions, show_leaderboard
    from harness.reports.ranking import build_leaderboard, method_named

    started = time.perf_counter()
    rows = load_with_submissions([folder], {}, lambda suite: None, for_pages=False).rows
    read = time.perf_counter()
    found = build_leaderboard(rows, {}, method=method_named(interval))
    built = time.perf_counter()
    show_leaderboard(found, "html")
    shown = time.perf_counter()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000  # of kB, as Linux counts it
    return Measured(len(rows), read - started, built - read, shown - built, time.process_time(), memory)


def _serve(pipe: Connection, folder: Path, interval: str) -> None:
    pipe.send(measure(folder, interval))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--interval", default="student")
    options = parser.parse_args()
    columns = ("rows", "read, s", "build, s", "show, s", "in all, s", "CPU, s", "memory, MB")
    print("| " + " | ".join(columns) + " |\n" + "|---:" * len(columns) + "|")
    for size in options.sizes:
        with tempfile.TemporaryDirectory() as folder:
            write_rows(Path(folder), size)
            ours, theirs = multiprocessing.Pipe()
            context = multiprocessing.get_context("spawn")
            process = context.Process(target=_serve, args=(theirs, Path(folder), options.interval))
            process.start()
            m = ours.recv()
            process.join()
        total = m.read_sec + m.build_sec + m.show_sec
        seconds = " | ".join(f"{value:.1f}" for value in (m.read_sec, m.build_sec, m.show_sec, total, m.cpu_sec))
        print(f"| {m.rows:,} | {seconds} | {m.memory_mb:.0f} |", flush=True)


if __name__ == "__main__":
    main()
