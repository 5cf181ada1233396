"""SAC from pixels, and what the agents built on it share; settings and sources stand in baselines/sac.py.

An agent of the family says which views of a picture the critic learns from (`critic_views`, `view_weights`), and may
learn something beside (`learners/auxiliary.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from harness.agent import AgentContext, AgentSpec
from harness.baselines.learners.offpolicy import METRICS_EVERY, OffPolicy
from harness.baselines.nn.augment import centre_crop, one_batch, random_crop, random_shift
from harness.baselines.nn.cnn import PixelEncoder
from harness.baselines.nn.encoders import Encoder
from harness.baselines.nn.heads import Critic, delta_orthogonal_, initialise, view_losses
from harness.baselines.nn.observations import pixels_of
from harness.baselines.nn.replay import PIXELS, Batch
from harness.baselines.nn.squashed_gaussian import GaussianActor, Temperature
from harness.baselines.nn.uniform_replay import UniformReplay
from harness.baselines.sac import AGENT, Config

if TYPE_CHECKING:
    from harness.agent import Observation


@dataclass
class Draws:
    """Every random choice of one update, so that an update can be repeated exactly."""

    view: Tensor  # int64 (N, 2): where the observations are shifted (x, y) or cropped (row, column) to,
    next_view: Tensor  # int64 (N, 2): and the next observations
    next_noise: Tensor  # standard normal (N, A): for the target's action
    actor_noise: Tensor  # standard normal (N, A): for the actor's loss


class SAC(OffPolicy):
    """Actor and critic on shared convolutions, a target for the critic and its convolutions, a learned temperature.

    The critic's loss moves the convolutions, the actor's does not.

    Args:
      spec: the agent's declaration, for its name and version.
      context: the world it lives in.
      config: its settings.
      dtype: of the networks, float32; tests also use float64.
    """

    ARCHITECTURE: ClassVar[tuple[str, ...]] = (
        "feature_dim",
        "hidden_dim",
        "num_shared_layers",
        "num_head_layers",
        "num_filters",
        "crop_size",
        "log_std_min",
        "log_std_max",
    )
    TRAINING_MODULES: ClassVar[tuple[str, ...]] = ("critic", "target_encoder", "target", "temperature")

    encoder_class: ClassVar[type[PixelEncoder]] = PixelEncoder

    config: Config
    encoder: Encoder

    def __init__(
        self, spec: AgentSpec, context: AgentContext, config: Config, dtype: torch.dtype = torch.float32
    ) -> None:
        super().__init__(spec, context, config, dtype)
        self.encoder, self.target_encoder = self.make_encoder(), self.make_encoder()
        self.actor = self.make_actor()
        self.critic, self.target = self.make_critic(), self.make_critic()
        self.temperature = Temperature(config.initial_temperature)
        self.make_auxiliary()
        self._initialise()
        self.optimizers = self._make_optimizers()
        num_steps = math.ceil(context.train_frames / context.action_repeat)
        self.replay = UniformReplay(
            frame_stack=self.kept_stack,
            capacity=max(1, num_steps if config.replay_capacity is None else config.replay_capacity),
            discount=config.discount,
            bootstrap_terminal=config.bootstrap_terminal,
            seed=self.replay_seed,
            folder=self.replay_folder,
            frame_dtype=self.frame_dtype,
        )

    # What an agent of the family may do otherwise.

    @property
    def frame_dtype(self) -> np.dtype[Any]:
        """Of what the replay keeps of a frame."""
        return PIXELS

    @property
    def kept_stack(self) -> int:
        """How many frames what is kept of an observation is made of, one after the other."""
        return self.context.frame_stack

    def make_encoder(self) -> Encoder:
        """Convolutions that actor and critic share."""
        return self.encoder_class(*self._encoder_sizes())

    @staticmethod
    def fill_convolution(weight: Tensor, gain: float, generator: torch.Generator) -> None:
        """Draws a convolution's weight."""
        delta_orthogonal_(weight, gain, generator)

    def make_actor(self) -> GaussianActor:
        """The policy on top of the convolutions."""
        return GaussianActor(*self._sizes(), log_std=(self.config.log_std_min, self.config.log_std_max))

    def make_critic(self) -> Critic:
        """Both values on top of the convolutions."""
        return Critic(*self._sizes())

    def make_auxiliary(self) -> None:
        """Makes what is learned beside; `POLICY_MODULES` or `TRAINING_MODULES` name it."""

    def initialise_auxiliary(self) -> None:
        """Draws its parameters, when those of actor and critic are drawn and the targets are copies of them."""

    def critic_views(self, clean: Tensor, batch: Batch, draws: Any) -> Sequence[Tensor]:
        """The views of the observations that the critic learns from.

        Args:
          clean: (N, C, H, W), values in 0..1: as `augment` left them.
          batch: what they are of.
        """
        return [clean]

    def critic_loss(
        self, clean: Tensor, batch: Batch, target: Tensor, draws: Any
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """The critic's loss, and both critics' values of all views, one view after the other."""
        views = self.critic_views(clean, batch, draws)
        features = self.encoder(one_batch(views))
        self.note_drift(features, len(batch.actions))
        values = self.critic(features, batch.actions.repeat(len(views), 1))
        losses = torch.stack(view_losses(values, target))
        return losses @ losses.new_tensor(self.view_weights), values

    @property
    def view_weights(self) -> tuple[float, ...]:
        """What the loss on each of the critic's views weighs."""
        return (1.0,)

    def update_auxiliary(self, clean: Tensor, next_clean: Tensor, batch: Batch, draws: Any) -> dict[str, Tensor]:
        """Learns what the agent learns beside; the last part of every update."""
        return {}

    # The contract of `harness.agent.Agent`.

    @torch.no_grad()
    def act(self, observations: Observation, *, explore: bool) -> np.ndarray:
        """Mean actions, or samples to explore; see `harness.agent.Policy`."""
        shape = (len(pixels_of(observations)), self.action_dim)
        if explore and self.num_steps < self.config.num_exploration_steps:
            uniform = torch.rand(shape, generator=self.explore_rng, dtype=self.dtype) * 2.0 - 1.0
            return uniform.float().numpy()
        mean, log_std = self.actor(self.encoder(self.see(observations)))
        if explore:
            noise = torch.randn(shape, generator=self.explore_rng, dtype=self.dtype).to(self.device)
            mean = mean + noise * log_std.exp()
        return torch.tanh(mean).float().cpu().numpy()

    @torch.no_grad()
    def feature_maps(self, observations: Observation) -> np.ndarray:
        """What the convolutions make of observations; see `harness.agent.Encodes`."""
        return self.encoder.maps(self.see(observations)).float().cpu().numpy()

    def update(self) -> dict[str, float]:
        """One gradient step every `update_every_steps` steps, and many when the random actions are over."""
        config = self.config
        if self.num_steps < config.num_exploration_steps or self.num_steps % config.update_every_steps:
            return {}
        metrics: dict[str, Tensor] = {}
        for _ in range(self.num_due):
            metrics = self._update_once()
            self.context.alive()
        if not self.reporting:
            return {}
        return {name: float(value) for name, value in metrics.items()}

    # One update.

    @property
    def reporting(self) -> bool:
        return self.turn % METRICS_EVERY == 0

    @property
    def turn(self) -> int:
        """Which of the steps at which updates happen this is; catching up happens all on one, as published."""
        return self.num_steps // self.config.update_every_steps

    @property
    def num_due(self) -> int:
        """Updates at a step at which there are any."""
        return 1 if self.num_updates else self.config.num_catch_up_updates

    def gather(self, indices: np.ndarray) -> Batch:
        """The transitions that the replay drew, as `update_batch` takes them."""
        return self.replay.gather(indices, self.dtype, pin=self.device.type == "cuda")

    def _update_once(self) -> dict[str, Tensor]:
        batch = self.gather(self.replay.draw(self.config.batch_size))
        return self.update_batch(batch.to(self.device), self.draw(self.config.batch_size))

    def draw(self, num: int) -> Draws:
        """Draws the random choices of one update over `num` transitions."""
        offsets = torch.randint(self._num_offsets(), (2, num, 2), generator=self.update_rng)
        noise = torch.randn(2, num, self.action_dim, generator=self.update_rng, dtype=self.dtype).to(self.device)
        return Draws(offsets[0], offsets[1], noise[0], noise[1])

    def update_batch(self, batch: Batch, draws: Any) -> dict[str, Tensor]:
        """Critic, actor, temperature, target, and what is learned beside; in the order of DMC-GB src/algorithms.

        Args:
          batch: on the agent's device.
          draws: as `draw` makes them.
        Returns:
          Scalars to log, still on the device.
        """
        clean = self.look(batch.observations, draws.view)
        next_clean = self.look(batch.next_observations, draws.next_view)
        metrics = self._update_critic(clean, batch, self._target_values(next_clean, batch, draws), draws)
        if self.turn % self.config.actor_every_updates == 0:
            metrics |= self._update_actor(clean, draws)
        if self.turn % self.config.target_every_updates == 0:
            self._update_target()
        metrics |= self.update_auxiliary(clean, next_clean, batch, draws) | self.take_notes()
        self.num_updates += 1
        return metrics

    def augment(self, pixels: Tensor, offsets: Tensor) -> Tensor:
        """Shifts or crops pictures, uint8, at the offsets drawn."""
        if self.config.crop_size is not None:
            return random_crop(pixels, offsets, self.config.crop_size)
        return random_shift(pixels, offsets, self.config.shift_pad) if self.config.shift_pad else pixels

    def look(self, observations: Tensor, offsets: Tensor) -> Tensor:
        """What the encoder is shown of a batch: pictures, augmented at the offsets drawn, values in 0..1."""
        return self.scale(self.augment(observations, offsets))

    def see(self, observations: Observation) -> Tensor:
        """What it is shown to act on: pictures uint8 (B, C, H, W), cropped in the middle, to values in 0..1."""
        tensor = torch.from_numpy(np.ascontiguousarray(pixels_of(observations))).to(self.device)
        return self.scale(tensor if self.config.crop_size is None else centre_crop(tensor, self.config.crop_size))

    def scale(self, pixels: Tensor) -> Tensor:
        """uint8 0..255 to 0..1."""
        return pixels.to(self.dtype, memory_format=torch.channels_last).div_(255.0)

    def _num_offsets(self) -> int:
        """How many places there are to shift or crop to, along one axis.

        DMC-GB draws the crop's from 0 to one below what would still fit, and so never cuts at the far border.
        """
        if self.config.crop_size is None:
            return 2 * self.config.shift_pad + 1
        return max(1, self.pixel_shape[1] - self.config.crop_size)

    @torch.no_grad()
    def _target_values(self, next_clean: Tensor, batch: Batch, draws: Any) -> Tensor:
        """What the critic is to predict: (N, 1)."""
        action, log_prob = self.actor.sample(self.encoder(next_clean), draws.next_noise)
        value = torch.minimum(*self.target(self.target_encoder(next_clean), action))
        return batch.rewards + batch.discounts * (value - self.temperature.alpha * log_prob)

    def _update_critic(self, clean: Tensor, batch: Batch, target: Tensor, draws: Any) -> dict[str, Tensor]:
        loss, values = self.critic_loss(clean, batch, target, draws)
        self._step("critic", loss)
        return {
            "critic_loss": loss.detach(),
            "critic_value": values[0].detach().mean(),
            "target": target.mean(),
        }

    def _update_actor(self, clean: Tensor, draws: Any) -> dict[str, Tensor]:
        with torch.no_grad():
            features = self.encoder(clean)  # after the critic's step; its gradient would go nowhere
        action, log_prob = self.actor.sample(features, draws.actor_noise)
        alpha = self.temperature.alpha
        loss = (alpha.detach() * log_prob - torch.minimum(*self.critic(features, action))).mean()
        self._step("actor", loss)
        excess = (-log_prob + self.action_dim).detach()  # of entropy over its target, -A
        temperature_loss = (alpha * excess).mean()
        self._step("temperature", temperature_loss)
        return {
            "actor_loss": loss.detach(),
            "entropy": -log_prob.detach().mean(),
            "temperature": alpha.detach(),
            "temperature_loss": temperature_loss.detach(),
        }

    def _step(self, name: str, loss: Tensor) -> None:
        """One step of an optimiser; gradients of what it does not move are not computed."""
        optimizer = self.optimizers[name]
        optimizer.zero_grad(set_to_none=True)
        loss.backward(inputs=optimizer.param_groups[0]["params"])
        self.note_gradients(name)
        optimizer.step()

    @torch.no_grad()
    def _update_target(self) -> None:
        config = self.config
        for weight, names in ((config.target_rate, ("q1", "q2")), (config.encoder_target_rate, ("trunk",))):
            for name in names:
                follow(getattr(self.target, name), getattr(self.critic, name), weight)
        follow(self.target_encoder, self.encoder, config.encoder_target_rate)

    # Construction.

    def _encoder_sizes(self) -> tuple[int, int, int, int, int]:
        """What `PixelEncoder` takes."""
        config, (channels, size, _) = self.config, self.pixel_shape
        if size < (config.crop_size or 0):
            raise ValueError(f"Pictures of {size} x {size} pixels are smaller than the crop of {config.crop_size}.")
        layers = (config.num_shared_layers, config.num_head_layers)
        return channels, config.crop_size or size, *layers, config.num_filters

    def _sizes(self) -> tuple[int, int, int, int]:
        """Of the representation, the projections, the hidden layers and the actions."""
        return self.encoder.representation_dim, self.config.feature_dim, self.config.hidden_dim, self.action_dim

    def _initialise(self) -> None:
        """Draws the parameters, unless a policy is going to be loaded, and moves everything to the device."""
        if not self.context.evaluation_only:
            for module in (self.encoder, self.actor, self.critic):
                initialise(module, self.init_rng, self.fill_convolution)
        copy_of(self.target, self.critic)
        copy_of(self.target_encoder, self.encoder)
        if not self.context.evaluation_only:
            self.initialise_auxiliary()
        self.temperature.to(self.device)
        for name in (*self.POLICY_MODULES, *self.TRAINING_MODULES):
            if name != "temperature":  # in float64 whatever the others are
                module = getattr(self, name).to(device=self.device, dtype=self.dtype)
                module.to(memory_format=torch.channels_last)

    def _make_optimizers(self) -> dict[str, torch.optim.Adam]:
        config = self.config
        rate, beta1 = config.temperature_learning_rate, config.temperature_beta1
        return {
            "critic": torch.optim.Adam(
                [*self.encoder.parameters(), *self.critic.parameters()], lr=config.learning_rate, fused=True
            ),
            "actor": torch.optim.Adam(self.actor.parameters(), lr=config.learning_rate, fused=True),
            "temperature": torch.optim.Adam(self.temperature.parameters(), lr=rate, betas=(beta1, 0.999), fused=True),
        }


def copy_of(target: torch.nn.Module, source: torch.nn.Module) -> None:
    """Makes a target start from what it is to follow, and no loss move it."""
    target.load_state_dict(source.state_dict())
    target.requires_grad_(False)


@torch.no_grad()
def follow(target: torch.nn.Module, source: torch.nn.Module, rate: float) -> None:
    """Moves a target's parameters towards those it follows; buffers stay."""
    torch._foreach_lerp_(list(target.parameters()), list(source.parameters()), weight=rate)


def make(context: AgentContext, config: Config) -> SAC:
    """Builds the agent; `harness.baselines.sac.AGENT` names this function."""
    return SAC(AGENT, context, config)
