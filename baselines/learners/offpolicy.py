"""What off-policy learners share: generators, the replay's in-tray, and everything about their files.

A learner supplies modules, optimisers and a replay; what it computes is its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from pydantic import JsonValue, NonNegativeInt, model_validator
from torch import Tensor

from harness.agent import AgentContext, AgentSpec, Config, Transition
from harness.baselines.learners import storage
from harness.baselines.learners.storage import GeneratorState, Meta
from harness.baselines.nn import adam
from harness.baselines.nn.diagnostics import feature_drift, gradient_norm
from harness.baselines.nn.observations import pixel_shape, pixels_of
from harness.baselines.nn.replay import Replay

if TYPE_CHECKING:
    from harness.agent import Observation, Phase

METRICS_EVERY = 10  # updates between two that return metrics: reading a number makes the host wait for the device


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


class OffPolicy:
    """An agent with a replay, in the middle of its training or as a policy that was loaded.

    Random numbers come from generators on the CPU, whatever the device, so that seeds mean the same everywhere.

    Args:
      spec: the agent's declaration, for its name and version.
      context: the world it lives in.
      config: its settings.
      dtype: float32; tests also use float64.
    """

    ARCHITECTURE: ClassVar[tuple[str, ...]] = ("feature_dim", "hidden_dim")  # settings a policy file must share
    POLICY: ClassVar[tuple[type[Meta], ...]] = (PolicyMeta,)  # parts of the JSON beside a policy, and of a checkpoint's
    CHECKPOINT: ClassVar[tuple[type[Meta], ...]] = (CheckpointMeta,)
    POLICY_MODULES: ClassVar[tuple[str, ...]] = ("encoder", "actor")  # attributes that act,
    TRAINING_MODULES: ClassVar[tuple[str, ...]] = ("critic", "target")  # and those that only learning needs

    optimizers: Mapping[str, torch.optim.Adam]
    replay: Replay

    def __init__(
        self, spec: AgentSpec, context: AgentContext, config: Config, dtype: torch.dtype = torch.float32
    ) -> None:
        self.spec, self.context, self.config, self.dtype = spec, context, config, dtype
        self.device = torch.device(context.device)
        self.pixel_shape = pixel_shape(context)
        self.action_dim = int(np.prod(context.action_space.shape))
        seeds = fork_seeds(context.seed, 5)
        self.init_rng, self.explore_rng, self.update_rng = (torch.Generator().manual_seed(s) for s in seeds[:3])
        self.replay_seed = seeds[3]
        self.extra_seed = seeds[4]  # for what a subclass draws
        self.replay_folder = None if context.memory is None else Path(context.memory) / "replay"
        self.num_steps = 0  # of the agent, in training
        self.num_updates = 0
        self.phase: Phase = "evaluation"  # what the current episode is for
        self._noted: dict[str, Tensor] = {}  # numbers to log of the update under way

    def begin_episode(self, *, phase: Phase, seed: int, episode: int) -> None:
        """Notes what the episode is for; an episode of training that was broken off is forgotten."""
        self.phase = phase
        if phase == "train":
            self.replay.drop_unfinished()

    def observe(self, transition: Transition) -> None:
        """Puts a step into the replay."""
        self.replay.add(
            self.kept(transition.observation),
            transition.action,
            transition.reward,
            self.kept(transition.next_observation),
            terminated=transition.terminated,
            truncated=transition.truncated,
        )
        self.num_steps += 1

    def kept(self, observation: Observation) -> np.ndarray:
        """What the replay keeps of an observation: its pixels."""
        return pixels_of(observation)

    # Numbers to log.

    @property
    def reporting(self) -> bool:
        """Whether the update under way returns numbers to log."""
        raise NotImplementedError

    def note_gradients(self, name: str) -> None:
        """Notes the norm of the gradients that an optimiser is about to use, of its first step in an update."""
        if self.reporting:
            parameters = self.optimizers[name].param_groups[0]["params"]
            self._noted.setdefault(f"{name}_gradient_norm", gradient_norm(parameters))

    def note_drift(self, features: Tensor, num: int) -> None:
        """Notes how far features of augmented views are from the clean one's; (V * num, R), the clean one first."""
        if self.reporting and len(features) > num:
            self._noted["feature_drift"] = feature_drift(features, num)

    def take_notes(self) -> dict[str, Tensor]:
        """What was noted since the last time."""
        noted, self._noted = self._noted, {}
        return noted

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
        return self._tensors_of(self.POLICY_MODULES)

    def _state(self) -> dict[str, Tensor]:
        state = self._policy_state() | self._tensors_of(self.TRAINING_MODULES) | adam.tensors(self.optimizers)
        return state | {"rng.explore": self.explore_rng.get_state(), "rng.update": self.update_rng.get_state()}

    def _tensors_of(self, names: tuple[str, ...]) -> dict[str, Tensor]:
        modules = {name: getattr(self, name) for name in names}
        return {
            f"{name}.{key}": value for name, module in modules.items() for key, value in module.state_dict().items()
        }
