"""The dot tasks in a domain that has an expert, for tests of the command line."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from harness.testing import SUITE as DOTS
from harness.testing import DotReach, make_simulation

__all__ = ["SUITE", "expert", "make_simulation"]


class Expert:
    """Goes straight to the target, which it reads off the simulation."""

    identity = "expert"

    def act(self, simulation: DotReach) -> np.ndarray:
        return np.clip(8 * (simulation._target - simulation._dot), -1, 1)

    def sample(self, simulation: DotReach, rng: np.random.Generator) -> np.ndarray:
        return self.act(simulation) + rng.normal(0.0, 0.3, 2)


def expert(task: str, assets: Any) -> Expert:
    """The hook of `harness.demos`."""
    return Expert()


SUITE = replace(
    DOTS,
    domain=__name__,
    protocol=replace(DOTS.protocol, image_size=12, episode_frames=40),
    demonstrators={"expert": dict.fromkeys(DOTS.tasks, "")},
)
