"""What DrQ-v2 and the agents built on it share: acting, the update's order, memory, checkpoints.

An agent of the family supplies an encoder, and how a batch becomes representations (`encode_batch`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

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
        sizes = (encoder.representation_dim, config.feature_dim, config.hidden_dim, self.action_dim)
        self.encoder = encoder
        self.actor, self.critic, self.target = Actor(*sizes), Critic(*sizes), Critic(*sizes)
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

    def encode_batch(self, batch: Batch, draws: Draws) -> tuple[Tensor, Tensor]:
        """Representations of a batch.

        Returns:
          (V * N, R) of V views of the observations one after the other, the clean view first, with gradient; and
          (N, R) of the next observations, without.
        """
        raise NotImplementedError

    def encode(self, pixels: Tensor, *, explore: bool) -> Tensor:
        """Representations to act on: uint8 (B, C, H, W) to (B, R)."""
        raise NotImplementedError

    # The contract of `harness.agent.Agent`.

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
        action = self.actor(self.encode(tensor, explore=explore))
        if noise is not None:
            action = noisy_action(action, self.noise_std, noise.to(self.device))
        return action.float().cpu().numpy()

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

    def update_batch(self, batch: Batch, draws: Draws) -> dict[str, Tensor]:
        """Encode, critic and encoder step, actor step, target; in the order of facebookresearch/drqv2 drqv2.py.

        Args:
          batch: on the agent's device.
          draws: as `draw` makes them.
        Returns:
          Scalars to log, still on the device.
        """
        features, next_features = self.encode_batch(batch, draws)
        metrics = self._update_critic(features, next_features, batch, draws)
        # The actor sees features from before the encoder's step, but the critic after its own.
        metrics |= self._update_actor(features[: len(batch.actions)].detach(), draws)
        self._update_target()
        self.num_updates += 1
        return metrics

    def _update_critic(self, features: Tensor, next_features: Tensor, batch: Batch, draws: Draws) -> dict[str, Tensor]:
        with torch.no_grad():
            clip = self.config.noise_clip
            next_action = noisy_action(self.actor(next_features), self.noise_std, draws.next_noise, clip)
            next_value = torch.minimum(*self.target(next_features, next_action))
            target = batch.rewards + batch.discounts * next_value
        actions = batch.actions.repeat(len(features) // len(batch.actions), 1)
        values = self.critic(features, actions)
        loss = critic_loss(values, target)
        stepped = [self.optimizers[name] for name in ("critic", "encoder") if name in self.optimizers]
        for optimizer in stepped:
            optimizer.zero_grad(set_to_none=True)
        loss.backward()
        for optimizer in stepped:
            optimizer.step()
        return {"critic_loss": loss.detach(), "critic_value": values[0].detach().mean(), "target": target.mean()}

    def _update_actor(self, features: Tensor, draws: Draws) -> dict[str, Tensor]:
        action = noisy_action(self.actor(features), self.noise_std, draws.actor_noise, self.config.noise_clip)
        loss = -torch.minimum(*self.critic(features, action)).mean()
        optimizer = self.optimizers["actor"]
        optimizer.zero_grad(set_to_none=True)
        # Only the actor's gradients are computed: the published code leaves others in the critic and clears them.
        loss.backward(inputs=list(self.actor.parameters()))
        optimizer.step()
        return {"actor_loss": loss.detach()}

    @torch.no_grad()
    def _update_target(self) -> None:
        torch._foreach_lerp_(
            list(self.target.parameters()), list(self.critic.parameters()), weight=self.config.target_rate
        )

    # Construction.

    def _initialise(self) -> None:
        """Draws the trained parameters, unless a policy is going to be loaded, and moves everything to the device."""
        for module in (self.encoder, self.actor, self.critic):
            if not self.context.evaluation_only:
                initialise(module, self.init_rng)
        self.target.load_state_dict(self.critic.state_dict())
        self.target.requires_grad_(False)
        for module in (self.encoder, self.actor, self.critic, self.target):
            module.to(device=self.device, dtype=self.dtype)

    def _make_optimizers(self) -> dict[str, torch.optim.Adam]:
        modules = {"encoder": self.encoder, "critic": self.critic, "actor": self.actor}
        trained = {name: [p for p in module.parameters() if p.requires_grad] for name, module in modules.items()}
        rate = self.config.learning_rate
        return {name: torch.optim.Adam(p, lr=rate, fused=True) for name, p in trained.items() if p}
