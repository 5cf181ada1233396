"""Agents that learn by natural policy gradient from whole episodes: NPG and DAPG on states, RRL on features.

An agent of the family says what it learns from (`features`); cloning, gradient and value fit are shared. After
Rajeswaran et al. 2018 and Shah & Kumar 2021 (RRL) as in aravindr93/mjrl mjrl/algos/{batch_reinforce,npg_cg,dapg}.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from harness.agent import AgentContext, AgentSpec, Phase, Transition
from harness.baselines import dapg, npg
from harness.baselines.learners import storage
from harness.baselines.learners.cloning import clone, draw_batches
from harness.baselines.learners.natural_gradient import natural_step, policy_gradient, weights_with_demos
from harness.baselines.nn.gaussian_policy import GaussianPolicy
from harness.baselines.nn.trajectories import Trajectory, advantages, discounted_sum, stacked, value_inputs, whiten
from harness.baselines.nn.value_network import ValueNetwork, fit, make_optimizer

if TYPE_CHECKING:
    from harness.agent import Observation
    from harness.demos import DemoSet


class NaturalGradientAgent:
    """Policy, value network and the demonstrations' part in the gradient.

    One copy of it learns; others, loaded from its policy, collect episodes: `act`, `observe`, then `trajectory`.

    Args:
      spec: the agent's declaration, for its name and version.
      context: the world it lives in.
      config: its settings.
    """

    def __init__(self, spec: AgentSpec, context: AgentContext, config: dapg.Config) -> None:
        self.spec, self.context, self.config = spec, context, config
        self.action_dim = int(np.prod(context.action_space.shape))
        seeds = [int(s) for s in np.random.SeedSequence(context.seed).generate_state(2, np.uint64) >> np.uint64(1)]
        self.update_rng = torch.Generator().manual_seed(seeds[1])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seeds[0])
            self.policy = GaussianPolicy(self.feature_dim, self.action_dim, (config.hidden_dim,) * 2)
            self.value = ValueNetwork(self.feature_dim + 4, (config.value_hidden_dim,) * 2)
        self.value_optimizer = make_optimizer(self.value, config.value_learning_rate, config.value_weight_decay)
        self.demo_steps: tuple[Tensor, Tensor] | None = None  # features (D, F) and actions (D, A)
        self.num_updates = 0
        self._noise_rng = torch.Generator()
        self._latest: tuple[np.ndarray, np.ndarray] | None = None  # features and action of the step under way
        self._steps: list[tuple[np.ndarray, np.ndarray, float]] = []
        self._terminated = False

    # What an agent of the family supplies.

    @property
    def feature_dim(self) -> int:
        """Numbers the policy sees."""
        return int(np.prod(self.context.observation_space.shape))  # type: ignore[arg-type]

    def features(self, observations: Observation) -> np.ndarray:
        """What the policy sees of a batch of observations, float32 (B, F)."""
        assert isinstance(observations, np.ndarray)
        return observations.astype(np.float32)

    def demo_features(self, demos: DemoSet) -> list[np.ndarray]:
        """What the policy would have seen before each action of each demonstration, float32 (T, F) each."""
        return [np.asarray(demo.states[:-1], np.float32) for demo in demos]  # type: ignore[index]

    # The contract of `harness.agent.EpisodicAgent`.

    @property
    def episodes_wanted(self) -> int:
        """Episodes of the next update."""
        return self.config.episodes_per_update

    def begin_episode(self, *, phase: Phase, seed: int, episode: int) -> None:
        """Noise depends on the episode's number alone, so that it does not matter who plays it."""
        state = np.random.SeedSequence((seed, episode)).generate_state(1, np.uint64)[0]
        self._noise_rng.manual_seed(int(state >> np.uint64(1)))
        self._steps.clear()

    @torch.no_grad()
    def act(self, observations: Observation, *, explore: bool) -> np.ndarray:
        """Mean actions, or drawn ones to explore, clipped to [-1, 1]."""
        seen = self.features(observations)
        features = torch.from_numpy(seen)
        if explore:
            noise = torch.randn(len(features), self.action_dim, generator=self._noise_rng)
            actions = self.policy.sample(features, noise).numpy()
            self._latest = (seen[0], actions[0])
        else:
            actions = self.policy(features).numpy()
        return np.clip(actions, -1.0, 1.0)

    def observe(self, transition: Transition) -> None:
        """Keeps a step of the episode that is being collected, with the action as it was before it was clipped."""
        assert self._latest is not None
        self._steps.append((*self._latest, float(transition.reward)))
        self._terminated = transition.terminated

    def trajectory(self) -> dict[str, np.ndarray]:
        """The episode collected last, as arrays."""
        features, actions, rewards = zip(*self._steps, strict=True)
        return {
            "observations": np.stack(features),
            "actions": np.stack(actions),
            "rewards": np.array(rewards, np.float64),
            "terminated": np.array(self._terminated),
        }

    def start(self, demos: DemoSet | None) -> dict[str, float]:
        """Takes the demonstrations in and clones them; called once, before the first update of a new training."""
        self.take_demos(demos)
        if self.demo_steps is None:
            return {}
        features, actions = self.demo_steps
        self.policy.normalise(features, actions)
        if not self.config.clone_epochs:
            return {}
        config = self.config
        optimizer = torch.optim.Adam(self.policy.parameters(), lr=config.clone_learning_rate)
        batches = draw_batches(len(features), config.clone_batch_size, config.clone_epochs, self.update_rng)
        losses = clone(self.policy, optimizer, features, actions, batches)
        return {"clone_loss": losses[-1]} if losses else {}

    def take_demos(self, demos: DemoSet | None) -> None:
        """Reads the steps of demonstrations, also when a training is resumed."""
        if demos is None:
            return
        features = np.concatenate(self.demo_features(demos))
        actions = np.concatenate([demo.actions for demo in demos])
        self.demo_steps = torch.from_numpy(features), torch.from_numpy(actions.astype(np.float32))

    def learn(self, episodes: Sequence[Mapping[str, np.ndarray]]) -> dict[str, float]:
        """One update: advantages by the value network as it was, a natural step, then the value fit."""
        batch = [Trajectory(**{**arrays, "terminated": bool(arrays["terminated"])}) for arrays in episodes]  # type: ignore[arg-type]
        inputs = [value_inputs(trajectory.observations) for trajectory in batch]
        advantage = whiten(np.concatenate([self._advantages(*pair) for pair in zip(batch, inputs, strict=True)]))
        self.context.alive()  # of a published batch each part takes a minute or so on a busy machine
        step = self._improve(batch, torch.from_numpy(advantage.astype(np.float32)))
        self.context.alive()
        value_loss = self._fit_value(batch, np.concatenate(inputs))
        self.num_updates += 1
        returns = [trajectory.rewards.sum() for trajectory in batch]
        return {
            "return_mean": float(np.mean(returns)),
            "kl": step.kl,
            "alpha": step.alpha,
            "value_loss": value_loss,
            "std": float(self.policy.log_std.detach().exp().mean()),
        }

    def _advantages(self, trajectory: Trajectory, inputs: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            values = self.value(torch.from_numpy(inputs)).numpy().astype(np.float64)
        config = self.config
        return advantages(trajectory.rewards, values, trajectory.terminated, config.discount, config.gae)

    def _improve(self, batch: Sequence[Trajectory], advantage: Tensor) -> Any:
        config = self.config
        observations = torch.from_numpy(stacked(batch, "observations"))
        actions = torch.from_numpy(stacked(batch, "actions"))
        if self.demo_steps is None or not config.demo_weight:
            gradient = policy_gradient(self.policy, observations, actions, advantage)
        else:
            demo_weight = config.demo_weight * config.demo_decay**self.num_updates
            both = [torch.cat(pair) for pair in zip((observations, actions), self.demo_steps, strict=True)]
            weights = weights_with_demos(advantage, len(self.demo_steps[0]), demo_weight)
            gradient = len(both[0]) / len(observations) * policy_gradient(self.policy, both[0], both[1], weights)
        return natural_step(
            self.policy,
            gradient,
            observations,
            step_size=config.step_size,
            damping=config.damping,
            cg_iterations=config.cg_iterations,
        )

    def _fit_value(self, batch: Sequence[Trajectory], inputs: np.ndarray) -> float:
        config = self.config
        returns = np.concatenate([discounted_sum(trajectory.rewards, config.discount) for trajectory in batch])
        orders = [torch.randperm(len(inputs), generator=self.update_rng) for _ in range(config.value_epochs)]
        rows, targets = torch.from_numpy(inputs), torch.from_numpy(returns.astype(np.float32))
        return fit(self.value, self.value_optimizer, rows, targets, orders, config.value_batch_size)

    # Checkpoints.

    def save(self, folder: Path) -> None:
        """Writes policy, value network, its Adam, generator and counter."""
        meta = {**self._identity(), "config": self.config.model_dump(mode="json"), "num_updates": self.num_updates}
        storage.write(Path(folder), "agent", meta, self._state())

    def load(self, folder: Path) -> None:
        """Reads back what `save` wrote; raises CheckpointError if it is damaged or does not belong here."""
        expected = {**self._identity(), "config": self.config.model_dump(mode="json")}
        meta = storage.read_meta(Path(folder), "agent", expected)
        state = storage.read_tensors(Path(folder), "agent")
        storage.fill(self._state(), state, Path(folder))
        self.update_rng.set_state(state["rng.update"])
        self.num_updates = meta["num_updates"]

    def save_policy(self, folder: Path) -> None:
        """Writes what acting needs."""
        meta = {**self._identity(), "config": self._architecture()}
        storage.write(Path(folder), "policy", meta, self._policy_state())

    def load_policy(self, folder: Path) -> None:
        """Reads what `save_policy` wrote."""
        storage.read_meta(Path(folder), "policy", {**self._identity(), "config": self._architecture()})
        storage.fill(self._policy_state(), storage.read_tensors(Path(folder), "policy"), Path(folder))

    def _identity(self) -> dict[str, Any]:
        return {
            "agent": self.spec.name,
            "agent_version": self.spec.version,
            "task": self.context.task,
            "features": self.feature_dim,
            "actions": self.action_dim,
        }

    def _architecture(self) -> dict[str, Any]:
        return {"hidden_dim": self.config.hidden_dim}

    def _policy_state(self) -> dict[str, Tensor]:
        return {f"policy.{name}": tensor for name, tensor in self.policy.state_dict().items()}

    def _state(self) -> dict[str, Tensor]:
        value = {f"value.{name}": tensor for name, tensor in self.value.state_dict().items()}
        return {**self._policy_state(), **value, **self._adam_state(), "rng.update": self.update_rng.get_state()}

    def _adam_state(self) -> dict[str, Tensor]:
        """The value network's Adam, as it would be before its first step where it had none."""
        state: dict[str, Tensor] = {}
        for number, parameter in enumerate(self.value.parameters()):
            if parameter not in self.value_optimizer.state:
                zeros = [torch.zeros(()), torch.zeros_like(parameter), torch.zeros_like(parameter)]
                names = ("step", "exp_avg", "exp_avg_sq")
                self.value_optimizer.state[parameter] = dict(zip(names, zeros, strict=True))
            state |= {f"adam.{number}.{key}": value for key, value in self.value_optimizer.state[parameter].items()}
        return state


def make_dapg(context: AgentContext, config: dapg.Config) -> NaturalGradientAgent:
    """Builds the agent; `harness.baselines.dapg.AGENT` names this function."""
    return NaturalGradientAgent(dapg.AGENT, context, config)


def make_npg(context: AgentContext, config: npg.Config) -> NaturalGradientAgent:
    """Builds the agent; `harness.baselines.npg.AGENT` names this function."""
    return NaturalGradientAgent(npg.AGENT, context, config)
