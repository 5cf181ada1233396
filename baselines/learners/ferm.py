"""FERM's learner; settings and sources stand in baselines/ferm.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from pydantic import NonNegativeInt
from torch import Tensor, nn

from harness.agent import AgentContext, AgentSpec, Transition
from harness.baselines.ferm import AGENT, Config
from harness.baselines.learners.offpolicy import CheckpointMeta
from harness.baselines.learners.sac import SAC, follow
from harness.baselines.nn.contrast import Bilinear, contrastive_loss
from harness.baselines.nn.heads import Critic
from harness.baselines.nn.hybrid import HybridEncoder, HybridTrunk, Seen, Senses
from harness.baselines.nn.replay import Batch
from harness.baselines.nn.squashed_gaussian import GaussianActor

if TYPE_CHECKING:
    from harness.agent import Observation
    from harness.demos import Demo, DemoSet


@dataclass
class WarmUpDraws:
    """The random choices of one update of the contrastive warm-up."""

    view: Tensor  # int64 (N, 2): where the crops that are asked about lie, (row, column),
    positive_view: Tensor  # int64 (N, 2): and the other crops of the same pictures


class FermMeta(CheckpointMeta):
    """What a checkpoint of FERM holds besides."""

    num_prepared: NonNegativeInt
    warm_up_losses: list[float]


class FERM(SAC):
    """RAD's SAC with proprioception beside the picture's code, a replay that begins with demonstrations, and a warm-up.

    Args:
      spec, context, config, dtype: as `SAC` has them.
    """

    ARCHITECTURE: ClassVar[tuple[str, ...]] = (*SAC.ARCHITECTURE, "proprioception", "cameras")
    CHECKPOINT: ClassVar[tuple[type[CheckpointMeta], ...]] = (FermMeta,)
    TRAINING_MODULES: ClassVar[tuple[str, ...]] = (*SAC.TRAINING_MODULES, "likeness")

    config: Config

    def __init__(
        self, spec: AgentSpec, context: AgentContext, config: Config, dtype: torch.dtype = torch.float32
    ) -> None:
        self.senses = Senses(context, config.cameras, config.proprioception)
        self.num_prepared = 0  # updates before the first step
        self.warm_up_losses: list[float] = []  # the first and the newest
        self._before_acting = False
        super().__init__(spec, self.senses.context, config, dtype)

    # What it does otherwise than SAC.

    def make_encoder(self) -> HybridEncoder:
        return HybridEncoder(*self._encoder_sizes())

    def make_actor(self) -> GaussianActor:
        config = self.config
        return GaussianActor(*self._sizes(), (config.log_std_min, config.log_std_max), self._trunk())

    def make_critic(self) -> Critic:
        return Critic(*self._sizes(), self._trunk())

    def make_auxiliary(self) -> None:
        self.likeness = Bilinear(self.config.feature_dim, self.init_rng)

    def observe(self, transition: Transition) -> None:
        """Puts a step into the replay; both observations' proprioception stands before the action there."""
        before, after = transition.observation, transition.next_observation
        felt = [self.senses.proprio(before), self.senses.proprio(after), transition.action]
        self.replay.add(
            self.senses.pixels(before),
            np.concatenate(felt),
            transition.reward,
            self.senses.pixels(after),
            terminated=transition.terminated,
            truncated=transition.truncated,
        )
        self.num_steps += 1

    def gather(self, indices: np.ndarray) -> Batch:
        batch = super().gather(indices)
        proprio = self.senses.proprio_dim
        before, after, actions = batch.actions.split([proprio, proprio, self.action_dim], dim=1)
        seen, following = Seen(batch.observations, before), Seen(batch.next_observations, after)
        return Batch(seen, actions, batch.rewards, batch.discounts, following)  # type: ignore[arg-type]

    def look(self, observations: Any, offsets: Tensor) -> Any:
        return Seen(super().look(observations.pixels, offsets), observations.proprio)

    def see(self, observations: Observation) -> Any:
        felt = torch.from_numpy(self.senses.proprio(observations)).to(self.device, self.dtype)
        return Seen(super().see(self.senses.pixels(observations)), felt)

    @property
    def num_due(self) -> int:
        return self.config.updates_per_step

    # What comes before the first step: demonstrations, the contrastive warm-up, updates from demonstrations alone.

    def start(self, demos: DemoSet | None) -> dict[str, float]:
        """Fills the replay with the steps of demonstrations; nothing keeps them there when it is full."""
        for demo in demos or ():
            self._store(demo)
        self.num_steps = 0
        return {}

    def prepare(self) -> bool:
        """One update of those that come before the first step; False if there are no more."""
        config = self.config
        if self.num_prepared >= config.warm_up_updates + config.num_catch_up_updates:
            return False
        self._before_acting = True
        if self.num_prepared < config.warm_up_updates:
            pixels = self.gather(self.replay.draw(config.batch_size)).observations.pixels  # type: ignore[attr-defined]
            loss = float(self.warm_up(pixels.to(self.device), self.draw_warm_up(config.batch_size)))
            self.warm_up_losses = [*self.warm_up_losses[:1], loss]
        else:
            self._update_once()
        self._before_acting = False
        self.num_prepared += 1
        return True

    def update(self) -> dict[str, float]:
        """As of SAC; the first numbers that are told have those of the warm-up with them."""
        metrics = super().update()
        if metrics and self.warm_up_losses:
            told, self.warm_up_losses = self.warm_up_losses, []
            metrics |= {"warm_up_loss_first": told[0], "warm_up_loss_last": told[-1]}
        return metrics

    def draw_warm_up(self, num: int) -> WarmUpDraws:
        """Draws the random choices of one update of the warm-up over `num` pictures."""
        offsets = torch.randint(self._num_offsets(), (2, num, 2), generator=self.update_rng)
        return WarmUpDraws(offsets[0], offsets[1])

    def warm_up(self, pixels: Tensor, draws: WarmUpDraws) -> Tensor:
        """One update of the encoder on the contrastive loss, PhilipZRH/ferm curl_sac.py (`update_cpc`).

        Two Adams step one after the other on the same gradient, so that the encoder is moved twice.

        Args:
          pixels: uint8 (N, C, H, W), on the agent's device.
          draws: as `draw_warm_up` makes them.
        Returns:
          The loss before, a scalar.
        """
        loss = self.contrastive_loss(pixels, draws)
        moved = self.optimizers["contrast"]
        moved.zero_grad(set_to_none=True)
        loss.backward(inputs=moved.param_groups[0]["params"])
        self.optimizers["encoder"].step()
        moved.step()
        if self.config.warm_up_target:
            follow(self.target_encoder, self.encoder, self.config.encoder_target_rate)
            follow(self.target.trunk, self.critic.trunk, self.config.encoder_target_rate)
        return loss.detach()

    def contrastive_loss(self, pixels: Tensor, draws: WarmUpDraws) -> Tensor:
        """How well a crop of each picture is told from crops of the others; see `warm_up`."""
        nothing_felt = torch.zeros(len(pixels), 0, dtype=self.dtype, device=self.device)
        asked, other = (self.look(Seen(pixels, nothing_felt), view) for view in (draws.view, draws.positive_view))
        queries = self.critic.trunk(self.encoder(asked))
        with torch.no_grad():
            keys = self.target.trunk(self.target_encoder(other))
        return contrastive_loss(self.likeness(queries, keys))

    def _store(self, demo: Demo) -> None:
        """Feeds an episode to the replay as if it had been played, its pictures stacked."""
        assert demo.pixels is not None
        stack, last = self.context.frame_stack, len(demo.actions) - 1
        frames = np.concatenate([np.repeat(demo.pixels[:1], stack - 1, axis=0), demo.pixels])
        seen = [self._observation(frames[step : step + stack], demo, step) for step in range(len(demo.pixels))]
        for step, (action, reward) in enumerate(zip(demo.actions, demo.rewards, strict=True)):
            ends = (demo.terminated and step == last, step == last)
            self.observe(Transition(seen[step], action, float(reward), seen[step + 1], *ends))

    @staticmethod
    def _observation(frames: np.ndarray, demo: Demo, step: int) -> Observation:
        pixels = frames.reshape(-1, *frames.shape[2:])
        return pixels if demo.proprio is None else {"pixels": pixels, "proprio": demo.proprio[step]}

    # Checkpoints.

    def extra_state(self) -> dict[str, Any]:
        return {**super().extra_state(), "num_prepared": self.num_prepared, "warm_up_losses": self.warm_up_losses}

    def set_extra_state(self, meta: Mapping[str, Any]) -> None:
        super().set_extra_state(meta)
        self.num_prepared, self.warm_up_losses = meta["num_prepared"], list(meta["warm_up_losses"])

    def _identity(self) -> dict[str, Any]:
        return {**super()._identity(), "proprio": self.senses.proprio_dim}

    def _architecture(self) -> dict[str, Any]:
        return {**super()._architecture(), "cameras": list(self.config.cameras)}

    # Construction.

    def _trunk(self) -> HybridTrunk:
        return HybridTrunk(self.encoder.representation_dim, self.config.feature_dim)

    def _sizes(self) -> tuple[int, int, int, int]:
        """The heads' input is the picture's code and what is felt."""
        representation, feature, hidden, action = super()._sizes()
        return representation, feature + self.senses.proprio_dim, hidden, action

    def _num_offsets(self) -> int:
        """RAD's crops reach the far border; those of the warm-up and of updates before the first action do not."""
        if self.config.crop_size is None:
            return super()._num_offsets()
        fitting = self.pixel_shape[1] - self.config.crop_size + 1
        return max(1, fitting - 1) if self._before_acting else fitting

    def _make_optimizers(self) -> dict[str, torch.optim.Adam]:
        encoder: list[nn.Parameter] = [*self.encoder.parameters(), *self.critic.trunk.parameters()]
        rate = self.config.warm_up_learning_rate
        return {
            **super()._make_optimizers(),
            "encoder": torch.optim.Adam(encoder, lr=rate, fused=True),
            "contrast": torch.optim.Adam([*encoder, *self.likeness.parameters()], lr=rate, fused=True),
        }


def make(context: AgentContext, config: Config) -> FERM:
    """Builds the agent; `harness.baselines.ferm.AGENT` names this function."""
    return FERM(AGENT, context, config)
