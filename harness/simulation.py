"""The contract between a domain (DMControl, Metaworld, Adroit, ...) and the environment around it."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np


class StepResult(NamedTuple):
    """What one control step gave."""

    reward: float
    terminated: bool


class Simulation(abc.ABC):
    """One task of one domain: physics, reward and a camera. No action repeat, no stacking, no shift.

    `begin_episode(seed, i)` puts the simulation where the i-th reset of a fresh simulation seeded with `seed`
    would be, whatever ran before; that is what lets episodes be evaluated in any order, on any worker.

    Attributes:
      any_thread: whether `step` and `render` may be called on another thread than the one that made it and begins its
        episodes, never at the same time as anything else of it; training then steps beside the agent's updates.
    """

    action_size: int
    num_cameras: int = 1
    any_thread: bool = False

    @abc.abstractmethod
    def begin_episode(self, seed: int, episode: int) -> None:
        """Resets to the start of episode `episode` (0, 1, ...) of the stream that `seed` names."""

    @abc.abstractmethod
    def step(self, action: np.ndarray) -> StepResult:
        """Advances one control step; `action` is float32 (action_size,), values in [-1, 1]."""

    @abc.abstractmethod
    def render(self) -> np.ndarray:
        """Draws the scene as it is now: uint8 (H, W, 3 * num_cameras), rows from the top, a fresh array."""

    @abc.abstractmethod
    def state(self) -> np.ndarray:
        """The physics state, float64, one dimension; equal states mean equal futures."""

    def successes(self) -> Mapping[str, bool]:
        """Success of the episode so far under each definition the task has, the headline first; empty if none."""
        return {}

    def proprioception(self) -> np.ndarray | None:
        """What the robot feels, float32, one dimension; None where the suite gives pixels only."""
        return None

    def observe_state(self) -> np.ndarray | None:
        """What an oracle sees of the state, float64, one dimension; None where the domain defines none."""
        return None

    def check_can_draw(self) -> None:  # noqa: B027 (not all draw with GL)
        """Checks that this process may draw, before an episode is begun for pictures that nobody could draw.

        Raises:
          WorkError: if it may not: it was forked from one that has drawn with GL.
        """

    def renderer_name(self) -> str:
        """The GL renderer string, or what draws instead of GL."""
        return "none"

    def close(self) -> None:  # noqa: B027 (most simulations have nothing to free)
        """Frees the renderer."""
