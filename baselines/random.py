"""Uniformly random actions: the usual zero point of a normalised score."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from harness.agent import AgentContext, AgentSpec, Config
from harness.lazy import np

if TYPE_CHECKING:
    from harness.agent import Observation, Phase


class RandomPolicy:
    """Acts uniformly in [-1, 1]. The actions of an episode depend on its seed and number and on nothing else."""

    def __init__(self, context: AgentContext, config: Config) -> None:
        self._action_size = math.prod(context.action_space.shape)
        self._rng = np.random.default_rng(context.seed)

    def begin_episode(self, *, phase: Phase, seed: int, episode: int) -> None:
        self._rng = np.random.default_rng((seed, episode, phase != "train"))

    def act(self, observations: Observation, *, explore: bool) -> np.ndarray:
        pixels = observations["pixels"] if isinstance(observations, dict) else observations
        return self._rng.uniform(-1.0, 1.0, (len(pixels), self._action_size)).astype(np.float32)


AGENT = AgentSpec(
    name="random",
    version=1,
    maker="harness.baselines.random:RandomPolicy",
    description="Uniformly random actions.",
    source="this project",
    learns=False,
    seeded=False,
)
