"""DMC-GB's CURL; settings and sources stand in baselines/curl.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from harness.agent import AgentContext
from harness.baselines.curl import AGENT, Config
from harness.baselines.learners.auxiliary import AuxiliarySAC
from harness.baselines.learners.sac import SAC, Draws
from harness.baselines.nn.contrast import Bilinear, contrastive_loss
from harness.baselines.nn.replay import Batch


@dataclass
class CurlDraws(Draws):
    """The random choices of an update of CURL."""

    positive_view: Tensor  # int64 (N, 2): where the second crops of the observations lie, (row, column)


class CURL(AuxiliarySAC):
    """RAD whose critic's encoder is to know a picture again by another crop of it, as the target's encoder shows it."""

    TRAINING_MODULES: ClassVar[tuple[str, ...]] = (*SAC.TRAINING_MODULES, "likeness")

    config: Config

    def make_auxiliary(self) -> None:
        self.likeness = Bilinear(self.config.feature_dim, self.init_rng)

    def auxiliary_parameters(self) -> Sequence[nn.Parameter]:
        modules = (self.encoder, self.critic.trunk, self.likeness)
        return [parameter for module in modules for parameter in module.parameters()]

    def auxiliary_loss(self, clean: Tensor, next_clean: Tensor, batch: Batch, draws: Any) -> Tensor:
        queries = self.critic.trunk(self.encoder(clean))
        with torch.no_grad():
            other = self.scale(self.augment(batch.observations, draws.positive_view))
            keys = self.target.trunk(self.target_encoder(other))
        return contrastive_loss(self.likeness(queries, keys))

    def draw(self, num: int) -> CurlDraws:
        draws = super().draw(num)
        places = torch.randint(self._num_offsets(), (num, 2), generator=self.update_rng)
        return CurlDraws(**vars(draws), positive_view=places)


def make(context: AgentContext, config: Config) -> CURL:
    """Builds the agent; `harness.baselines.curl.AGENT` names this function."""
    return CURL(AGENT, context, config)
