"""Memory of every off-policy agent's replay per million steps: what it holds, and what a process grows by (Linux).

    python -m benchmarks.replay_memory [--agents drq pvr] [--megabytes 80]

Each agent's own replay, in a process of its own, takes in episodes of 500 steps (walker_walk at an action repeat of 2)
of random frames or tokens. That it holds what frames and steps should take, and that the process grew by as much, is
asserted. A run keeps the frames in its folder: the same bytes, on disk, and the steps in memory.
"""

from __future__ import annotations

import argparse
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.off_policy_update import AGENTS, make_learner, observation

EPISODE = 500  # steps
REUSED = 25_000_000  # bytes that may lie where loading an encoder's weights left room
ALLOWED = 0.05  # of what is held, and as much as episodes take up while they run: what a process may grow by besides
RUNNING = 2  # such episodes
WARM_UP = 4  # episodes: the first ones leave room behind that later ones use
MILLION = 1_000_000


def own_bytes() -> int:
    """Memory of this process that no file stands behind, wherever the system keeps it."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith(("RssAnon:", "VmSwap:")))


def add_episode(replay: Any, shape: tuple[int, ...], stack: int, num_numbers: int, rng: np.random.Generator) -> None:
    """An episode of random frames.

    Args:
      shape: of a frame.
      num_numbers: what stands before the reward in a step.
    """
    frames = [random_frame(shape, replay._frame_dtype, rng) for _ in range(stack)]
    for step in range(EPISODE):
        before = np.concatenate(frames)
        frames = [*frames[1:], random_frame(shape, replay._frame_dtype, rng)]
        numbers = rng.uniform(-1, 1, num_numbers).astype(np.float32)
        last = step == EPISODE - 1
        replay.add(before, numbers, 1.0, np.concatenate(frames), terminated=False, truncated=last)


def random_frame(shape: tuple[int, ...], dtype: np.dtype[Any], rng: np.random.Generator) -> np.ndarray:
    if dtype == np.uint8:
        return rng.integers(0, 256, shape, dtype=np.uint8)
    return rng.normal(size=shape).astype(dtype)


def measure(pipe: Connection, agent: str, num_bytes: int) -> None:
    """Sends (bytes of a frame, steps taken in, bytes held, bytes that the process grew by), for about `num_bytes`.

    Raises:
      AssertionError: if the replay holds other than it should, or the process grew by something else.
    """
    learner = make_learner(agent, None)
    stack, rng = learner.context.frame_stack, np.random.default_rng(0)
    seen = observation(learner, learner.pixel_shape[1], 0)
    kept = learner.senses.pixels(seen) if agent == "ferm" else learner.kept(seen)
    shape = (len(kept) // stack, *kept.shape[1:])
    num_numbers = learner.action_dim + (2 * learner.senses.proprio_dim if agent == "ferm" else 0)
    frame_bytes = int(np.prod(shape)) * learner.replay._frame_dtype.itemsize
    episode_bytes = (EPISODE + stack) * frame_bytes + EPISODE * 4 * (num_numbers + 2)
    num_episodes, held, before = num_bytes // episode_bytes + 1, 0, 0
    for episode in range(WARM_UP + num_episodes):
        if episode == WARM_UP:
            held, before = learner.replay.num_bytes, own_bytes()
        add_episode(learner.replay, shape, stack, num_numbers, rng)
    held, grown = learner.replay.num_bytes - held, own_bytes() - before
    assert held == num_episodes * episode_bytes, (agent, held)
    assert held - REUSED <= grown <= (1 + ALLOWED) * held + RUNNING * episode_bytes, (agent, held, grown)
    pipe.send((frame_bytes, num_episodes * EPISODE, held, grown))


def line(agent: str, num_bytes: int) -> str:
    """A line of the table."""
    spawn = get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=measure, args=(theirs, agent, num_bytes))
    process.start()
    theirs.close()
    frame_bytes, num_steps, held, grown = ours.recv()
    process.join()
    scale = MILLION / num_steps / 1e9
    return f"| {agent} | {frame_bytes:,} | {held * scale:.2f} | {grown * scale:.2f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", nargs="+", choices=AGENTS, default=AGENTS)
    parser.add_argument("--megabytes", type=int, default=80, help="that each replay is filled with, at least")
    chosen = parser.parse_args()
    print(f"GB (1e9 bytes) per million steps, from {chosen.megabytes} MB and more")
    print("| agent | bytes of a frame | held | process grew by |\n|---|---|---|---|", flush=True)
    for agent in chosen.agents:
        print(line(agent, chosen.megabytes * 1_000_000), flush=True)


if __name__ == "__main__":
    main()
