"""RL-ViGen's CURL; settings and sources stand in baselines/curl_vigen.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from harness.agent import AgentContext, AgentSpec
from harness.baselines.curl_vigen import AGENT, Config, ProjectedConfig
from harness.baselines.learners.ddpg import Draws
from harness.baselines.learners.shifted import Shifted
from harness.baselines.nn.contrast import Bilinear, contrastive_loss
from harness.baselines.nn.encoders import ProjectedConvEncoder
from harness.baselines.nn.observations import pixel_shape
from harness.baselines.nn.replay import Batch


class Projected(Shifted):
    """DDPG on DrQ-v2's convolutions and a Linear, which learns something beside by an Adam of its own."""

    ARCHITECTURE: ClassVar[tuple[str, ...]] = (*Shifted.ARCHITECTURE, "representation_dim")

    config: ProjectedConfig
    encoder: ProjectedConvEncoder

    def __init__(
        self, spec: AgentSpec, context: AgentContext, config: ProjectedConfig, dtype: torch.dtype = torch.float32
    ) -> None:
        channels, size, _ = pixel_shape(context)
        super().__init__(spec, context, config, ProjectedConvEncoder(channels, size, config.representation_dim), dtype)

    def auxiliary_parameters(self) -> Sequence[nn.Parameter]:
        """What the Adam of its own moves."""
        raise NotImplementedError

    def _make_optimizers(self) -> dict[str, torch.optim.Adam]:
        config, moved = self.config, self.auxiliary_parameters()
        betas = (config.auxiliary_beta1, 0.999)
        auxiliary = torch.optim.Adam(moved, lr=config.auxiliary_learning_rate, betas=betas, fused=True)
        return {**super()._make_optimizers(), "auxiliary": auxiliary}


@dataclass(kw_only=True)
class CurlDraws(Draws):
    """The random choices of an update of CURL."""

    anchor_shift: Tensor  # int64 (N, 2), 0..2*pad: offsets (x, y) of the observations that are to be known again,
    positive_shift: Tensor  # int64 (N, 2): and of those they are to be known by


class CurlViGen(Projected):
    """DrQ-v2 with a contrastive step, of W and then of the encoder, between the actor's and the target's."""

    TRAINING_MODULES: ClassVar[tuple[str, ...]] = (*Projected.TRAINING_MODULES, "likeness")

    config: Config

    def make_auxiliary(self) -> None:
        self.likeness = Bilinear(self.config.representation_dim, self.init_rng)

    def auxiliary_parameters(self) -> Sequence[nn.Parameter]:
        return list(self.likeness.parameters())

    def before_target(self, batch: Batch, draws: Any) -> dict[str, Tensor]:
        queries = self.encode_views([self.shifted(batch.observations, draws.anchor_shift)])
        with torch.no_grad():
            keys = self.encode_views([self.shifted(batch.observations, draws.positive_shift)])
        loss = contrastive_loss(self.likeness(queries, keys))
        self._step(loss, "auxiliary", "encoder")
        return {"auxiliary_loss": loss.detach()}

    def draw(self, num: int) -> CurlDraws:
        draws = vars(super().draw(num))
        offsets = torch.randint(2 * self.config.shift_pad + 1, (2, num, 2), generator=self.update_rng)
        return CurlDraws(**draws, anchor_shift=offsets[0], positive_shift=offsets[1])


def make(context: AgentContext, config: Config) -> CurlViGen:
    """Builds the agent; `harness.baselines.curl_vigen.AGENT` names this function."""
    return CurlViGen(AGENT, context, config)
