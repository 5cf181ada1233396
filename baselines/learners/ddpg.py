"""What DrQ-v2 and the agents built on it share: acting, the update's order, memory, checkpoints.

An agent of the family supplies an encoder, and how a batch becomes representations (`encode_batch`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from pydantic import JsonValue, NonNegativeInt, model_validator
from torch import Tensor

from harness.agent import AgentContext, AgentSpec, Transition
from harness.baselines.drqv2 import Config
from harness.baselines.learners import storage
from harness.baselines.learners.storage import GeneratorState, Meta
from harness.baselines.nn.encoders import Encoder
from harness.baselines.nn.heads import Actor, Critic, critic_loss, initialise
from harness.baselines.nn.noise import linear_schedule, noisy_action
from harness.baselines.nn.replay import Batch, Replay
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.agent import Observation, Phase

METRICS_EVERY = 10  # updates between two that return metrics: reading a number makes the host wait for the device


@dataclass
class Draws:
    """Every random choice of one update, so that an update can be repeated exactly."""

    shift: Tensor  # int64 (N, 2), 0..2*pad: offsets (x, y) of the observations
    next_shift: Tensor  # int64 (N, 2): of the next observations
    next_noise: Tensor  # standard normal (N, A): for the target's action
    actor_noise: Tensor  # standard normal (N, A): for the actor's loss
    overlay: Tensor | None = None  # (N, 3, H, W), 0..1: pictures, where the agent uses them


def pixels_of(observation: Observation) -> np.ndarray:
    """The pixels of an observation or a batch of them; proprioception is not used by this family."""
    return observation["pixels"] if isinstance(observation, dict) else observation


def pixel_shape(context: AgentContext) -> tuple[int, ...]:
    """(C, H, W) of the pixels.

    Raises:
      UsageError: if the pictures are not square stacks of RGB frames, each of one or more cameras.
    """
    space = context.observation_space
    shape = (space["pixels"] if hasattr(space, "spaces") else space).shape  # type: ignore[index]
    if shape is None or len(shape) != 3 or shape[1] != shape[2] or shape[0] % (3 * context.frame_stack):
        raise UsageError(f"Pixels of shape {shape} are not {context.frame_stack} stacked square RGB frames.")
    return tuple(shape)


def fork_seeds(seed: int, num: int) -> list[int]:
    """Independent seeds for the agent's generators."""
    return [int(s) for s in np.random.SeedSequence(seed).generate_state(num, np.uint64) >> np.uint64(1)]


class PolicyMeta(Meta):
    """What is known of stored networks."""

    config: dict[str, JsonValue]


class ReplayRecord(Meta):
    """Which episodes the replay holds, as `Replay.save` tells."""

    numbers: list[NonNegativeInt]
    lengths: list[NonNegativeInt]
    next: NonNegativeInt
    generator: GeneratorState
    in_checkpoint: bool

    @model_validator(mode="after")
    def _check(self) -> ReplayRecord:
        if len(self.numbers) != len(self.lengths):
            raise ValueError(f"{len(self.numbers)} episodes have {len(self.lengths)} lengths")
        return self


class CheckpointMeta(PolicyMeta):
    """What goes on besides networks."""

    num_steps: NonNegativeInt
    num_updates: NonNegativeInt
    replay: ReplayRecord


