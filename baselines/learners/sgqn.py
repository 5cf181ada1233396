"""SGQN; settings and sources stand in baselines/sgqn.py."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.agent import AgentContext
from harness.baselines.learners.auxiliary import AuxiliarySAC
from harness.baselines.learners.pictures import Pictures, WithPictures
from harness.baselines.learners.sac import SAC, Draws
from harness.baselines.learners.storage import Meta
from harness.baselines.nn.augment import overlay
from harness.baselines.nn.cnn import PixelEncoder
from harness.baselines.nn.heads import critic_loss, initialise_as_torch
from harness.baselines.nn.replay import Batch
from harness.baselines.nn.saliency import GuidedReLU, salient, values_of
from harness.baselines.sgqn import AGENT, DECODER, DECODER_SCALE, Config


@dataclass
class SgqnDraws(Draws):
    """The random choices of an update of SGQN."""

    fill: float  # in 0..1: what masked pixels are set to, from the batch's smallest value to its largest
    overlay: Tensor | None  # (N, 3, S, S), values in 0..1: the pictures; None where the second loss is not due


class Decoder(nn.Module):
    """Features (N, F) and actions (N, A) to logits of the pixels that matter, (N, C, S, S).

    Args:
      inputs: F + A.
      channels: C, 3 * frame_stack.
      image_size: S; published for 84, where nothing is cut off.
    """

    def __init__(self, inputs: int, channels: int, image_size: int) -> None:
        super().__init__()
        self._size, self._start = image_size, math.ceil(image_size / DECODER_SCALE)
        self.first = nn.Linear(inputs, DECODER[0] * self._start**2)
        pairs = zip(DECODER, (*DECODER[1:], channels), strict=True)
        self.convs = nn.ModuleList(nn.Conv2d(*pair, 3, padding=1) for pair in pairs)

    def forward(self, features: Tensor, actions: Tensor) -> Tensor:
        x = self.first(torch.cat([features, actions], dim=1)).view(-1, DECODER[0], self._start, self._start)
        for index, conv in enumerate(self.convs):
            x = torch.relu(x)
            x = conv(F.interpolate(x, scale_factor=2.0) if index else x)
        return x[:, :, : self._size, : self._size]


class SGQN(WithPictures, AuxiliarySAC):
    """DrQ whose critic gives the same values when only the pixels that matter to it are left.

    Its encoder is also to predict, from an overlaid picture and the action, which these are.
    """

    TRAINING_MODULES: ClassVar[tuple[str, ...]] = (*SAC.TRAINING_MODULES, "decoder")
    CHECKPOINT: ClassVar[tuple[type[Meta], ...]] = (*SAC.CHECKPOINT, Pictures)

    config: Config
    encoder: PixelEncoder

    def make_auxiliary(self) -> None:
        channels, size, _ = self.pixel_shape
        self.decoder = Decoder(self.config.feature_dim + self.action_dim, channels, size)

    def initialise_auxiliary(self) -> None:
        initialise_as_torch(self.decoder, self.init_rng)

    def auxiliary_parameters(self) -> Sequence[nn.Parameter]:
        modules = (self.encoder, self.critic.trunk, self.decoder)
        return [parameter for module in modules for parameter in module.parameters()]

    def critic_loss(
        self, clean: Tensor, batch: Batch, target: Tensor, draws: Any
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """The usual loss, and how far values move when what does not matter to the first critic is painted over."""
        weight = self.config.consistency_weight
        if weight == 0.0:
            return super().critic_loss(clean, batch, target, draws)
        values, mask = self._look(clean, batch.actions, keep=True)
        lowest, highest = clean.aminmax()
        masked = torch.where(mask, clean, lowest + (highest - lowest) * draws.fill)
        others = self.critic(self.encoder(masked), batch.actions)
        moved = F.mse_loss(values[0], others[0]) + F.mse_loss(values[1], others[1])
        return critic_loss(values, target) + weight * moved, values

    def auxiliary_loss(self, clean: Tensor, next_clean: Tensor, batch: Batch, draws: Any) -> Tensor:
        if draws.overlay is None:
            raise ValueError("SGQN's second loss needs overlay pictures in its draws.")
        _, mask = self._look(clean, batch.actions, keep=False)
        seen = overlay(clean, draws.overlay, self.config.overlay_weight)
        logits = self.decoder(self.critic.trunk(self.encoder(seen)), batch.actions)
        return F.binary_cross_entropy_with_logits(logits, mask.to(self.dtype))

    def _look(self, clean: Tensor, actions: Tensor, *, keep: bool) -> tuple[tuple[Tensor, Tensor], Tensor]:
        """Values of both critics, and which pixels matter to the first: bool, as `clean`."""
        pixels, relu = clean.detach().requires_grad_(), GuidedReLU()
        values = values_of(self.encoder, self.critic, pixels, actions, relu)
        gradient = relu.gradient(values[0], pixels, keep=keep)
        return values, salient(gradient, self.config.saliency_quantile)

    def draw(self, num: int) -> SgqnDraws:
        draws = super().draw(num)
        fill = float(torch.rand((), generator=self.update_rng, dtype=torch.float64))
        pictures = self.draw_pictures(num) if self.auxiliary_due and self.replay.can_sample else None
        return SgqnDraws(**vars(draws), fill=fill, overlay=pictures)


def make(context: AgentContext, config: Config) -> SGQN:
    """Builds the agent; `harness.baselines.sgqn.AGENT` names this function."""
    return SGQN(AGENT, context, config)
