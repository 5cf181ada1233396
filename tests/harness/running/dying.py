"""DAPG on demonstrated dots that kills its whole session once, in the middle of what $DIE_IN names."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor

from harness.agent import AgentContext
from harness.baselines import dapg
from harness.baselines.learners import npg
from tests.harness import demonstrated

SUITE = replace(demonstrated.SUITE, offers_states=True)


def die(phase: str) -> None:
    """Kills the command and all that it has started, where this is the phase to do so."""
    if os.environ.get("DIE_IN") == phase:
        os.killpg(0, signal.SIGKILL)


class Dying(npg.NaturalGradientAgent):
    """As its base is, but mortal."""

    episode = 0

    def begin_episode(self, *, phase: Any, seed: int, episode: int) -> None:
        self.episode = episode if phase == "train" else 0
        super().begin_episode(phase=phase, seed=seed, episode=episode)

    def act(self, observations: Any, *, explore: bool) -> np.ndarray:
        if explore and self.episode == 8 and len(self._steps) == 5:  # of the second update's six to eleven
            die("sampling")
        return super().act(observations, explore=explore)

    def _fit_value(self, batch: Any, inputs: np.ndarray) -> float:
        if self.num_updates == 1:  # the policy has moved already
            die("the second update")
        return super()._fit_value(batch, inputs)


def draw_batches(*args: Any) -> Iterator[Tensor]:
    """As of cloning, some of them."""
    batches = iter(DRAW(*args))
    yield from itertools.islice(batches, 3)
    die("cloning")
    yield from batches


DRAW, npg.draw_batches = npg.draw_batches, draw_batches


def make(context: AgentContext, config: dapg.Config) -> Dying:
    """Builds the agent; `AGENT` names this function."""
    return Dying(AGENT, context, config)


AGENT = replace(dapg.AGENT, name="dying", maker=f"{__name__}:make", preset_settings={}, task_settings={})
