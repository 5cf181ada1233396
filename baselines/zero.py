"""A policy that never moves: the floor that any other number is read against."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from harness.agent import AgentContext, AgentSpec, Config
from harness.lazy import np

if TYPE_CHECKING:
    from harness.agent import Observation


class ZeroPolicy:
    """Acts with zeros."""

    def __init__(self, context: AgentContext, config: Config) -> None:
        self._action_size = math.prod(context.action_space.shape)

    def act(self, observations: Observation, *, explore: bool) -> np.ndarray:
        pixels = observations["pixels"] if isinstance(observations, dict) else observations
        return np.zeros((len(pixels), self._action_size), np.float32)


AGENT = AgentSpec(
    name="zero",
    version=1,
    maker="harness.baselines.zero:ZeroPolicy",
    description="Never moves.",
    source="this project",
    learns=False,
    seeded=False,
)
