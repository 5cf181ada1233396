"""What DrM adds to DrQ-v2's update, whatever the encoder; settings and sources stand in baselines/drm.py."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from pydantic import Field, NonNegativeInt
from torch import Tensor, nn

from harness.baselines.drm import Config
from harness.baselines.learners.ddpg import DDPG, Draws
from harness.baselines.learners.storage import Meta
from harness.baselines.nn.dormancy import dormant_ratio, fresh_weights, layer_outputs, perturb
from harness.baselines.nn.heads import Actor, NormalisedCritic, Trunk, initialise, mlp
from harness.baselines.nn.noise import linear_schedule
from harness.baselines.nn.replay import Batch

USES = ("value", "target", "critic", "actor")  # of a critic with dropout in an update, in this order


@dataclass(kw_only=True)
class DrmDraws(Draws):
    """The random choices of an update of DrM."""

    # Fresh weights of the Linear layers of each network, where the update begins with a perturbation.
    fresh: Mapping[str, list[Tensor]] | None = None
    # Per use of a critic with dropout: bool (2, 2, N, H), the units kept of both critics' both hidden layers.
    keep: Mapping[str, Tensor] | None = None


class Wakefulness(Meta):
    """What a checkpoint of DrM holds besides."""

    dormant_ratio: float = Field(ge=0.0, le=1.0)
    awaken_step: NonNegativeInt | None


class ValueNetwork(nn.Module):
    """Representation (N, R) to a value (N, 1)."""

    def __init__(self, representation_dim: int, feature_dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.trunk = Trunk(representation_dim, feature_dim)
        self.value = mlp(feature_dim, hidden_dim, 1)

    def forward(self, representation: Tensor) -> Tensor:
        return self.value(self.trunk(representation))


class Dormancy(DDPG):
    """DDPG with a network that predicts values, and a dormant ratio that sets noise, perturbations and targets."""

    TRAINING_MODULES: ClassVar[tuple[str, ...]] = (*DDPG.TRAINING_MODULES, "value")
    # What a perturbation changes -> whose optimiser starts afresh with it.
    PERTURBED: ClassVar[Mapping[str, str]] = {
        "actor": "actor",
        "critic": "critic",
        "target": "critic",
        "encoder": "encoder",
        "value": "value",
    }
    CHECKPOINT: ClassVar[tuple[type[Meta], ...]] = (*DDPG.CHECKPOINT, Wakefulness)

    config: Config
    actor: Actor

    dormant_ratio = 1.0  # of the newest update's batch
    awaken_step: int | None = None  # step of the first update whose ratio was below the target

    def make_critic(self) -> nn.Module:
        dropout = self.config.critic_dropout
        return super().make_critic() if dropout is None else NormalisedCritic(*self.sizes, dropout=dropout)

    def make_auxiliary(self) -> None:
        self.value = ValueNetwork(*self.sizes[:3])

    def initialise_auxiliary(self) -> None:
        initialise(self.value, self.init_rng)

    @property
    def noise_std(self) -> float:
        """Standard deviation of the noise: high while the policy is dormant, and once awake never below a schedule."""
        config = self.config
        excess = self.dormant_ratio - config.dormant_target
        std = config.dormant_std / (1.0 + math.exp(-config.dormant_temperature * excess))
        if config.noise_type == "dormant" or self.awaken_step is None:
            return std
        since = self.num_steps - self.awaken_step
        return max(std, linear_schedule(config.noise_start, config.noise_end, config.noise_steps, since))

    @property
    def value_weight(self) -> float:
        """What the predicted value weighs in the target."""
        config = self.config
        if config.value_temperature is None:
            return config.value_weight
        excess = self.dormant_ratio - config.dormant_target
        return config.value_weight / (1.0 + math.exp(config.value_temperature * excess))

    @property
    def perturb_factor(self) -> float:
        """What a perturbation leaves of the networks; the ratio is that of the update before."""
        config = self.config
        return min(max(config.perturb_min, 1.0 - config.perturb_rate * self.dormant_ratio), config.perturb_max)

    # One update.

    def before_encoding(self, draws: Any) -> None:
        if draws.fresh is None:
            return
        factor = self.perturb_factor
        for name, optimizer in self.PERTURBED.items():
            perturb(getattr(self, name), draws.fresh[name], factor)
            if optimizer in self.optimizers:
                self.optimizers[optimizer].state.clear()

    def before_critic(self, features: Tensor, batch: Batch, draws: Any) -> dict[str, Tensor]:
        config = self.config
        self.dormant_ratio = dormant_ratio(layer_outputs(self.actor, features), config.dormant_threshold)
        rested = self.num_steps > config.num_exploration_steps or not config.awaken_after_exploration
        if self.awaken_step is None and rested and self.dormant_ratio < config.dormant_target:
            self.awaken_step = self.num_steps
        told = {"dormant_ratio": self.dormant_ratio, "noise_std": self.noise_std, "value_weight": self.value_weight}
        loss = self._value_loss(features, batch, draws)
        self._step(loss, "value")
        return {"value_loss": loss.detach()} | {
            name: torch.tensor(value, dtype=torch.float64) for name, value in told.items()
        }

    def _value_loss(self, features: Tensor, batch: Batch, draws: Any) -> Tensor:
        """Expectile regression of the value on the smaller of the critics'."""
        with torch.no_grad():
            wanted = torch.minimum(*self.values_of("value", features, batch.actions, draws))
        excess = self.value(features) - wanted
        tau, squares = self.config.expectile, excess.square()
        return torch.where(excess > 0, (1.0 - tau) * squares, tau * squares).mean()

    def next_values(self, next_features: Tensor, draws: Any) -> Tensor:
        weight = self.value_weight
        return weight * self.value(next_features) + (1.0 - weight) * super().next_values(next_features, draws)

    def values_of(self, use: str, features: Tensor, actions: Tensor, draws: Any) -> tuple[Tensor, Tensor]:
        if self.config.critic_dropout is None:
            return super().values_of(use, features, actions, draws)
        return (self.target if use == "target" else self.critic)(features, actions, draws.keep[use])

    def draw(self, num: int) -> DrmDraws:
        draws = DrmDraws(**vars(super().draw(num)))
        if self.num_steps % self.config.perturb_every_steps == 0:
            draws.fresh = {name: fresh_weights(getattr(self, name), self.update_rng) for name in self.PERTURBED}
        if (dropout := self.config.critic_dropout) is not None:
            shape = (len(USES), 2, 2, num, self.config.hidden_dim)
            kept = torch.rand(shape, generator=self.update_rng) >= dropout
            draws.keep = dict(zip(USES, kept.to(self.device), strict=True))
        return draws

    # Construction and checkpoints.

    def _make_optimizers(self) -> dict[str, torch.optim.Adam]:
        value = torch.optim.Adam(self.value.parameters(), lr=self.config.learning_rate, fused=True)
        return {**super()._make_optimizers(), "value": value}

    def extra_state(self) -> dict[str, Any]:
        return {**super().extra_state(), "dormant_ratio": self.dormant_ratio, "awaken_step": self.awaken_step}

    def set_extra_state(self, meta: Mapping[str, Any]) -> None:
        super().set_extra_state(meta)
        self.dormant_ratio, self.awaken_step = float(meta["dormant_ratio"]), meta["awaken_step"]
