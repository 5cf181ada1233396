"""Seconds per update and per action of PIE-G (and DrQ-v2), beside a plain implementation of the same papers.

    python -m benchmarks.pieg_update [--batch 256] [--size 84] [--updates 2] [--threads N]

Each side lives in a process of its own and they take turns, so that neither gains from the other's memory or from a
quiet moment of the machine. Both start from the same parameters, see the same batches and the same random draws; that
their losses and actions agree is asserted. What is timed: one whole update (augmentation, networks, three optimisers,
target) on a batch at hand; greedy actions for as many observations; and one greedy action after the other through an
episode, each observation with one new frame, as evaluation has them. The plain side is `tests/baselines/plain.py`.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import time
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

LOSS_TOLERANCE = 2e-3  # relative; float32 sums in another order, through Adam's first steps
AGENTS = ("pieg", "drqv2")


def serve(pipe: Connection, side: str, agent: str, batch_size: int, size: int, threads: int) -> None:
    """One side: answers `update` and `act` with (seconds, result) until told to stop."""
    if side == "plain":
        os.environ["THP_MEM_ALLOC_ENABLE"] = "0"  # as any program has it that does not ask for huge pages
    import torch

    torch.set_num_threads(threads)
    learner = make_learner(agent, batch_size, size)
    plain = make_plain(learner, agent) if side == "plain" else None
    pipe.send("ready")
    while (message := pipe.recv()) is not None:
        kind, number = message
        if kind == "update":
            batch, draws = make_batch(batch_size, size, number), learner.draw(batch_size)
            started = time.perf_counter()
            if plain is None:
                result = float(learner.update_batch(batch, draws)["critic_loss"])
            else:
                result = plain.update(batch, draws, learner.noise_std)["critic_loss"]
        else:
            observations = make_stack(size, number, 1 if kind == "act" else batch_size)
            started = time.perf_counter()
            if plain is None:
                result = float(learner.act(observations, explore=False)[-1, 0])
            else:
                result = float(plain.act(torch.from_numpy(observations))[-1, 0])
        pipe.send((time.perf_counter() - started, result))


def make_learner(agent: str, batch_size: int, size: int) -> Any:
    """The project's learner, with a random network where weights are absent: timing does not depend on them."""
    import gymnasium

    from harness.agent import AgentContext
    from harness.assets.store import AssetStore
    from harness.baselines import drqv2, pieg
    from harness.baselines.learners.drqv2 import DrQv2
    from harness.baselines.learners.pieg import PIEG

    context = AgentContext(
        task="walker_walk",
        observation_space=gymnasium.spaces.Box(0, 255, (9, size, size), np.uint8),
        action_space=gymnasium.spaces.Box(-1.0, 1.0, (6,), np.float32),
        frame_stack=3,
        action_repeat=2,
        train_frames=1,
        seed=0,
        device="cpu",
        assets=AssetStore.from_environment(allow_stand_ins=True),
    )
    if agent == "pieg":
        return PIEG(context, pieg.Config(batch_size=batch_size))
    return DrQv2(context, drqv2.Config(batch_size=batch_size))


def make_plain(learner: Any, agent: str) -> Any:
    """The plain side, started from the learner's parameters."""
    from tests.baselines.plain import PlainAgent

    return PlainAgent(learner, agent)


def make_batch(num: int, size: int, seed: int) -> Any:
    """A batch of noise, the same in both processes."""
    import torch

    from harness.baselines.nn.replay import Batch

    rng = np.random.default_rng(seed)
    pixels = torch.from_numpy(rng.integers(0, 256, (2, num, 9, size, size), dtype=np.uint8))
    actions = torch.from_numpy(rng.uniform(-1, 1, (num, 6)).astype(np.float32))
    rewards = torch.from_numpy(rng.uniform(0, 3, (num, 1)).astype(np.float32))
    return Batch(pixels[0], actions, rewards, torch.full((num, 1), 0.970299), pixels[1])


def make_stack(size: int, number: int, num: int) -> np.ndarray:
    """Observations `number` .. `number + num - 1` of an episode: uint8 (num, 9, size, size), one new frame each."""
    frames = [
        np.random.default_rng(n).integers(0, 256, (3, size, size), np.uint8) for n in range(number, number + num + 2)
    ]
    return np.stack([np.concatenate(frames[n : n + 3]) for n in range(num)])


def start(side: str, *arguments: Any) -> Connection:
    """Starts one side; returns the pipe to it."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs, side, *arguments), daemon=True)
    process.start()
    return ours


def ask(pipe: Connection, kind: str, number: int) -> tuple[float, float]:
    pipe.send((kind, number))
    return pipe.recv()


def compare(agent: str, batch_size: int, size: int, updates: int, actions: int, threads: int) -> list[str]:
    """Times both sides in turns; returns table lines.

    Raises:
      AssertionError: if losses or actions differ beyond rounding.
    """
    pipes = {side: start(side, agent, batch_size, size, threads) for side in ("ours", "plain")}
    for pipe in pipes.values():
        pipe.recv()
    lines = []
    # Acting first: while the parameters are equal to the last bit.
    for kind, repeats in (("act", actions), (f"act on {batch_size}", updates), ("update", updates)):
        seconds: dict[str, list[float]] = {side: [] for side in pipes}
        for number in range(repeats + 1):
            answers = {side: ask(pipe, kind, number) for side, pipe in pipes.items()}
            gap = abs(answers["ours"][1] - answers["plain"][1])
            assert gap <= LOSS_TOLERANCE * max(1.0, abs(answers["plain"][1])), (agent, kind, number, answers)
            if number > 0:  # the first call allocates
                for side, (elapsed, _) in answers.items():
                    seconds[side].append(elapsed)
        ours, plain = (statistics.median(seconds[side]) for side in ("ours", "plain"))
        best = min(seconds["plain"]) / min(seconds["ours"])
        lines.append(f"| {agent} {kind} | {ours:.4f} | {plain:.4f} | {plain / ours:.2f} | {best:.2f} |")
    for pipe in pipes.values():
        pipe.send(None)
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--size", type=int, default=84)
    parser.add_argument("--updates", type=int, default=2)
    parser.add_argument("--actions", type=int, default=40)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--agents", nargs="+", choices=AGENTS, default=AGENTS)
    chosen = parser.parse_args()
    print(f"batch {chosen.batch}, {chosen.size} x {chosen.size} pixels, {chosen.threads} threads, float32, seconds")
    print("| | ours, median | plain, median | ratio | ratio of the fastest |\n|---|---|---|---|---|")
    for agent in chosen.agents:
        for line in compare(agent, chosen.batch, chosen.size, chosen.updates, chosen.actions, chosen.threads):
            print(line, flush=True)


if __name__ == "__main__":
    main()
