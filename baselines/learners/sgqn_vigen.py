"""RL-ViGen's SGQN; settings and sources stand in baselines/sgqn_vigen.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.agent import AgentContext
from harness.baselines.learners.curl_vigen import Projected
from harness.baselines.learners.ddpg import Draws
from harness.baselines.learners.pictures import Pictures, WithPictures
from harness.baselines.learners.sgqn import Decoder
from harness.baselines.learners.storage import Meta
from harness.baselines.nn.augment import overlay
from harness.baselines.nn.heads import Critic, critic_loss, initialise_as_torch
from harness.baselines.nn.replay import Batch
from harness.baselines.nn.saliency import GuidedReLU, salient, values_of
from harness.baselines.sgqn_vigen import AGENT, Config


@dataclass(kw_only=True)
class SgqnDraws(Draws):
    """The random choices of an update of SGQN."""

    fill: float  # in 0..1: what masked pixels are set to, from the batch's smallest value to its largest


class SGQNViGen(WithPictures, Projected):
    """DrQ-v2 whose critic gives the same values when only the pixels that matter to it are left.

    Its encoder is also to predict, from an overlaid picture and the action, which these are: last in an update, with
    masks by the networks as they are then.
    """

    TRAINING_MODULES: ClassVar[tuple[str, ...]] = (*Projected.TRAINING_MODULES, "decoder")
    CHECKPOINT: ClassVar[tuple[type[Meta], ...]] = (*Projected.CHECKPOINT, Pictures)

    config: Config
    critic: Critic

    def make_auxiliary(self) -> None:
        channels, size, _ = self.pixel_shape
        self.decoder = Decoder(self.config.representation_dim + self.action_dim, channels, size)

    def initialise_auxiliary(self) -> None:
        initialise_as_torch(self.decoder, self.init_rng)

    def auxiliary_parameters(self) -> Sequence[nn.Parameter]:
        return [*self.encoder.parameters(), *self.decoder.parameters()]

    def encode_batch(self, batch: Batch, draws: Any) -> tuple[Tensor, Tensor]:
        clean = self.shifted(batch.observations, draws.shift)
        lowest, highest = clean.aminmax()
        masked = torch.where(self._mask(clean, batch.actions), clean, lowest + (highest - lowest) * draws.fill)
        with torch.no_grad():
            next_features = self.encode_views([self.shifted(batch.next_observations, draws.next_shift)])
        return self.encode_views([clean, masked]), next_features

    def critic_loss(self, values: tuple[Tensor, Tensor], target: Tensor) -> Tensor:
        """The usual loss on the clean view, and how far the masked one's values are from the clean one's."""
        (first, first_masked), (second, second_masked) = (value.split(len(target)) for value in values)
        moved = F.mse_loss(first, first_masked) + F.mse_loss(second, second_masked)
        return critic_loss((first, second), target) + self.config.consistency_weight * moved

    def after_target(self, batch: Batch, draws: Any) -> dict[str, Tensor]:
        clean = self.shifted(batch.observations, draws.shift)
        mask = self._mask(clean, batch.actions)
        seen = overlay(clean, draws.overlay, self.config.overlay_weight)
        logits = self.decoder(self.encode_views([seen]), batch.actions)
        loss = F.binary_cross_entropy_with_logits(logits, mask.to(self.dtype))
        self._step(loss, "auxiliary")
        return {"auxiliary_loss": loss.detach()}

    def _mask(self, clean: Tensor, actions: Tensor) -> Tensor:
        """Which pixels matter to the first critic: bool, as `clean`."""
        pixels, relu = clean.detach().sub(0.5).requires_grad_(), GuidedReLU()
        value, _ = values_of(self.encoder, self.critic, pixels, actions, relu)
        return salient(relu.gradient(value, pixels, keep=False), self.config.saliency_quantile)

    def draw(self, num: int) -> SgqnDraws:
        draws = vars(super().draw(num))
        fill = float(torch.rand((), generator=self.update_rng, dtype=torch.float64))
        return SgqnDraws(**(draws | {"overlay": self.draw_pictures(num)}), fill=fill)


def make(context: AgentContext, config: Config) -> SGQNViGen:
    """Builds the agent; `harness.baselines.sgqn_vigen.AGENT` names this function."""
    return SGQNViGen(AGENT, context, config)
