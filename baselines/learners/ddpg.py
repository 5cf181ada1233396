"""What DrQ-v2 and the agents built on it share: acting, the update's order, memory, checkpoints.

An agent of the family supplies an encoder, and how a batch becomes representations (`encode_batch`); it may replace
one step of the update (`target_values`, `critic_loss`, `actor_loss`) or learn something beside.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from harness.agent import AgentContext, AgentSpec
from harness.baselines.drqv2 import Config
from harness.baselines.learners.offpolicy import METRICS_EVERY, OffPolicy
from harness.baselines.nn.encoders import Encoder
from harness.baselines.nn.heads import Actor, Critic, critic_loss, initialise
from harness.baselines.nn.noise import linear_schedule, noisy_action
from harness.baselines.nn.observations import pixels_of
from harness.baselines.nn.replay import PIXELS, Batch, Replay

if TYPE_CHECKING:
    from harness.agent import Observation


@dataclass
class Draws:
    """Every random choice of one update, so that an update can be repeated exactly."""

    shift: Tensor  # int64 (N, 2), 0..2*pad: offsets (x, y) of the observations
    next_shift: Tensor  # int64 (N, 2): of the next observations
    next_noise: Tensor  # standard normal (N, A): for the target's action
    actor_noise: Tensor  # standard normal (N, A): for the actor's loss
    overlay: Tensor | None = None  # (N, 3, H, W), 0..1: pictures, where the agent uses them


class DDPG(OffPolicy):
    """Actor, critic, target critic, replay and three Adams around an encoder; two where none of it is trained.

    Args:
      spec: the agent's declaration, for its name and version.
      context: the world it lives in.
      config: its settings.
      encoder: trained parts have `requires_grad`; has `representation_dim`.
      dtype: float32; tests also use float64.
    """

    IN_DOUBLE: ClassVar[tuple[str, ...]] = ()  # modules that stay in float64 whatever the others are

    config: Config

    def __init__(
        self,
        spec: AgentSpec,
        context: AgentContext,
        config: Config,
        encoder: Encoder,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(spec, context, config, dtype)
        self.encoder = encoder
        self.actor = self.make_actor()
        self.critic, self.target = self.make_critic(), self.make_critic()
        self.make_auxiliary()
        self._initialise()
        self.optimizers = self._make_optimizers()
        self.replay = Replay(
            frame_stack=context.frame_stack,
            capacity=config.replay_capacity,
            n_step=config.n_step,
            discount=config.discount,
            bootstrap_terminal=config.bootstrap_terminal,
            seed=self.replay_seed,
            folder=self.replay_folder,
            frame_dtype=self.frame_dtype,
        )

    # What an agent of the family supplies.

    @property
    def frame_dtype(self) -> np.dtype[Any]:
        """Type of what the replay keeps of a frame, see `kept`."""
        return PIXELS

    def encode_batch(self, batch: Batch, draws: Any) -> tuple[Tensor, Tensor]:
        """Representations of a batch.

        Returns:
          (V * N, R) of V views of the observations one after the other, the clean view first, with gradient; and
          (N, R) of the next observations, without.
        """
        raise NotImplementedError

    def encode(self, pixels: Tensor, *, explore: bool) -> Tensor:
        """Representations to act on: uint8 (B, C, H, W) to (B, R)."""
        raise NotImplementedError

    def maps(self, pixels: Tensor) -> Tensor:
        """What the encoder makes of pixels, as it acts: uint8 (B, C, H, W) to (B, F, h, w), see `Encoder.maps`."""
        return self.encode(pixels, explore=False)[..., None, None]

    # What it may do otherwise.

    def make_actor(self) -> nn.Module:
        """The policy on top of the encoder."""
        return Actor(*self.sizes)

    def make_critic(self) -> nn.Module:
        """Both values on top of the encoder."""
        return Critic(*self.sizes)

    def choose(self, features: Tensor, noise: Tensor | None) -> Tensor:
        """Actions (B, A) from representations: the best ones, or with standard normal draws to explore."""
        mean = self.actor(features)
        return mean if noise is None else noisy_action(mean, self.noise_std, noise)

    def make_auxiliary(self) -> None:
        """Makes what is learned beside; `TRAINING_MODULES` names it and `initialise_auxiliary` draws it."""

    def initialise_auxiliary(self) -> None:
        """Draws the parameters of what is learned beside, after those of encoder, actor and critic."""

    def before_encoding(self, draws: Any) -> None:
        """What comes before everything else in an update."""

    def before_critic(self, features: Tensor, batch: Batch, draws: Any) -> dict[str, Tensor]:
        """What comes between the encoder and the critic's step; `features` (N, R) are of the clean view, detached."""
        return {}

    def before_target(self, batch: Batch, draws: Any) -> dict[str, Tensor]:
        """What comes between the actor's step and the target's."""
        return {}

    def after_target(self, batch: Batch, draws: Any) -> dict[str, Tensor]:
        """What comes last in an update."""
        return {}

    def target_values(self, next_features: Tensor, batch: Batch, draws: Any) -> Tensor:
        """What the critic is to predict: (N, 1). Called without gradients."""
        return batch.rewards + batch.discounts * self.next_values(next_features, draws)

    def next_values(self, next_features: Tensor, draws: Any) -> Tensor:
        """What the next observations are worth: (N, 1). Called without gradients."""
        clip = self.config.noise_clip
        next_action = noisy_action(self.actor(next_features), self.noise_std, draws.next_noise, clip)
        return torch.minimum(*self.values_of("target", next_features, next_action, draws))

    def values_of(self, use: str, features: Tensor, actions: Tensor, draws: Any) -> tuple[Tensor, Tensor]:
        """Both critics' values, (N, 1) each.

        Args:
          use: what for: the "target", the loss of the "critic" or of the "actor".
        """
        return (self.target if use == "target" else self.critic)(features, actions)

    def critic_loss(self, values: tuple[Tensor, Tensor], target: Tensor) -> Tensor:
        """The loss of critic and encoder, from the values (V * N, 1) of all views and what they should be (N, 1)."""
        return critic_loss(values, target)

    def actor_loss(self, features: Tensor, draws: Any) -> Tensor:
        """The loss of the actor, from the representations (V * N, R) of all views, detached, the clean one first."""
        clean = features[: len(draws.actor_noise)]
        action = noisy_action(self.actor(clean), self.noise_std, draws.actor_noise, self.config.noise_clip)
        return -torch.minimum(*self.values_of("actor", clean, action, draws)).mean()

    # The contract of `harness.agent.Agent`, and of `harness.agent.Encodes`.

    @torch.no_grad()
    def feature_maps(self, observations: Observation) -> np.ndarray:
        """What the encoder makes of observations; see `harness.agent.Encodes`."""
        tensor = torch.from_numpy(np.ascontiguousarray(pixels_of(observations))).to(self.device)
        return self.maps(tensor).float().cpu().numpy()

    @torch.no_grad()
    def act(self, observations: Observation, *, explore: bool) -> np.ndarray:
        """Mean actions, or noisy ones to explore; see `harness.agent.Policy`."""
        pixels = pixels_of(observations)
        shape = (len(pixels), self.action_dim)
        # As published, the noise is drawn also while actions are uniform; the network need not run for that.
        noise = torch.randn(shape, generator=self.explore_rng, dtype=self.dtype) if explore else None
        if noise is not None and self.num_steps < self.config.num_exploration_steps:
            uniform = torch.rand(shape, generator=self.explore_rng, dtype=self.dtype) * 2.0 - 1.0
            return uniform.float().numpy()
        tensor = torch.from_numpy(np.ascontiguousarray(pixels)).to(self.device)
        noise = None if noise is None else noise.to(self.device)
        return self.choose(self.encode(tensor, explore=explore), noise).float().cpu().numpy()

    def update(self) -> dict[str, float]:
        """One gradient step every `update_every_steps` steps, once the seed frames are gathered."""
        config = self.config
        seeding = self.num_steps < config.num_seed_frames // self.context.action_repeat
        if seeding or self.num_steps % config.update_every_steps or not self.replay.can_sample:
            return {}
        indices = self.replay.draw(config.batch_size)
        batch = self.replay.gather(indices, self.dtype, pin=self.device.type == "cuda")
        metrics = self.update_batch(batch.to(self.device), self.draw(config.batch_size))
        if self.num_updates % METRICS_EVERY != 1:
            return {}
        return {name: float(value) for name, value in metrics.items()}

    # One update.

    @property
    def reporting(self) -> bool:
        return self.num_updates % METRICS_EVERY == 0

    @property
    def noise_std(self) -> float:
        """Standard deviation of the exploration noise at the current step."""
        config = self.config
        return linear_schedule(config.noise_start, config.noise_end, config.noise_steps, self.num_steps)

    def draw(self, num: int) -> Draws:
        """Draws the random choices of one update over `num` transitions."""
        high = 2 * self.config.shift_pad + 1
        offsets = torch.randint(high, (2, num, 2), generator=self.update_rng)
        noise = torch.randn(2, num, self.action_dim, generator=self.update_rng, dtype=self.dtype)
        noise = noise.to(self.device)
        return Draws(offsets[0], offsets[1], noise[0], noise[1])

    def update_batch(self, batch: Batch, draws: Any) -> dict[str, Tensor]:
        """Encode, critic and encoder step, actor step, target; in the order of facebookresearch/drqv2 drqv2.py.

        Args:
          batch: on the agent's device.
          draws: as `draw` makes them.
        Returns:
          Scalars to log, still on the device.
        """
        self.before_encoding(draws)
        features, next_features = self.encode_batch(batch, draws)
        self.note_drift(features, len(batch.actions))
        # The actor sees features from before the encoder's step, but the critic after its own.
        seen = features.detach()
        metrics = self.before_critic(seen[: len(batch.actions)], batch, draws)
        metrics |= self._update_critic(features, next_features, batch, draws)
        metrics |= self._update_actor(seen, draws)
        metrics |= self.before_target(batch, draws)
        self._update_target()
        metrics |= self.after_target(batch, draws) | self.take_notes()
        self.num_updates += 1
        return metrics

    def _update_critic(self, features: Tensor, next_features: Tensor, batch: Batch, draws: Any) -> dict[str, Tensor]:
        with torch.no_grad():
            target = self.target_values(next_features, batch, draws)
        actions = batch.actions.repeat(len(features) // len(batch.actions), 1)
        values = self.values_of("critic", features, actions, draws)
        loss = self.critic_loss(values, target)
        self._step(loss, "critic", "encoder")
        return {"critic_loss": loss.detach(), "critic_value": values[0].detach().mean(), "target": target.mean()}

    def _update_actor(self, features: Tensor, draws: Any) -> dict[str, Tensor]:
        loss = self.actor_loss(features, draws)
        self._step(loss, "actor")
        return {"actor_loss": loss.detach()}

    def _step(self, loss: Tensor, *names: str) -> None:
        """A step of some optimisers on one loss, one after the other; no other gradients are computed.

        (The published code leaves others, such as the critic's by the actor's loss, and clears them before they count.)
        """
        optimizers = [self.optimizers[name] for name in names if name in self.optimizers]
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss.backward(inputs=[p for optimizer in optimizers for p in optimizer.param_groups[0]["params"]])
        for name in names:
            if name in self.optimizers:
                self.note_gradients(name)
                self.optimizers[name].step()

    @torch.no_grad()
    def _update_target(self) -> None:
        torch._foreach_lerp_(
            list(self.target.parameters()), list(self.critic.parameters()), weight=self.config.target_rate
        )

    # Construction.

    @property
    def sizes(self) -> tuple[int, int, int, int]:
        """Of the representation, the trunks, the hidden layers and the actions."""
        return self.encoder.representation_dim, self.config.feature_dim, self.config.hidden_dim, self.action_dim

    def _initialise(self) -> None:
        """Draws the trained parameters, unless a policy is going to be loaded, and moves everything to the device."""
        if not self.context.evaluation_only:
            for module in (self.encoder, self.actor, self.critic):
                initialise(module, self.init_rng)
        self.target.load_state_dict(self.critic.state_dict())
        self.target.requires_grad_(False)
        if not self.context.evaluation_only:
            self.initialise_auxiliary()
        for name in (*self.POLICY_MODULES, *self.TRAINING_MODULES):
            getattr(self, name).to(self.device, torch.float64 if name in self.IN_DOUBLE else self.dtype)

    def _make_optimizers(self) -> dict[str, torch.optim.Adam]:
        """One Adam for each of encoder, critic and actor that has something to train."""
        modules = {"encoder": self.encoder, "critic": self.critic, "actor": self.actor}
        trained = {name: [p for p in module.parameters() if p.requires_grad] for name, module in modules.items()}
        rate = self.config.learning_rate
        return {name: torch.optim.Adam(p, lr=rate, fused=True) for name, p in trained.items() if p}
