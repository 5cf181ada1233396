"""DrQ-v2's learner; settings and sources stand in baselines/drqv2.py."""

from __future__ import annotations

import torch
from torch import Tensor

from harness.agent import AgentContext
from harness.baselines.drqv2 import AGENT, Config
from harness.baselines.learners.ddpg import DDPG, Draws
from harness.baselines.nn.augment import random_shift
from harness.baselines.nn.encoders import ConvEncoder
from harness.baselines.nn.observations import pixel_shape
from harness.baselines.nn.replay import Batch


class DrQv2(DDPG):
    """DDPG on the features of four convolutions."""

    def __init__(self, context: AgentContext, config: Config, dtype: torch.dtype = torch.float32) -> None:
        channels, size, _ = pixel_shape(context)
        super().__init__(AGENT, context, config, ConvEncoder(channels, size), dtype)
        self.encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def encode_batch(self, batch: Batch, draws: Draws) -> tuple[Tensor, Tensor]:
        pad = self.config.shift_pad
        features = self.encoder(self._scale(random_shift(batch.observations, draws.shift, pad)))
        with torch.no_grad():
            next_features = self.encoder(self._scale(random_shift(batch.next_observations, draws.next_shift, pad)))
        return features, next_features

    def encode(self, pixels: Tensor, *, explore: bool) -> Tensor:
        return self.encoder(self._scale(pixels))

    def _scale(self, pixels: Tensor) -> Tensor:
        """uint8 0..255 to -0.5..0.5."""
        return pixels.to(self.dtype, memory_format=torch.channels_last).div_(255.0).sub_(0.5)


def make(context: AgentContext, config: Config) -> DrQv2:
    """Builds the agent; `baselines.drqv2.AGENT` names this function."""
    return DrQv2(context, config)
