"""TLDA; settings and sources stand in baselines/tlda.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from harness.agent import AgentContext
from harness.baselines.learners.sac import SAC, Draws
from harness.baselines.nn.augment import random_convolution
from harness.baselines.nn.cnn import PixelEncoder
from harness.baselines.nn.importance import above_mean, blur_matrix, cut_out, importance, spot_masks
from harness.baselines.nn.replay import Batch
from harness.baselines.tlda import AGENT, Config


@dataclass
class TldaDraws(Draws):
    """The random choices of an update of TLDA."""

    kernel: Tensor  # standard normal (3, 3, 3, 3): of the random convolution, one for the whole batch as published


class TLDA(SAC):
    """SAC whose critic learns from shifted pictures and from the same with all that matters less convolved.

    What matters is found anew for every batch with the policy as it is, before the critic's step.
    """

    config: Config
    encoder: PixelEncoder

    def make_auxiliary(self) -> None:
        config, size = self.config, self.config.crop_size or self.pixel_shape[1]
        masks = spot_masks(size, config.mask_spacing, config.mask_sigma)
        blur = blur_matrix(size, config.blur_kernel, config.blur_sigma)
        self._spots = [cut_out(mask) for mask in torch.from_numpy(masks).to(self.device, self.dtype)]
        self._blur = torch.from_numpy(blur).to(self.device, self.dtype)

    def critic_views(self, clean: Tensor, batch: Batch, draws: Any) -> Sequence[Tensor]:
        return [clean, torch.where(self.matters(clean), clean, random_convolution(clean, draws.kernel))]

    @property
    def view_weights(self) -> tuple[float, ...]:
        weight = self.config.loss_lambda
        return (0.5, 0.5) if weight == 1.0 else (1.0, weight)  # the published code has a special case for 1, too

    def draw(self, num: int) -> TldaDraws:
        draws = super().draw(num)
        kernel = torch.randn(3, 3, 3, 3, generator=self.update_rng, dtype=self.dtype).to(self.device)
        return TldaDraws(**vars(draws), kernel=kernel)

    @torch.no_grad()
    def matters(self, clean: Tensor) -> Tensor:
        """Where the policy's raw output depends on a picture more than on average: bool (N, 1, H, W)."""
        blurred = self._blur @ clean @ self._blur.T
        spots, num = self._spots, self.config.max_pictures
        scores = importance(self.encoder, self.actor.raw, clean, blurred, spots, num)
        return above_mean(scores, clean.shape[-1])


def make(context: AgentContext, config: Config) -> TLDA:
    """Builds the agent; `harness.baselines.tlda.AGENT` names this function."""
    return TLDA(AGENT, context, config)
