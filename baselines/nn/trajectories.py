"""Whole episodes as arrays, and what is computed from them: returns, advantages, inputs of the value network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

HORIZON_SCALE = 1000.0  # steps; time enters the value network as step / 1000
NUM_TIME_POWERS = 4
CLIP = 10.0  # observations are clipped to +-10 before the value network


@dataclass(frozen=True)
class Trajectory:
    """One episode of T steps, as the policy saw it.

    Attributes:
      observations: float32 (T, O), before each action.
      actions: float32 (T, A), as the policy chose them, before they were clipped.
      rewards: float64 (T,).
      terminated: whether the episode ended by itself and not by its length.
    """

    observations: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    terminated: bool

    def __len__(self) -> int:
        return len(self.rewards)


def discounted_sum(values: np.ndarray, discount: float, last: float = 0.0) -> np.ndarray:
    """s_t = v_t + discount * s_{t+1}, (T,), with s_T = `last`."""
    sums = np.empty(len(values), np.float64)
    running = last
    for t in range(len(values) - 1, -1, -1):
        running = values[t] + discount * running
        sums[t] = running
    return sums


def advantages(rewards: np.ndarray, values: np.ndarray, terminated: bool, discount: float, gae: float) -> np.ndarray:
    """Generalised advantage estimates (T,) of one trajectory, as aravindr93/mjrl process_samples.py computes them.

    After the last step of an episode that its length ended, the value of that last step itself is taken for the next
    state's (as published), 0 where the episode ended by itself.

    Args:
      rewards, values: (T,).
      terminated: whether the episode ended by itself.
      discount, gae: gamma and lambda.
    """
    following = np.append(values[1:], 0.0 if terminated else values[-1])
    return discounted_sum(rewards + discount * following - values, discount * gae)


def whiten(values: np.ndarray) -> np.ndarray:
    """Mean 0 and standard deviation 1 over the batch."""
    return (values - values.mean()) / (values.std() + 1e-6)


def value_inputs(observations: np.ndarray) -> np.ndarray:
    """Inputs of the value network for one trajectory: (T, O) to float32 (T, O + 4), clipped observations and time."""
    time = np.arange(len(observations)) / HORIZON_SCALE
    powers = np.stack([time ** (k + 1) for k in range(NUM_TIME_POWERS)], axis=1)
    return np.concatenate([np.clip(observations, -CLIP, CLIP) / CLIP, powers], axis=1).astype(np.float32)


def stacked(trajectories: Sequence[Trajectory], name: str) -> np.ndarray:
    """One field of all trajectories, one after the other."""
    return np.concatenate([getattr(trajectory, name) for trajectory in trajectories])
