"""Training from whole episodes: they are collected in parallel, and learned from in the order of their numbers."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.agent import EpisodicAgent, Transition
from harness.files import disk_errors
from harness.running.rollout import act, agent_errors, start_episode
from harness.running.train import Trainer

if TYPE_CHECKING:
    import numpy as np

    from harness.environment import PixelEnv

SNAPSHOTS = "collecting"  # folder of the policy that collects


@dataclass(frozen=True)
class Collected:
    """One episode as a worker gives it back."""

    episode: int
    arrays: Mapping[str, np.ndarray]
    episode_return: float
    num_steps: int
    num_frames: int


Collect = Callable[[Path, Sequence[int]], list[Collected]]


def collect_episode(
    env: PixelEnv, agent: EpisodicAgent, *, seed: int, episode: int, on_step: Callable[[int], None]
) -> Collected:
    """Plays one numbered episode of training with exploration.

    Raises:
      AgentError: if the agent raises or returns an action that breaks the contract.
    """
    observation, _ = env.reset(seed=seed, options={"episode": episode})
    start_episode(agent, phase="train", seed=seed, episode=episode)
    shape, episode_return, step, over = env.action_space.shape or (), 0.0, 0, False
    info: dict[str, Any] = {}
    while not over:
        where = f"training, episode {episode}, step {step}"
        action = act(agent, observation, shape, explore=True, where=where)
        next_observation, reward, terminated, truncated, info = env.step(action)
        with agent_errors("observe", where):
            agent.observe(Transition(observation, action, reward, next_observation, terminated, truncated))
        observation, over = next_observation, terminated or truncated
        episode_return += reward
        step += 1
        on_step(step)
    with agent_errors("trajectory", f"training, episode {episode}"):
        arrays = agent.trajectory()
    return Collected(episode, arrays, float(episode_return), step, info["num_frames"])


class EpisodicTrainer(Trainer):
    """Trains an agent that learns from whole episodes; all else (checkpoints, log, curves, resume) is as of `Trainer`.

    Args:
      collect: plays the episodes of the numbers given with the policy in a folder, and returns them in that order.
      others: as of `Trainer`.
    """

    agent: EpisodicAgent  # type: ignore[assignment]

    def __init__(self, *arguments: Any, collect: Collect, **others: Any) -> None:
        super().__init__(*arguments, **others)
        self._collect = collect
        self._before_first: dict[str, float] = {}  # what is told of the start, logged with the first update

    def _prepare(self) -> None:
        """Demonstrations first: they are learned from once, and remembered whenever a training goes on."""
        if self._resume():
            with agent_errors("take_demos", "training, after a checkpoint"):
                self.agent.take_demos(self._demos)
        else:
            with agent_errors("start", "training, before the first episode"):
                self._before_first = dict(self.agent.start(self._demos))

    def _has_budget(self) -> bool:
        """Whether another update fits: its episodes are whole, and the budget is not overrun."""
        needed = self.agent.episodes_wanted * self.env.episode_frames
        return self.counters.num_frames + needed <= self.spec.train_frames

    def _advance(self) -> dict[str, float]:
        """Collects the episodes of one update, and makes it."""
        counters = self.counters
        numbers = range(counters.num_episodes, counters.num_episodes + self.agent.episodes_wanted)
        episodes = self._collect(self._snapshot(), numbers)
        where = f"training, episodes {numbers[0]} to {numbers[-1]}"
        with agent_errors("learn", where):
            metrics = dict(self.agent.learn([episode.arrays for episode in episodes]))
        counters.num_episodes += len(episodes)
        counters.num_steps += sum(episode.num_steps for episode in episodes)
        counters.num_frames += sum(episode.num_frames for episode in episodes)
        self._on_progress({"num_frames": counters.num_frames})
        mean = sum(episode.episode_return for episode in episodes) / len(episodes)
        told, self._before_first = self._before_first, {}
        return {"episode_return": mean, **told, **metrics}

    def _snapshot(self) -> Path:
        """The policy as it is, in a folder of its own that no worker has read yet."""
        folder = self.folder / SNAPSHOTS
        snapshot = folder / f"{self.counters.num_episodes:09d}"
        with disk_errors(str(folder)):
            shutil.rmtree(folder, ignore_errors=True)
            snapshot.mkdir(parents=True)
            self.agent.save_policy(snapshot)
        return snapshot
