"""The authors' own DrQ; settings and sources stand in baselines/drq_original.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from harness.agent import AgentContext
from harness.baselines.drq_original import AGENT, Config
from harness.baselines.learners.sac import SAC, Draws
from harness.baselines.nn.cnn import Activation, PixelEncoder
from harness.baselines.nn.heads import orthogonal_
from harness.baselines.nn.replay import Batch
from harness.baselines.nn.squashed_gaussian import GaussianActor, exact_squashed_sample


@dataclass
class TwoViewDraws(Draws):
    """The random choices of an update over two shifts of every picture."""

    second_view: Tensor  # int64 (N, 2): where the observations are shifted to for the second view, (x, y),
    second_next_view: Tensor  # int64 (N, 2): and the next observations
    second_next_noise: Tensor  # standard normal (N, A): for the target's action there


class RectifiedEncoder(PixelEncoder):
    """Convolutions with a ReLU behind the last one, too."""

    def flatten(self, features: Tensor, relu: Activation = torch.relu_) -> Tensor:
        return relu(super().flatten(features, relu))


class OriginalDrQ(SAC):
    """SAC whose critic learns from two shifts of each picture, towards the mean of the targets of two others.

    The actor sees the first shift alone.
    """

    encoder_class: ClassVar[type[PixelEncoder]] = RectifiedEncoder

    config: Config

    @staticmethod
    def fill_convolution(weight: Tensor, gain: float, generator: torch.Generator) -> None:
        orthogonal_(weight, gain, generator)

    def make_actor(self) -> GaussianActor:
        bounds = (self.config.log_std_min, self.config.log_std_max)
        return GaussianActor(*self._sizes(), log_std=bounds, squash=exact_squashed_sample)

    def critic_views(self, clean: Tensor, batch: Batch, draws: Any) -> Sequence[Tensor]:
        return [clean, self.scale(self.augment(batch.observations, draws.second_view))]

    @property
    def view_weights(self) -> tuple[float, ...]:
        return (1.0, 1.0)

    def _target_values(self, next_clean: Tensor, batch: Batch, draws: Any) -> Tensor:
        other = self.scale(self.augment(batch.next_observations, draws.second_next_view))
        first = super()._target_values(next_clean, batch, draws)
        second = super()._target_values(other, batch, replace(draws, next_noise=draws.second_next_noise))
        return (first + second) / 2.0

    def draw(self, num: int) -> TwoViewDraws:
        draws = super().draw(num)
        places = torch.randint(self._num_offsets(), (2, num, 2), generator=self.update_rng)
        noise = torch.randn(num, self.action_dim, generator=self.update_rng, dtype=self.dtype).to(self.device)
        return TwoViewDraws(**vars(draws), second_view=places[0], second_next_view=places[1], second_next_noise=noise)


def make(context: AgentContext, config: Config) -> OriginalDrQ:
    """Builds the agent; `harness.baselines.drq_original.AGENT` names this function."""
    return OriginalDrQ(AGENT, context, config)