class DDPG:
    """Actor, critic, target critic, replay and three Adams around an encoder.

    Random numbers come from generators on the CPU, whatever the device, so that seeds mean the same everywhere.

    Args:
      spec: the agent's declaration, for its name and version.
      context: the world it lives in.
      config: its settings.
      encoder: trained parts have `requires_grad`; has `representation_dim`.
      dtype: float32; tests also use float64.
    """

    ARCHITECTURE: ClassVar[tuple[str, ...]] = ("feature_dim", "hidden_dim")  # settings a policy file must share
    POLICY: ClassVar[tuple[type[Meta], ...]] = (PolicyMeta,)  # parts of the JSON beside a policy, and of a checkpoint's
    CHECKPOINT: ClassVar[tuple[type[Meta], ...]] = (CheckpointMeta,)

    def __init__(
        self,
        spec: AgentSpec,
        context: AgentContext,
        config: Config,
        encoder: Encoder,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.spec, self.context, self.config, self.dtype = spec, context, config, dtype
        self.device = torch.device(context.device)
        self.pixel_shape = pixel_shape(context)
        self.action_dim = int(np.prod(context.action_space.shape))
        seeds = fork_seeds(context.seed, 5)
        self.init_rng, self.explore_rng, self.update_rng = (torch.Generator().manual_seed(s) for s in seeds[:3])
        self.extra_seed = seeds[4]  # for what a subclass draws
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
            seed=seeds[3],
            folder=None if context.memory is None else Path(context.memory) / "replay",
        )
        self.num_steps = 0  # of the agent, in training
        self.num_updates = 0
        self.phase: Phase = "evaluation"  # what the current episode is for

    # What an agent of the family supplies.

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

    def begin_episode(self, *, phase: Phase, seed: int, episode: int) -> None:
        """Notes what the episode is for; an episode of training that was broken off is forgotten."""
        self.phase = phase
        if phase == "train":
            self.replay.drop_unfinished()

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

    def observe(self, transition: Transition) -> None:
        """Puts a step into the replay."""
        self.replay.add(
            pixels_of(transition.observation),
            transition.action,
            transition.reward,
            pixels_of(transition.next_observation),
            terminated=transition.terminated,
            truncated=transition.truncated,
        )
        self.num_steps += 1

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
        for name in ("critic", "encoder"):
            self.optimizers[name].zero_grad(set_to_none=True)
        loss.backward()
        for name in ("critic", "encoder"):
            self.optimizers[name].step()
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

    # Checkpoints.

    def save(self, folder: Path) -> None:
        """Writes everything: networks, Adam states, generators, counters, and which episodes the replay holds."""
        meta = {
            **self._identity(),
            "config": self.config.model_dump(mode="json"),
            "num_steps": self.num_steps,
            "num_updates": self.num_updates,
            "replay": self.replay.save(Path(folder) / "replay"),
            **self.extra_state(),
        }
        storage.write(Path(folder), "agent", meta, self._state())

    def load(self, folder: Path) -> None:
        """Reads back what `save` wrote; raises CheckpointError if it is damaged or does not belong here."""
        folder = Path(folder)
        expected = {**self._identity(), "config": self.config.model_dump(mode="json")}
        meta = storage.read_meta(folder, "agent", expected, *self.CHECKPOINT)
        state = storage.read_tensors(folder, "agent")
        storage.fill(self._state(), state, folder)
        self.explore_rng.set_state(state["rng.explore"])
        self.update_rng.set_state(state["rng.update"])
        self.replay.load(folder / "replay", meta["replay"])
        self.num_steps, self.num_updates = meta["num_steps"], meta["num_updates"]
        self.set_extra_state(meta)

    def save_policy(self, folder: Path) -> None:
        """Writes encoder and actor, frozen parts included: acting without exploration needs no other file."""
        meta = {**self._identity(), "config": self._architecture(), "num_steps": self.num_steps, **self.policy_facts()}
        storage.write(Path(folder), "policy", meta, self._policy_state())

    def load_policy(self, folder: Path) -> None:
        """Reads what `save_policy` or `save` wrote; settings that do not shape the network may differ."""
        folder = Path(folder)
        stem = "policy" if (folder / storage.META_FILE.format("policy")).exists() else "agent"
        meta = storage.read_meta(folder, stem, self._identity(), *self.POLICY)
        found = {key: value for key, value in meta["config"].items() if key in self.ARCHITECTURE}
        storage.check_equal(folder, "config", found, self._architecture())
        state = storage.read_tensors(folder, stem)
        policy = self._policy_state()
        if stem == "agent":
            state = {name: tensor for name, tensor in state.items() if name in policy}
        storage.fill(policy, state, folder)
        self.set_policy_facts(meta)

    def extra_state(self) -> dict[str, Any]:
        """What a subclass adds to a checkpoint's JSON."""
        return self.policy_facts()

    def set_extra_state(self, meta: Mapping[str, Any]) -> None:
        """Reads back what `extra_state` gave."""
        self.set_policy_facts(meta)

    def policy_facts(self) -> dict[str, Any]:
        """What a subclass records beside a policy."""
        return {}

    def set_policy_facts(self, meta: Mapping[str, Any]) -> None:
        """Reads back what `policy_facts` gave."""

    def _identity(self) -> dict[str, Any]:
        """What a checkpoint must have been made for."""
        return {
            "agent": self.spec.name,
            "agent_version": self.spec.version,
            "task": self.context.task,
            "pixels": list(self.pixel_shape),
            "actions": self.action_dim,
            "frame_stack": self.context.frame_stack,
            "dtype": str(self.dtype).removeprefix("torch."),
        }

    def _architecture(self) -> dict[str, Any]:
        return {name: getattr(self.config, name) for name in self.ARCHITECTURE}

    def _policy_state(self) -> dict[str, Tensor]:
        modules = {"encoder": self.encoder, "actor": self.actor}
        return {
            f"{name}.{key}": value for name, module in modules.items() for key, value in module.state_dict().items()
        }

    def _state(self) -> dict[str, Tensor]:
        state = self._policy_state()
        for name, module in {"critic": self.critic, "target": self.target}.items():
            state |= {f"{name}.{key}": value for key, value in module.state_dict().items()}
        self._start_optimizers()
        for name, optimizer in self.optimizers.items():
            for index, parameter in enumerate(optimizer.param_groups[0]["params"]):
                state |= {f"adam.{name}.{index}.{key}": value for key, value in optimizer.state[parameter].items()}
        return state | {"rng.explore": self.explore_rng.get_state(), "rng.update": self.update_rng.get_state()}

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
        return {name: torch.optim.Adam(p, lr=self.config.learning_rate, fused=True) for name, p in trained.items()}

    def _start_optimizers(self) -> None:
        """Gives parameters that were never updated the Adam state they would have before their first step."""
        for optimizer in self.optimizers.values():
            for parameter in optimizer.param_groups[0]["params"]:
                if parameter not in optimizer.state:
                    optimizer.state[parameter] = {
                        "step": torch.zeros((), dtype=torch.float32, device=self.device),
                        "exp_avg": torch.zeros_like(parameter),
                        "exp_avg_sq": torch.zeros_like(parameter),
                    }
