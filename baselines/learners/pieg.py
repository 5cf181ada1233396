"""PIE-G's learner; settings and sources stand in baselines/pieg.py."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from harness.agent import AgentContext
from harness.baselines.learners.ddpg import DDPG, Draws
from harness.baselines.learners.pictures import Pictures, WithPictures
from harness.baselines.learners.storage import Meta
from harness.baselines.nn.acting import ActingEncoder
from harness.baselines.nn.augment import overlay, random_shift
from harness.baselines.nn.encoders import FrozenResNetEncoder
from harness.baselines.nn.observations import pixel_shape
from harness.baselines.nn.replay import Batch
from harness.baselines.nn.resnet import (
    Normalise,
    ResNet18,
    group_statistics,
    initialise_randomly,
    load_weights,
    moving_statistics,
    running_statistics,
)
from harness.baselines.pieg import AGENT, Config
from harness.errors import MissingAssetError, UsageError

CONSTRUCTOR_BATCH = 32  # observations of noise the published constructor runs through the network


class Weights(Meta):
    """Whose network a policy has."""

    encoder_weights: str


class PIEG(WithPictures, DDPG):
    """DDPG on a frozen ResNet; the critic learns from the clean and the overlaid view.

    BatchNorm has a mode per phase (`bn_*`). In updates, "batch" takes the statistics of one group, observations,
    overlaid observations or next observations, at a time and moves the running statistics in this order. When
    acting, "batch" takes the statistics of each observation's own frames, so that an action does not depend on which
    other observations share its batch; the running statistics never move there, because an action must not depend
    on what was evaluated before (in this mode they have no influence on it anyway).

    Args:
      backbone: replaces the pretrained network, for tests.
      weights: identity of what is in `backbone`.
    """

    ARCHITECTURE: ClassVar[tuple[str, ...]] = ("feature_dim", "hidden_dim", "representation_dim", "layer")

    POLICY: ClassVar[tuple[type[Meta], ...]] = (*DDPG.POLICY, Weights)
    CHECKPOINT: ClassVar[tuple[type[Meta], ...]] = (*DDPG.CHECKPOINT, Weights, Pictures)

    config: Config
    encoder: FrozenResNetEncoder

    def __init__(
        self,
        context: AgentContext,
        config: Config,
        backbone: ResNet18 | None = None,
        weights: str = "given",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        if context.frame_stack < 2:
            raise UsageError("PIE-G takes differences of frames: frame_stack must be at least 2.")
        if pixel_shape(context)[0] != 3 * context.frame_stack:
            raise UsageError("PIE-G takes pictures of one camera; this task has several.")
        self._missing: MissingAssetError | None = None
        if backbone is None:
            backbone, weights = self._load_backbone(context, config)
        self.weights = weights
        size = pixel_shape(context)[1]
        frozen_dtype = torch.bfloat16 if config.frozen_dtype == "bfloat16" else None
        encoder = FrozenResNetEncoder(backbone, context.frame_stack, size, config.representation_dim, frozen_dtype)
        super().__init__(AGENT, context, config, encoder, dtype)
        self.acting = ActingEncoder(encoder)
        if config.bn_constructor_noise and not context.evaluation_only:
            self._pass_constructor_noise()

    def encode_batch(self, batch: Batch, draws: Draws) -> tuple[Tensor, Tensor]:
        if draws.overlay is None:
            raise ValueError("PIE-G's update needs overlay pictures in its draws.")
        config = self.config
        normalise = moving_statistics if config.bn_train == "batch" else running_statistics
        clean = self._scale(random_shift(batch.observations, draws.shift, config.shift_pad))
        strong = overlay(clean, draws.overlay, config.overlay_weight)
        # The order matters: each pass moves the running statistics.
        passes = [self.encoder.fused_features(view.sub_(0.5), normalise) for view in (clean, strong)]
        following = self._scale(random_shift(batch.next_observations, draws.next_shift, config.shift_pad))
        next_fused = self.encoder.fused_features(following.sub_(0.5), normalise)
        with torch.no_grad():
            next_features = self.encoder.projection(next_fused)
        return self.encoder.projection(torch.cat(passes)), next_features

    def update_batch(self, batch: Batch, draws: Draws) -> dict[str, Tensor]:
        metrics = super().update_batch(batch, draws)
        self.acting.forget()
        return metrics

    def encode(self, pixels: Tensor, *, explore: bool) -> Tensor:
        if self._missing is not None:
            raise self._missing
        scaled, normalise = self._scale(pixels).sub_(0.5), self._acting_mode(len(pixels), explore)
        if explore or normalise is not running_statistics:  # exploring, the projection changes every other step
            return self.encoder(scaled, normalise)
        return self.acting(scaled)

    def maps(self, pixels: Tensor) -> Tensor:
        if self._missing is not None:
            raise self._missing
        return self.encoder.maps(self._scale(pixels).sub_(0.5), self._acting_mode(len(pixels), explore=False))

    def draw(self, num: int) -> Draws:
        draws = super().draw(num)
        draws.overlay = self.draw_pictures(num)
        return draws

    def policy_facts(self) -> dict[str, Any]:
        return {"encoder_weights": self.weights}

    def set_policy_facts(self, meta: Mapping[str, Any]) -> None:
        self.weights = meta["encoder_weights"]
        self._missing = None

    def _acting_mode(self, num: int, explore: bool) -> Normalise:
        config = self.config
        mode = config.bn_collect if explore else config.bn_curve if self.phase == "curve" else config.bn_eval
        return group_statistics(num) if mode == "batch" else running_statistics

    def _scale(self, pixels: Tensor) -> Tensor:
        """uint8 0..255 to 0..1."""
        return pixels.to(self.dtype).div_(255.0)

    def _load_backbone(self, context: AgentContext, config: Config) -> tuple[ResNet18, str]:
        """The pretrained network and its identity; the missing file is an error once the network is used."""
        network = ResNet18(config.layer)
        try:
            found = context.assets.find(config.required_assets()[0])
        except MissingAssetError as error:
            if not context.evaluation_only:
                raise
            # A policy file brings its own weights, see `load_policy`.
            self._missing = error
            return network, "absent"
        if found.stand_in:
            initialise_randomly(network, zlib.crc32(found.identity.encode()))
        else:
            load_weights(network, found.files[0])
        return network, found.identity

    def _pass_constructor_noise(self) -> None:
        """Moves the running statistics once by nearly constant pictures, as gemcollector/PIE-G pieg.py does."""
        noise = torch.randn(CONSTRUCTOR_BATCH, *self.pixel_shape, generator=self.init_rng, dtype=self.dtype)
        self.encoder.fused_features((noise / 255.0 - 0.5).to(self.device), moving_statistics)


def make(context: AgentContext, config: Config) -> PIEG:
    """Builds the agent; `harness.baselines.pieg.AGENT` names this function."""
    return PIEG(context, config)
