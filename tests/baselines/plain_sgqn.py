"""SGQN written once more, as plainly as the paper allows; see plain_sac.py."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.baselines.plain_auxiliary import PlainAuxiliary, overlaid
from tests.baselines.plain_sac import copy_into


def guided(layers: list[nn.Module], x: Tensor) -> tuple[Tensor, list[tuple[nn.Module, Tensor]]]:
    """The layers' output, and every layer with what went in."""
    seen = []
    for layer in layers:
        seen.append((layer, x))
        x = layer(x)
    return x, seen


def backwards(seen: list[tuple[nn.Module, Tensor]], signal: Tensor) -> Tensor:
    """Sends a signal back layer by layer; at a ReLU only what is positive in both directions passes."""
    for layer, entered in reversed(seen):
        if isinstance(layer, nn.ReLU):
            signal = torch.where(entered > 0, signal, torch.zeros_like(signal)).clamp(min=0)
        else:
            entered = entered.detach().requires_grad_()
            (signal,) = torch.autograd.grad(layer(entered), entered, signal)
    return signal


class PlainSGQN(PlainAuxiliary):
    """Guided backpropagation by hand, thresholds picture by picture from sorted numbers."""

    def second(self, learner: Any) -> list[nn.Parameter]:
        size = learner.pixel_shape[1]
        self.start = size // 4
        inputs, channels = learner.config.feature_dim + learner.action_dim, learner.pixel_shape[0]
        self.proj = nn.Linear(inputs, 32 * self.start**2)
        self.convs = [nn.Conv2d(32, 128, 3, 1, 1), nn.Conv2d(128, 64, 3, 1, 1), nn.Conv2d(64, channels, 3, 1, 1)]
        for module in (self.proj, *self.convs):
            module.to(self.dtype)
        copy_into([self.proj, *self.convs], learner.decoder)
        return self.of(self.cnn, self.head, self.critic_trunk, self.proj, *self.convs)

    def parts(self) -> dict[str, list[Any]]:
        return super().parts() | {"decoder": self.of(self.proj, *self.convs)}

    def saliency(self, obs: Tensor, action: Tensor) -> Tensor:
        h, below = guided([*self.cnn, *self.head, *self.critic_trunk], obs / 255.0)
        q, above = guided(list(self.q1), torch.cat([h, action], 1))
        signal = backwards(above, torch.ones_like(q))[:, : h.shape[1]]
        return backwards(below, signal) / 255.0

    def mask(self, obs: Tensor, action: Tensor) -> Tensor:
        gradient, kept = self.saliency(obs, action).detach(), torch.zeros_like(obs)
        for i in range(len(obs)):
            for first in range(0, obs.shape[1], 3):
                a = gradient[i, first : first + 3].abs().max(0).values
                ordered = a.flatten().sort().values
                place = self.config.saliency_quantile * (len(ordered) - 1)
                below = int(place)
                above = min(below + 1, len(ordered) - 1)
                threshold = ordered[below] + (place - below) * (ordered[above] - ordered[below])
                kept[i, first : first + 3] = (a >= threshold).to(obs.dtype)
        return kept

    def critic_loss(self, obs: Tensor, action: Tensor, y: Tensor, draws: Any) -> Tensor:
        q1, q2 = self.q(obs, action)
        mask = self.mask(obs, action)
        masked = obs * mask
        masked[mask < 1] = obs.min() + (obs.max() - obs.min()) * draws.fill
        masked_q1, masked_q2 = self.q(masked, action)
        consistency = F.mse_loss(q1, masked_q1) + F.mse_loss(q2, masked_q2)
        return F.mse_loss(q1, y) + F.mse_loss(q2, y) + self.config.consistency_weight * consistency

    def second_loss(self, obs: Tensor, next_obs: Tensor, batch: Any, draws: Any) -> Tensor:
        mask = self.mask(obs, batch.actions)
        seen = overlaid(obs, draws.overlay, self.config.overlay_weight)
        x = torch.cat([self.critic_trunk(self.convolve(seen)), batch.actions], 1)
        x = self.proj(x).view(-1, 32, self.start, self.start)
        x = self.convs[0](F.relu(x))
        x = self.convs[1](F.relu(self.doubled(x)))
        logits = self.convs[2](F.relu(self.doubled(x)))
        p = torch.sigmoid(logits)
        return -(mask * p.log() + (1 - mask) * (1 - p).log()).mean()

    @staticmethod
    def doubled(x: Tensor) -> Tensor:
        return x.repeat_interleave(2, 2).repeat_interleave(2, 3)
