"""DrQ-v2's learner; settings and sources stand in baselines/drqv2.py."""

from __future__ import annotations

import torch

from harness.agent import AgentContext
from harness.baselines.drqv2 import AGENT, Config
from harness.baselines.learners.shifted import Shifted
from harness.baselines.nn.encoders import ConvEncoder
from harness.baselines.nn.observations import pixel_shape


class DrQv2(Shifted):
    """DDPG on the features of four convolutions."""

    def __init__(self, context: AgentContext, config: Config, dtype: torch.dtype = torch.float32) -> None:
        channels, size, _ = pixel_shape(context)
        super().__init__(AGENT, context, config, ConvEncoder(channels, size), dtype)


def make(context: AgentContext, config: Config) -> DrQv2:
    """Builds the agent; `baselines.drqv2.AGENT` names this function."""
    return DrQv2(context, config)
