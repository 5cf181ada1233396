"""PAD written once more, as plainly as the paper allows; see plain_sac.py."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.baselines.plain_auxiliary import PlainAuxiliary
from tests.baselines.plain_sac import copy_into, crop, head_cnn, mlp, trunk


class PlainPAD(PlainAuxiliary):
    """Two passes through the networks, one for either picture."""

    def second(self, learner: Any) -> list[nn.Parameter]:
        c = learner.config
        self.aux_head = head_cnn(c.num_head_layers, c.num_filters)
        self.aux_trunk = trunk(learner.encoder.representation_dim, c.feature_dim)
        self.aux_mlp = mlp(2 * c.feature_dim, c.hidden_dim, learner.action_dim)
        for module in (self.aux_head, self.aux_trunk, self.aux_mlp):
            module.to(self.dtype)
        copy_into([self.aux_head, self.aux_trunk, self.aux_mlp], learner.inverse)
        return self.adapting()

    def adapting(self) -> list[nn.Parameter]:
        return self.of(self.cnn, self.aux_head, self.aux_trunk, self.aux_mlp)

    def parts(self) -> dict[str, list[Any]]:
        return super().parts() | {"inverse": self.of(self.aux_head, self.aux_trunk, self.aux_mlp)}

    def guess(self, obs: Tensor, next_obs: Tensor) -> Tensor:
        h = self.aux_trunk(self.aux_head(self.cnn(obs / 255.0)))
        h_next = self.aux_trunk(self.aux_head(self.cnn(next_obs / 255.0)))
        return self.aux_mlp(torch.cat([h, h_next], 1))

    def second_loss(self, obs: Tensor, next_obs: Tensor, batch: Any, draws: Any) -> Tensor:
        return F.mse_loss(self.guess(obs, next_obs), batch.actions)

    def for_an_episode(self) -> PlainPAD:
        """A copy, with a new Adam of its own."""
        other = copy.deepcopy(self)
        other.adams["auxiliary"] = torch.optim.Adam(other.adapting(), lr=self.config.auxiliary_learning_rate)
        return other

    def adapt(self, obs: Tensor, action: Tensor, next_obs: Tensor, places: Tensor) -> float:
        num = len(places[0])
        before = crop(obs.to(self.dtype).repeat(num, 1, 1, 1), places[0], self.config.crop_size)
        after = crop(next_obs.to(self.dtype).repeat(num, 1, 1, 1), places[1], self.config.crop_size)
        loss = F.mse_loss(self.guess(before, after), action.to(self.dtype).repeat(num, 1))
        self.adams["auxiliary"].zero_grad()
        loss.backward()
        self.adams["auxiliary"].step()
        return loss.item()
