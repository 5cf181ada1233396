"""DrM's learner; settings and sources stand in baselines/drm.py."""

from __future__ import annotations

import torch

from harness.agent import AgentContext, AgentSpec
from harness.baselines.drm import AGENT, Config
from harness.baselines.learners.dormancy import Dormancy
from harness.baselines.learners.shifted import Shifted
from harness.baselines.nn.encoders import ConvEncoder
from harness.baselines.nn.observations import pixel_shape


class DrM(Dormancy, Shifted):
    """DrM on the features of DrQ-v2's four convolutions."""

    config: Config

    def __init__(
        self, spec: AgentSpec, context: AgentContext, config: Config, dtype: torch.dtype = torch.float32
    ) -> None:
        channels, size, _ = pixel_shape(context)
        super().__init__(spec, context, config, ConvEncoder(channels, size), dtype)


def make(context: AgentContext, config: Config) -> DrM:
    """Builds the agent; `harness.baselines.drm.AGENT` names this function."""
    return DrM(AGENT, context, config)
