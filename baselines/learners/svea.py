"""DMC-GB's SVEA; settings and sources stand in baselines/svea.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from harness.agent import AgentContext
from harness.baselines.learners.sac import SAC, Draws
from harness.baselines.nn.augment import random_convolution
from harness.baselines.nn.replay import Batch
from harness.baselines.svea import AGENT, Config


@dataclass
class SveaDraws(Draws):
    """The random choices of an update of SVEA."""

    kernels: Tensor  # standard normal (N, 3, 3, 3, 3): of the random convolutions


class SVEA(SAC):
    """SAC whose critic learns from shifted pictures and from the same after random convolution.

    The target of both is that of the shifted next picture; the actor sees shifted pictures alone.
    """

    config: Config

    def critic_views(self, clean: Tensor, batch: Batch, draws: Any) -> Sequence[Tensor]:
        return [clean, random_convolution(clean, draws.kernels)]

    @property
    def view_weights(self) -> tuple[float, ...]:
        return (self.config.clean_weight, self.config.augmented_weight)

    def draw(self, num: int) -> SveaDraws:
        draws = super().draw(num)
        kernels = torch.randn(num, 3, 3, 3, 3, generator=self.update_rng, dtype=self.dtype).to(self.device)
        return SveaDraws(**vars(draws), kernels=kernels)


def make(context: AgentContext, config: Config) -> SVEA:
    """Builds the agent; `harness.baselines.svea.AGENT` names this function."""
    return SVEA(AGENT, context, config)
