"""The dot tasks' scripted policy with noise on its actions: something that a regression gate must see."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from harness.agent import Phase
from harness.testing import Seeker, SeekerConfig


class Noisy:
    """Goes to the target as `Seeker` does, and errs.

    Args:
      noise: standard deviation of what is added to actions.
    """

    def __init__(self, noise: float = 0.0) -> None:
        space = SimpleNamespace(shape=(2,))
        self._seeker, self._noise = Seeker(SimpleNamespace(action_space=space), SeekerConfig()), noise  # type: ignore[arg-type]
        self._rng = np.random.default_rng(0)

    def begin_episode(self, *, phase: Phase, seed: int, episode: int) -> None:
        self._rng = np.random.default_rng((seed, episode, 7))

    def act(self, observations: np.ndarray, *, explore: bool) -> np.ndarray:
        actions = self._seeker.act(observations, explore=explore)
        return np.clip(actions + self._noise * self._rng.normal(size=actions.shape), -1, 1)
