"""What the SAC family's agents learn beside, written once more, as plainly as the papers allow; see plain_sac.py."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from tests.baselines.plain_sac import PlainSAC, copy_into


def overlaid(pictures: Tensor, images: Tensor, weight: float) -> Tensor:
    """On 0 to 255; one image for all frames."""
    return ((1 - weight) * (pictures / 255.0) + weight * images.repeat(1, pictures.shape[1] // 3, 1, 1)) * 255.0


class PlainAuxiliary(PlainSAC):
    """A second Adam, whose step is the last thing in an update."""

    def second(self, learner: Any) -> list[nn.Parameter]:
        """Takes over what is learned beside; returns what the second Adam moves."""
        raise NotImplementedError

    def second_loss(self, obs: Tensor, next_obs: Tensor, batch: Any, draws: Any) -> Tensor:
        raise NotImplementedError

    def after(self) -> None:
        pass

    def __init__(self, learner: Any) -> None:
        super().__init__(learner)
        self.moved = self.second(learner)
        self.adams["auxiliary"] = torch.optim.Adam(self.moved, lr=self.config.auxiliary_learning_rate)

    def trained(self) -> dict[str, list[Any]]:
        return super().trained() | {"auxiliary": self.moved}

    def update_auxiliary(self, obs: Tensor, next_obs: Tensor, batch: Any, draws: Any, step: int) -> dict[str, float]:
        if step % self.config.auxiliary_every_updates:
            return {}
        loss = self.second_loss(obs, next_obs, batch, draws)
        self.adams["auxiliary"].zero_grad(set_to_none=False)
        loss.backward()
        self.adams["auxiliary"].step()
        self.after()
        return {"auxiliary_loss": loss.item()}


class PlainCURL(PlainAuxiliary):
    """Each crop against the other crops of the batch."""

    def second(self, learner: Any) -> list[nn.Parameter]:
        self.w = nn.Parameter(learner.likeness.weight.detach().clone())
        return [*self.of(self.cnn, self.head, self.critic_trunk), self.w]

    def parts(self) -> dict[str, list[Any]]:
        return super().parts() | {"likeness": [self.w]}

    def second_loss(self, obs: Tensor, next_obs: Tensor, batch: Any, draws: Any) -> Tensor:
        positive = self.augment(batch.observations.to(self.dtype), draws.positive_view)
        anchors = self.critic_trunk(self.convolve(obs))
        with torch.no_grad():
            keys = self.target_trunk(self.target_head(self.target_cnn(positive / 255.0)))
        losses = []
        for i, anchor in enumerate(anchors):
            logits = torch.stack([anchor @ self.w @ key for key in keys])
            losses.append(torch.logsumexp(logits, 0) - logits[i])
        return torch.stack(losses).mean()


class PlainSODA(PlainAuxiliary):
    """Predictions of a slow copy's view of other crops; BatchNorm always on the batch's statistics."""

    def second(self, learner: Any) -> list[nn.Parameter]:
        r, d = learner.encoder.representation_dim, learner.config.feature_dim
        self.mlp, self.predictor = self.block(r, d), self.block(d, d)
        copy_into([self.mlp, self.predictor], learner.projection)
        self.slow_cnn, self.slow_head = copy.deepcopy(self.cnn), copy.deepcopy(self.head)
        copy_into([self.slow_cnn, self.slow_head], learner.slow_encoder)
        self.slow_mlp, self.slow_predictor = copy.deepcopy(self.mlp), copy.deepcopy(self.predictor)
        copy_into([self.slow_mlp, self.slow_predictor], learner.slow)
        return self.of(self.cnn, self.head, self.mlp, self.predictor)

    def block(self, inputs: int, width: int) -> nn.Sequential:
        return nn.Sequential(nn.Linear(inputs, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, width)).to(
            self.dtype
        )

    def parts(self) -> dict[str, list[Any]]:
        return super().parts() | {
            "projection": self.of(self.mlp, self.predictor),
            "slow_encoder": self.of(self.slow_cnn, self.slow_head),
            "slow": self.of(self.slow_mlp, self.slow_predictor),
        }

    def buffers(self) -> dict[str, list[Tensor]]:
        return {
            "projection": [*self.mlp.buffers(), *self.predictor.buffers()],
            "slow": [*self.slow_mlp.buffers(), *self.slow_predictor.buffers()],
        }

    def second_loss(self, obs: Tensor, next_obs: Tensor, batch: Any, draws: Any) -> Tensor:
        fresh = draws.observations.to(self.dtype)
        strong = overlaid(self.augment(fresh, draws.strong_view), draws.overlay, self.config.overlay_weight)
        h0 = self.predictor(self.mlp(self.convolve(strong)))
        with torch.no_grad():
            plain = self.augment(fresh, draws.plain_view)
            h1 = self.slow_mlp(self.slow_head(self.slow_cnn(plain / 255.0)))
        cosines = (h0 * h1).sum(1) / (h0.norm(dim=1) * h1.norm(dim=1))
        return (2 - 2 * cosines).mean() / h0.shape[1]

    @torch.no_grad()
    def after(self) -> None:
        rate = self.config.auxiliary_target_rate
        pairs = [
            (self.cnn, self.slow_cnn),
            (self.head, self.slow_head),
            (self.mlp, self.slow_mlp),
            (self.predictor, self.slow_predictor),
        ]
        for fast, slow in pairs:
            for p, t in zip(fast.parameters(), slow.parameters(), strict=True):
                t.copy_(rate * p + (1 - rate) * t)
