"""What stepping the environment beside the agent's update gains, and what it could: cartpole_swingup, drawn.

    python -m benchmarks.side_by_side [--agent drqv2] [--batches 16 32 64] [--rounds 15] [--steps 30] [--size 84]

One thread for updates, as `harness run --threads 1` trains on two cores. Rounds of steps one after the other and side
by side take turns, with one agent, one environment and one stream of episodes; that both give the same bits is tested
(tests/harness/running/test_side_by_side.py). Printed for each batch, in milliseconds a step: the medians of update and
environment alone and of both ways; the median of the rounds' ratios; and the most that any overlap could gain,
(update + step) / max(update, step). What the machine does besides is part of all of it.
"""

from __future__ import annotations

import argparse
import importlib
import statistics
import time
from typing import Any

import numpy as np

TASK = "cartpole_swingup"
WARM_UP = 60  # steps into the replay before anything is timed


def make_agent(name: str, env: Any, batch_size: int) -> Any:
    """The agent with its `laptop` settings but the batch, and an update due at every step."""
    from harness.agent import AgentContext
    from harness.assets.store import AssetStore

    spec = importlib.import_module(f"harness.baselines.{name}").AGENT
    context = AgentContext(
        task=TASK,
        observation_space=env.observation_space,
        action_space=env.action_space,
        frame_stack=3,
        action_repeat=8,
        train_frames=150_000,
        seed=0,
        device="cpu",
        assets=AssetStore.from_environment(allow_stand_ins=True),
    )
    wanted = {"batch_size": batch_size, "num_seed_frames": 80, "num_exploration_steps": 10, "num_catch_up_updates": 1}
    given = {**spec.preset_settings.get("laptop", {}), **wanted, "update_every_steps": 1}
    known = spec.config.model_fields
    return spec.make(context, spec.config(**{key: value for key, value in given.items() if key in known}))


class Loop:
    """Training steps, as the trainer takes them."""

    def __init__(self, agent: Any, env: Any) -> None:
        self.agent, self.env, self.over, self.episode = agent, env, True, 0
        self.update_sec: list[float] = []
        self.step_sec: list[float] = []

    def step(self, stepping: Any) -> None:
        """One decision, an update and a step."""
        from harness.agent import Transition

        if self.over:
            self.observation, _ = self.env.reset(seed=0, options={"episode": self.episode})
            self.agent.begin_episode(phase="train", seed=0, episode=self.episode)
            self.episode += 1
        action = self.agent.act(self.observation[None], explore=True)[0]
        following, reward, terminated, truncated, _ = stepping.update_and_step(self.agent.update, action)
        self.agent.observe(Transition(self.observation, action, reward, following, terminated, truncated))
        self.observation, self.over = following, terminated or truncated

    def alone(self) -> None:
        """Times an update and a step, each by itself."""
        started = time.perf_counter()
        self.agent.update()
        self.update_sec.append(time.perf_counter() - started)
        action = np.zeros(self.env.action_space.shape, np.float32)
        if not self.over:
            started = time.perf_counter()
            _, _, terminated, truncated, _ = self.env.step(action)
            self.step_sec.append(time.perf_counter() - started)
            self.over = terminated or truncated


def measure(agent_name: str, batch_size: int, rounds: int, steps: int, size: int) -> str:
    """One line of the table."""
    from harness.api import make_env
    from harness.running.side_by_side import Stepping

    env = make_env("color_easy", TASK, "train", protocol={"image_size": size, "action_repeat": 8})
    loop = Loop(make_agent(agent_name, env, batch_size), env)
    ways = {True: Stepping(env, side_by_side=True), False: Stepping(env, side_by_side=False)}
    for _ in range(WARM_UP):
        loop.step(ways[False])
    taken: dict[bool, list[float]] = {True: [], False: []}
    for number in range(rounds):
        for way in (True, False) if number % 2 else (False, True):
            started = time.perf_counter()
            for _ in range(steps):
                loop.step(ways[way])
            taken[way].append((time.perf_counter() - started) / steps)
    env.reset(seed=1)
    loop.over = False
    for _ in range(steps):
        loop.alone()
    ways[True].close()
    env.close()
    update, step = statistics.median(loop.update_sec), statistics.median(loop.step_sec)
    gains = [after / beside for after, beside in zip(taken[False], taken[True], strict=True)]
    medians = {way: 1e3 * statistics.median(found) for way, found in taken.items()}
    return (
        f"{agent_name:12s} batch {batch_size:4d}: update {1e3 * update:6.1f}, step {1e3 * step:6.1f}, "
        f"after {medians[False]:6.1f}, beside {medians[True]:6.1f}, gain {statistics.median(gains):.2f} "
        f"({min(gains):.2f} to {max(gains):.2f}), at most {(update + step) / max(update, step):.2f}"
    )


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agent", default="drqv2")
    parser.add_argument("--batches", type=int, nargs="+", default=[16, 32, 64])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--size", type=int, default=84)
    given = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    for batch_size in given.batches:
        print(measure(given.agent, batch_size, given.rounds, given.steps, given.size), flush=True)


if __name__ == "__main__":
    main()
