"""RL-ViGen's SVEA; settings and sources stand in baselines/svea_overlay.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from harness.agent import AgentContext, AgentSpec
from harness.baselines.learners.ddpg import Draws
from harness.baselines.learners.pictures import Pictures, WithPictures
from harness.baselines.learners.shifted import Shifted
from harness.baselines.learners.storage import Meta
from harness.baselines.nn.augment import overlay
from harness.baselines.nn.cnn import PixelEncoder
from harness.baselines.nn.observations import pixel_shape
from harness.baselines.svea_overlay import AGENT, Config


class SVEAOverlay(WithPictures, Shifted):
    """DDPG whose critic learns from shifted pictures and from the same with a picture laid over them.

    Each view weighs one half; target and actor see shifted pictures alone.
    """

    ARCHITECTURE: ClassVar[tuple[str, ...]] = (*Shifted.ARCHITECTURE, "num_layers", "num_filters")
    CHECKPOINT: ClassVar[tuple[type[Meta], ...]] = (*Shifted.CHECKPOINT, Pictures)

    config: Config

    def __init__(
        self, spec: AgentSpec, context: AgentContext, config: Config, dtype: torch.dtype = torch.float32
    ) -> None:
        channels, size, _ = pixel_shape(context)
        encoder = PixelEncoder(channels, size, config.num_layers, num_filters=config.num_filters)
        super().__init__(spec, context, config, encoder, dtype)

    def views(self, clean: Tensor, draws: Any) -> Sequence[Tensor]:
        if draws.overlay is None:
            raise ValueError("SVEA's update needs overlay pictures in its draws.")
        return [clean, overlay(clean, draws.overlay, self.config.overlay_weight)]

    def draw(self, num: int) -> Draws:
        draws = super().draw(num)
        draws.overlay = self.draw_pictures(num)
        return draws


def make(context: AgentContext, config: Config) -> SVEAOverlay:
    """Builds the agent; `harness.baselines.svea_overlay.AGENT` names this function."""
    return SVEAOverlay(AGENT, context, config)
