"""DMC-GB's PAD; settings and sources stand in baselines/pad.py."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.agent import AgentContext
from harness.baselines.learners.auxiliary import AuxiliarySAC
from harness.baselines.learners.offpolicy import OffPolicy
from harness.baselines.nn.cnn import Convolutions, PixelEncoder
from harness.baselines.nn.heads import Trunk, initialise, mlp
from harness.baselines.nn.observations import pixels_of
from harness.baselines.nn.replay import Batch
from harness.baselines.pad import AGENT, Config

if TYPE_CHECKING:
    from harness.agent import Observation, Phase


class InverseDynamics(nn.Module):
    """Which action lies between two pictures, told from what the shared convolutions make of them.

    Convolutions and projection behind the shared ones are its own.
    """

    def __init__(self, config: Config, representation_dim: int, action_dim: int) -> None:
        super().__init__()
        self.head = Convolutions(config.num_filters, config.num_head_layers, config.num_filters, stride=1)
        self.trunk = Trunk(representation_dim, config.feature_dim)
        self.mlp = mlp(2 * config.feature_dim, config.hidden_dim, action_dim)

    def forward(self, features: Tensor) -> Tensor:
        """(2 * N, F, h, w), those before the actions and then those after, to (N, A)."""
        if len(self.head.convs):
            features = self.head(torch.relu(features))
        before, after = self.trunk(features.flatten(1)).chunk(2)
        return self.mlp(torch.cat([before, after], dim=1))


class Adapted:
    """A copy of what looks, which learns inverse dynamics from one episode.

    Args:
      encoder, inverse: copied, not touched.
      learning_rate: of an Adam that starts anew.
    """

    def __init__(self, encoder: PixelEncoder, inverse: InverseDynamics, learning_rate: float) -> None:
        self.encoder, self.inverse = copy.deepcopy(encoder), copy.deepcopy(inverse)
        self.parameters = [*self.encoder.shared.parameters(), *self.inverse.parameters()]
        self.optimizer = torch.optim.Adam(self.parameters, lr=learning_rate, fused=True)

    @torch.enable_grad()
    def learn(self, before: Tensor, action: Tensor, after: Tensor) -> Tensor:
        """One gradient step on crops of two pictures, (M, C, H, W) each, and the action between, (A,)."""
        loss = inverse_loss(self.encoder, self.inverse, before, after, action.expand(len(before), -1))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward(inputs=self.parameters)
        self.optimizer.step()
        return loss.detach()


def inverse_loss(
    encoder: PixelEncoder, inverse: InverseDynamics, before: Tensor, after: Tensor, actions: Tensor
) -> Tensor:
    """Mean squared error of the predicted actions."""
    return F.mse_loss(inverse(encoder.shared(torch.cat([before, after]))), actions)


class PAD(AuxiliarySAC):
    """RAD whose shared convolutions also learn to tell the action between two pictures.

    In final evaluations a copy goes on learning that from what it sees, with every episode from the start.
    """

    POLICY_MODULES: ClassVar[tuple[str, ...]] = (*OffPolicy.POLICY_MODULES, "inverse")

    config: Config
    encoder: PixelEncoder

    _adapted: Adapted | None = None
    _last: tuple[np.ndarray, np.ndarray] | None = None  # the pictures acted on last, and the action

    def make_auxiliary(self) -> None:
        self.inverse = InverseDynamics(self.config, self.encoder.representation_dim, self.action_dim)

    def initialise_auxiliary(self) -> None:
        """As published, the shared convolutions are drawn anew here, when the target has a copy of the first ones."""
        for module in (self.encoder.shared, self.inverse):
            initialise(module, self.init_rng, self.fill_convolution)

    def auxiliary_parameters(self) -> Sequence[nn.Parameter]:
        return [*self.encoder.shared.parameters(), *self.inverse.parameters()]

    def auxiliary_loss(self, clean: Tensor, next_clean: Tensor, batch: Batch, draws: Any) -> Tensor:
        return inverse_loss(self.encoder, self.inverse, clean, next_clean, batch.actions)

    # Adapting at test time.

    def begin_episode(self, *, phase: Phase, seed: int, episode: int) -> None:
        """Forgets what the last episode taught; where crops lie follows from the episode's name alone."""
        super().begin_episode(phase=phase, seed=seed, episode=episode)
        self._adapted = self._last = None
        self._crop_rng = np.random.default_rng((seed, episode))

    @torch.no_grad()
    def act(self, observations: Observation, *, explore: bool) -> np.ndarray:
        """As of SAC; in a final evaluation, what the last action did is learned from first.

        Raises:
          ValueError: if there it is asked about several episodes at once.
        """
        if explore or self.phase != "evaluation" or not self.config.adaptation:
            return super().act(observations, explore=explore)
        pixels = pixels_of(observations).copy()
        if self._last is not None:
            self._learn_from_last(pixels)
        encoder = self.encoder if self._adapted is None else self._adapted.encoder
        mean, _ = self.actor(encoder(self.see(pixels)))
        actions = torch.tanh(mean).float().cpu().numpy()
        self._last = pixels, actions
        return actions

    def _learn_from_last(self, pixels: np.ndarray) -> None:
        before, actions = self._last  # type: ignore[misc]
        if len(before) != 1 or len(pixels) != 1:
            raise ValueError("PAD adapts to one episode at a time: give it observations one by one.")
        shape = (2, self.config.adaptation_batch_size, 2)
        places = torch.from_numpy(self._crop_rng.integers(0, self._num_offsets(), shape))
        self.adapt(torch.from_numpy(before), torch.from_numpy(actions[0]), torch.from_numpy(pixels), places)

    def adapt(self, before: Tensor, action: Tensor, after: Tensor, places: Tensor) -> Tensor:
        """One step of the episode's copy; returns the loss.

        Args:
          before, after: uint8 (1, C, H, W), what was seen before and after the action.
          action: float32 (A,).
          places: int64 (2, M, 2), where to crop each of the two, (row, column).
        """
        if self._adapted is None:
            self._adapted = Adapted(self.encoder, self.inverse, self.config.auxiliary_learning_rate)
        pairs = zip((before, after), places, strict=True)
        crops = [self.scale(self.augment(seen.expand(len(at), -1, -1, -1).to(self.device), at)) for seen, at in pairs]
        return self._adapted.learn(crops[0], action.to(self.device, self.dtype), crops[1])


def make(context: AgentContext, config: Config) -> PAD:
    """Builds the agent; `harness.baselines.pad.AGENT` names this function."""
    return PAD(AGENT, context, config)
