"""Small worlds for agents: contexts without an environment, batches, and the plainest possible loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch

from harness.agent import AgentContext, Transition
from harness.assets.store import AssetStore
from harness.baselines.nn.replay import Batch
from harness.baselines.nn.resnet import ResNet18, initialise_randomly
from harness.environment import PixelEnv, make_env
from harness.simulation import StepResult
from harness.spec import Shift, Suite
from harness.testing import SUITE, DotReach

STAND_INS = AssetStore([], allow_stand_ins=True)


class PaidBefore(DotReach):
    """Pays for where the dot was before it moved: what an action is good for shows in the following value alone."""

    def step(self, action: np.ndarray) -> StepResult:
        reward = max(0.0, 1.0 - self._distance() / 0.7)
        return super().step(action)._replace(reward=reward)


def make_simulation(task: str, *, image_size: int, profile: str, shifts: Sequence[Shift]) -> PaidBefore:
    """This module is the domain of `PAID_BEFORE`."""
    return PaidBefore(task, image_size)


PAID_BEFORE = replace(SUITE, name="dots_paid_before", domain=__name__)


def make_context(**changes: Any) -> AgentContext:
    """A context of 24 x 24 pixels, three frames and two actions."""
    size, stack = changes.pop("image_size", 24), changes.get("frame_stack", 3)
    facts = {
        "task": "dot_reach",
        "observation_space": gymnasium.spaces.Box(0, 255, (3 * stack, size, size), np.uint8),
        "action_space": gymnasium.spaces.Box(-1.0, 1.0, (changes.pop("action_dim", 2),), np.float32),
        "frame_stack": stack,
        "action_repeat": 2,
        "train_frames": 1_000,
        "seed": 0,
        "device": "cpu",
        "assets": STAND_INS,
    }
    return AgentContext(**(facts | changes))


def small_backbone(width: int = 8, layer: int = 2) -> ResNet18:
    """A random ResNet with few channels."""
    network = ResNet18(layer, width)
    initialise_randomly(network, 7)
    return network


def random_batch(
    num: int,
    context: AgentContext,
    dtype: torch.dtype = torch.float64,
    seed: int = 0,
    values: tuple[int, int] = (0, 255),
) -> Batch:
    """A batch of noise, its pixels from the first of `values` to the last."""
    rng = np.random.default_rng(seed)
    shape = (num, *context.observation_space.shape)
    pixels = torch.from_numpy(rng.integers(*values, (2, *shape), dtype=np.uint8, endpoint=True))
    actions = torch.from_numpy(rng.uniform(-1, 1, (num, *context.action_space.shape))).to(dtype)
    rewards = torch.from_numpy(rng.uniform(0, 3, (num, 1))).to(dtype)
    discounts = torch.full((num, 1), 0.970299, dtype=dtype)
    return Batch(pixels[0], actions, rewards, discounts, pixels[1])


def dot_env(task: str = "dot_reach", setting: str = "train", suite: Suite = SUITE) -> PixelEnv:
    return make_env(suite, task, setting, assets=STAND_INS)


def train(
    agent: Any, num_episodes: int, *, task: str = "dot_reach", suite: Suite = SUITE, first: int = 0, seed: int = 0
) -> list[float]:
    """Plays training episodes in the order the harness does; returns their returns."""
    env, returns = dot_env(task, suite=suite), []
    for episode in range(first, first + num_episodes):
        observation, _ = env.reset(seed=seed, options={"episode": episode})
        agent.begin_episode(phase="train", seed=seed, episode=episode)
        over, total = False, 0.0
        while not over:
            action = agent.act(observation[None], explore=True)[0]
            agent.update()
            following, reward, terminated, truncated, _ = env.step(action)
            agent.observe(Transition(observation, action, reward, following, terminated, truncated))
            observation, over, total = following, terminated or truncated, total + reward
        returns.append(total)
    return returns


def evaluate(
    agent: Any, num_episodes: int, *, task: str = "dot_reach", suite: Suite = SUITE, seed: int = 1000
) -> float:
    """Mean return without exploration."""
    env, total = dot_env(task, suite=suite), 0.0
    for episode in range(num_episodes):
        observation, _ = env.reset(seed=seed, options={"episode": episode})
        agent.begin_episode(phase="evaluation", seed=seed, episode=episode)
        over = False
        while not over:
            action = agent.act(observation[None], explore=False)[0]
            observation, reward, terminated, truncated, _ = env.step(action)
            over, total = terminated or truncated, total + reward
    return total / num_episodes


def folder_bytes(folder: Path) -> dict[str, bytes]:
    """Contents of all files below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
