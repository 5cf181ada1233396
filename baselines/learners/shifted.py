"""Agents of the DDPG family whose encoder is trained on shifted pictures: how a batch becomes views and features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from harness.baselines.learners.ddpg import DDPG
from harness.baselines.nn.augment import one_batch, random_shift
from harness.baselines.nn.replay import Batch


class Shifted(DDPG):
    """DDPG on convolutions that take pixels in -0.5..0.5, in updates of randomly shifted pictures.

    All views of the observations go through the encoder in one batch.
    """

    def views(self, clean: Tensor, draws: Any) -> Sequence[Tensor]:
        """The views that the critic learns from, the clean one first.

        Args:
          clean: (N, C, H, W), values in 0..1: shifted observations, not to be changed.
        """
        return [clean]

    def encode_batch(self, batch: Batch, draws: Any) -> tuple[Tensor, Tensor]:
        features = self.encode_views(self.views(self.shifted(batch.observations, draws.shift), draws))
        with torch.no_grad():
            next_features = self.encode_views([self.shifted(batch.next_observations, draws.next_shift)])
        return features, next_features

    def encode(self, pixels: Tensor, *, explore: bool) -> Tensor:
        return self.encoder(self.scale(pixels).sub_(0.5))

    def maps(self, pixels: Tensor) -> Tensor:
        return self.encoder.maps(self.scale(pixels).sub_(0.5))

    def encode_views(self, views: Sequence[Tensor]) -> Tensor:
        """Views (N, C, H, W) with values in 0..1 to representations (V * N, R), one view after the other."""
        return self.encoder(one_batch(views).sub(0.5).contiguous(memory_format=torch.channels_last))

    def shifted(self, pixels: Tensor, offsets: Tensor) -> Tensor:
        """uint8 0..255 to shifted pictures with values in 0..1."""
        return self.scale(random_shift(pixels, offsets, self.config.shift_pad))

    def scale(self, pixels: Tensor) -> Tensor:
        """uint8 0..255 to 0..1."""
        return pixels.to(self.dtype, memory_format=torch.channels_last).div_(255.0)

    def _initialise(self) -> None:
        super()._initialise()
        self.encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
