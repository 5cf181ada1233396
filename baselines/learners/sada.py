"""SADA's learner; settings and sources stand in baselines/sada.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from harness.agent import AgentContext, AgentSpec
from harness.baselines.learners.ddpg import Draws
from harness.baselines.learners.pictures import PicturesState, WithPictures
from harness.baselines.learners.shifted import Shifted
from harness.baselines.learners.storage import Meta
from harness.baselines.nn.augment import overlay, random_convolution, random_shift
from harness.baselines.nn.encoders import ConvEncoder
from harness.baselines.nn.geometry import rotate
from harness.baselines.nn.heads import critic_loss
from harness.baselines.nn.observations import pixel_shape
from harness.baselines.nn.squashed_gaussian import GaussianActor, Temperature, exact_squashed_sample
from harness.baselines.sada import AGENT, Config

LARGEST_ANGLE = 180.0  # degrees


@dataclass(kw_only=True)
class SadaDraws(Draws):
    """The random choices of an update of SADA; of `actor_noise` there are (2 * N, A), and of `overlay` None if unused.

    What a picture's augmentation does not use is drawn all the same.
    """

    choice: Tensor  # int64 (N,): which of the strong augmentations each picture gets
    kernels: Tensor  # standard normal (N, 3, 3, 3, 3): of the random convolutions
    strong_shift: Tensor  # int64 (N, 2), 0..2*pad: offsets (x, y) of the strong shifts
    angles: Sequence[float]  # degrees, -180..180, one per augmentation: all its pictures are turned by the same


class MaybePictures(Meta):
    """What a checkpoint holds of the overlay pictures: nothing where no augmentation uses any."""

    pictures: PicturesState | None


class SADA(WithPictures, Shifted):
    """Soft actor-critic in DrQ-v2's loop: its actor sees clean and augmented pictures, judged by the clean ones."""

    ARCHITECTURE: ClassVar[tuple[str, ...]] = (*Shifted.ARCHITECTURE, "log_std_min", "log_std_max")
    TRAINING_MODULES: ClassVar[tuple[str, ...]] = (*Shifted.TRAINING_MODULES, "temperature")
    IN_DOUBLE: ClassVar[tuple[str, ...]] = ("temperature",)
    CHECKPOINT: ClassVar[tuple[type[Meta], ...]] = (*Shifted.CHECKPOINT, MaybePictures)

    config: Config  # type: ignore[assignment]  # without the settings of noise, which what uses them here replaces
    actor: GaussianActor

    def __init__(
        self, spec: AgentSpec, context: AgentContext, config: Config, dtype: torch.dtype = torch.float32
    ) -> None:
        channels, size, _ = pixel_shape(context)
        super().__init__(spec, context, config, ConvEncoder(channels, size), dtype)  # type: ignore[arg-type]

    def make_actor(self) -> GaussianActor:
        return GaussianActor(*self.sizes, log_std=(self.config.log_std_min, self.config.log_std_max))

    def make_auxiliary(self) -> None:
        self.temperature = Temperature(self.config.initial_temperature)

    def choose(self, features: Tensor, noise: Tensor | None) -> Tensor:
        mean, log_std = self.actor(features)
        return torch.tanh(mean if noise is None else mean + noise * log_std.exp())

    def extra_state(self) -> dict[str, Any]:
        return super().extra_state() if self.config.overlays else {**self.policy_facts(), "pictures": None}

    def set_extra_state(self, meta: Mapping[str, Any]) -> None:
        if self.config.overlays:
            super().set_extra_state(meta)

    # One update.

    def views(self, clean: Tensor, draws: Any) -> Sequence[Tensor]:
        strong = clean.clone()
        for index, name in enumerate(self.config.augmentations):
            chosen = (draws.choice == index).nonzero().flatten()
            if len(chosen):
                at = chosen.to(clean.device)
                strong[at] = self._augmented(name, clean[at], chosen, draws.angles[index], draws)
        return [clean, strong]

    def _augmented(self, name: str, pixels: Tensor, chosen: Tensor, angle: float, draws: Any) -> Tensor:
        """Pictures (M, C, H, W) with values in 0..1 under one of the strong augmentations."""
        config = self.config
        at = chosen.to(pixels.device)
        if "conv" in name:
            pixels = random_convolution(pixels, draws.kernels[at])
        if "overlay" in name:
            pixels = overlay(pixels, draws.overlay[at], config.overlay_weight)
        if "rotate" in name:
            pixels = rotate(pixels, angle)
        if "shift" in name:
            pixels = random_shift(pixels, draws.strong_shift[chosen], config.strong_shift_pad)
        return pixels

    def next_values(self, next_features: Tensor, draws: Any) -> Tensor:
        action, log_prob = self._sample(next_features, draws.next_noise)
        value = torch.minimum(*self.values_of("target", next_features, action, draws))
        return value - self.temperature.alpha.to(self.dtype) * log_prob

    def critic_loss(self, values: tuple[Tensor, Tensor], target: Tensor) -> Tensor:
        """A quarter of the four errors: as published, the mean runs over the two critics as well as over the views."""
        return 0.5 * critic_loss(values, target)

    def _update_actor(self, features: Tensor, draws: Any) -> dict[str, Tensor]:
        action, log_prob = self._sample(features, draws.actor_noise)
        clean = features[: len(features) // 2].repeat(2, 1)
        alpha = self.temperature.alpha
        value = torch.minimum(*self.values_of("actor", clean, action, draws))
        loss = (alpha.detach().to(self.dtype) * log_prob - value).mean()
        self._step(loss, "actor")
        excess = (-log_prob + self.action_dim).detach()  # of entropy over its target, -A
        temperature_loss = (alpha * excess).mean()
        self._step(temperature_loss, "temperature")
        return {
            "actor_loss": loss.detach(),
            "entropy": -log_prob.detach().mean(),
            "temperature": alpha.detach(),
            "temperature_loss": temperature_loss.detach(),
        }

    def _sample(self, features: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_std = self.actor(features)
        return exact_squashed_sample(mean, log_std, noise)

    def draw(self, num: int) -> SadaDraws:
        usual, names = vars(super().draw(num)), self.config.augmentations
        rng, pad = self.update_rng, self.config.strong_shift_pad
        more = torch.randn(num, self.action_dim, generator=rng, dtype=self.dtype).to(self.device)
        usual["actor_noise"] = torch.cat([usual["actor_noise"], more])
        usual["overlay"] = self.draw_pictures(num) if self.config.overlays else None
        return SadaDraws(
            **usual,
            choice=torch.randint(len(names), (num,), generator=rng),
            kernels=torch.randn(num, 3, 3, 3, 3, generator=rng, dtype=self.dtype).to(self.device),
            strong_shift=torch.randint(2 * pad + 1, (num, 2), generator=rng),
            angles=((2.0 * torch.rand(len(names), generator=rng) - 1.0) * LARGEST_ANGLE).tolist(),
        )

    def _make_optimizers(self) -> dict[str, torch.optim.Adam]:
        temperature = torch.optim.Adam(self.temperature.parameters(), lr=self.config.learning_rate, fused=True)
        return {**super()._make_optimizers(), "temperature": temperature}


def make(context: AgentContext, config: Config) -> SADA:
    """Builds the agent; `harness.baselines.sada.AGENT` names this function."""
    return SADA(AGENT, context, config)
