"""SAC that learns something beside: CURL, SODA, PAD and SGQN differ in what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from harness.baselines.learners.sac import SAC
from harness.baselines.nn.replay import Batch
from harness.baselines.sac import AuxiliaryConfig


class AuxiliarySAC(SAC):
    """SAC with a second loss on its convolutions, which an optimiser of its own steps on at the end of an update.

    Convolutions that both losses move are in two optimisers, each with averages of its own, as published.
    """

    config: AuxiliaryConfig

    def auxiliary_parameters(self) -> Sequence[nn.Parameter]:
        """What the second optimiser moves."""
        raise NotImplementedError

    def auxiliary_loss(self, clean: Tensor, next_clean: Tensor, batch: Batch, draws: Any) -> Tensor:
        """The second loss, after critic, actor and targets moved.

        Args:
          clean, next_clean: (N, C, H, W), values in 0..1: as `augment` left them.
        """
        raise NotImplementedError

    def after_auxiliary(self) -> None:
        """What follows the second optimiser's step."""

    @property
    def auxiliary_due(self) -> bool:
        """Whether an update now ends with the second loss."""
        return self.turn % self.config.auxiliary_every_updates == 0

    def update_auxiliary(self, clean: Tensor, next_clean: Tensor, batch: Batch, draws: Any) -> dict[str, Tensor]:
        if not self.auxiliary_due:
            return {}
        loss = self.auxiliary_loss(clean, next_clean, batch, draws)
        self._step("auxiliary", loss)
        self.after_auxiliary()
        return {"auxiliary_loss": loss.detach()}

    def _make_optimizers(self) -> dict[str, torch.optim.Adam]:
        rate = self.config.auxiliary_learning_rate
        return {
            **super()._make_optimizers(),
            "auxiliary": torch.optim.Adam(self.auxiliary_parameters(), lr=rate, fused=True),
        }
