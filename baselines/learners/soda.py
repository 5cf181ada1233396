"""DMC-GB's SODA; settings and sources stand in baselines/soda.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.agent import AgentContext
from harness.baselines.learners.auxiliary import AuxiliarySAC
from harness.baselines.learners.pictures import Pictures, WithPictures
from harness.baselines.learners.sac import SAC, Draws, copy_of, follow
from harness.baselines.learners.storage import Meta
from harness.baselines.nn.augment import overlay
from harness.baselines.nn.heads import initialise
from harness.baselines.nn.replay import Batch
from harness.baselines.soda import AGENT, Config


@dataclass
class SodaDraws(Draws):
    """The random choices of an update of SODA; M observations for its second loss."""

    plain_view: Tensor  # int64 (M, 2): where they are cropped to as they are, (row, column),
    strong_view: Tensor  # int64 (M, 2): and where with a picture laid over them
    observations: Tensor | None  # uint8 (M, C, H, W), drawn for that; None where the second loss is not due
    overlay: Tensor | None  # (M, 3, S, S), values in 0..1: the pictures; None likewise


def normalised_mlp(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """One hidden layer with BatchNorm and ReLU."""
    return nn.Sequential(nn.Linear(inputs, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, outputs))


class Projection(nn.Module):
    """What SODA has behind the convolutions, and what is to predict the target's from it.

    BatchNorm takes the statistics of the batch wherever it is used: the published code means to switch it for
    evaluation, but looks for the network under a name it does not have, and acting does not pass through here.

    Args:
      representation_dim: numbers behind the convolutions.
      width: of everything else.
    """

    def __init__(self, representation_dim: int, width: int) -> None:
        super().__init__()
        self.projector = normalised_mlp(representation_dim, width, width)
        self.predictor = normalised_mlp(width, width, width)

    def forward(self, representation: Tensor) -> Tensor:
        """(M, R) to predictions (M, width)."""
        return self.predictor(self.projector(representation))


class SODA(WithPictures, AuxiliarySAC):
    """RAD whose convolutions also learn to tell from an overlaid crop what a slow copy makes of another, clean one."""

    TRAINING_MODULES: ClassVar[tuple[str, ...]] = (*SAC.TRAINING_MODULES, "projection", "slow_encoder", "slow")
    CHECKPOINT: ClassVar[tuple[type[Meta], ...]] = (*SAC.CHECKPOINT, Pictures)

    config: Config

    def make_auxiliary(self) -> None:
        sizes = (self.encoder.representation_dim, self.config.feature_dim)
        self.projection, self.slow = Projection(*sizes), Projection(*sizes)
        self.slow_encoder = self.make_encoder()

    def initialise_auxiliary(self) -> None:
        """As published, the convolutions are drawn anew here, when the critic's target has a copy of the first ones."""
        for module in (self.encoder, self.projection):
            initialise(module, self.init_rng, self.fill_convolution)
        copy_of(self.slow, self.projection)
        copy_of(self.slow_encoder, self.encoder)

    def auxiliary_parameters(self) -> Sequence[nn.Parameter]:
        return [*self.encoder.parameters(), *self.projection.parameters()]

    def auxiliary_loss(self, clean: Tensor, next_clean: Tensor, batch: Batch, draws: Any) -> Tensor:
        if draws.observations is None or draws.overlay is None:
            raise ValueError("SODA's second loss needs observations and overlay pictures in its draws.")
        plain = self.scale(self.augment(draws.observations, draws.plain_view))
        strong = self.scale(self.augment(draws.observations, draws.strong_view))
        predicted = self.projection(self.encoder(overlay(strong, draws.overlay, self.config.overlay_weight)))
        with torch.no_grad():
            wanted = self.slow.projector(self.slow_encoder(plain))
        return F.mse_loss(F.normalize(predicted), F.normalize(wanted))

    def after_auxiliary(self) -> None:
        rate = self.config.auxiliary_target_rate
        follow(self.slow_encoder, self.encoder, rate)
        follow(self.slow, self.projection, rate)

    @property
    def picture_size(self) -> int:
        return self.config.crop_size or self.pixel_shape[1]

    def draw(self, num: int) -> SodaDraws:
        draws, config = super().draw(num), self.config
        views = torch.randint(self._num_offsets(), (2, config.auxiliary_batch_size, 2), generator=self.update_rng)
        due = self.auxiliary_due and self.replay.can_sample
        observations = self._draw_observations(config.auxiliary_batch_size) if due else None
        pictures = self.draw_pictures(config.auxiliary_batch_size) if due else None
        return SodaDraws(**vars(draws), plain_view=views[0], strong_view=views[1], observations=observations,
                         overlay=pictures)  # fmt: skip

    def _draw_observations(self, num: int) -> Tensor:
        batch = self.replay.gather(self.replay.draw(num), self.dtype, pin=self.device.type == "cuda")
        return batch.observations.to(self.device, non_blocking=True)


def make(context: AgentContext, config: Config) -> SODA:
    """Builds the agent; `harness.baselines.soda.AGENT` names this function."""
    return SODA(AGENT, context, config)
