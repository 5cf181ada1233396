"""FERM's updates written once more, as plainly as the papers allow, to compare the learner with.

Nothing is shared with `baselines/`: one encoder is convolutions, projection and LayerNorm in one piece, pixels keep
their range of 0 to 255, crops are slices of one picture at a time, every network runs as often as it is asked for.
"""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.baselines.plain_sac import copy_into, crop, mlp


class Eye(nn.Module):
    """A picture's code."""

    def __init__(self, channels: int, layers: int, filters: int, flat: int, code: int) -> None:
        super().__init__()
        convs = [nn.Conv2d(channels, filters, 3, stride=2)]
        convs += [nn.Conv2d(filters, filters, 3) for _ in range(layers - 1)]
        self.convs = nn.ModuleList(convs)
        self.fc, self.ln = nn.Linear(flat, code), nn.LayerNorm(code)

    def forward(self, pixels: Tensor, detach: bool = False) -> Tensor:
        x = pixels / 255.0
        for conv in self.convs:
            x = F.relu(conv(x))
        x = x.reshape(len(x), -1)
        return self.ln(self.fc(x.detach() if detach else x))


class PlainFERM:
    """Warm-up and update, started from a learner's parameters.

    Args:
      learner: copied, not touched.
    """

    def __init__(self, learner: Any) -> None:
        c = self.config = learner.config
        self.dtype, self.num_actions = learner.dtype, learner.action_dim
        p, a = learner.senses.proprio_dim, learner.action_dim
        layers, flat = c.num_shared_layers + c.num_head_layers, learner.encoder.representation_dim
        self.eye = Eye(learner.pixel_shape[0], layers, c.num_filters, flat, c.feature_dim).to(self.dtype)
        self.actor_eye = copy.deepcopy(self.eye)
        self.pi = mlp(c.feature_dim + p, c.hidden_dim, 2 * a).to(self.dtype)
        self.q1 = mlp(c.feature_dim + p + a, c.hidden_dim, 1).to(self.dtype)
        self.q2 = copy.deepcopy(self.q1)
        with torch.no_grad():
            self._take(learner)
        self.w = learner.likeness.weight.detach().clone().requires_grad_()
        self.log_alpha = learner.temperature.log_alpha.detach().clone().requires_grad_()
        self.adams = self._adams()

    def _take(self, learner: Any) -> None:
        self.slow_eye, self.slow_q1, self.slow_q2 = map(copy.deepcopy, (self.eye, self.q1, self.q2))
        copy_into([self.eye.convs], learner.encoder)
        copy_into([self.eye.fc, self.eye.ln, self.q1, self.q2], learner.critic)
        copy_into([self.slow_eye.convs], learner.target_encoder)
        copy_into([self.slow_eye.fc, self.slow_eye.ln, self.slow_q1, self.slow_q2], learner.target)
        copy_into([self.actor_eye.fc, self.actor_eye.ln, self.pi], learner.actor)
        self.actor_eye.convs = self.eye.convs

    def _adams(self) -> dict[str, torch.optim.Adam]:
        c = self.config
        eye = list(self.eye.parameters())
        critic = [*eye, *self.q1.parameters(), *self.q2.parameters()]
        return {
            "critic": torch.optim.Adam(critic, lr=c.learning_rate),
            "actor": torch.optim.Adam([*self.actor_eye.parameters(), *self.pi.parameters()], lr=c.learning_rate),
            "temperature": torch.optim.Adam([self.log_alpha], lr=1e-4, betas=(0.5, 0.999)),
            "encoder": torch.optim.Adam(eye, lr=c.warm_up_learning_rate),
            "contrast": torch.optim.Adam([*eye, self.w], lr=c.warm_up_learning_rate),
        }

    def parts(self) -> dict[str, list[Any]]:
        """Parameters under the names of the learner's attributes."""

        def of(*modules: nn.Module) -> list[nn.Parameter]:
            return [parameter for module in modules for parameter in module.parameters()]

        return {
            "encoder": of(self.eye.convs),
            "critic": of(self.eye.fc, self.eye.ln, self.q1, self.q2),
            "target_encoder": of(self.slow_eye.convs),
            "target": of(self.slow_eye.fc, self.slow_eye.ln, self.slow_q1, self.slow_q2),
            "actor": of(self.actor_eye.fc, self.actor_eye.ln, self.pi),
            "temperature": [self.log_alpha],
            "likeness": [self.w],
        }

    def trained(self) -> dict[str, list[Any]]:
        """What each of the learner's optimisers moves."""
        parts = self.parts()
        eye = list(self.eye.parameters())
        return {
            "critic": parts["encoder"] + parts["critic"],
            "actor": parts["actor"],
            "temperature": parts["temperature"],
            "encoder": eye,
            "contrast": [*eye, self.w],
        }

    def buffers(self) -> dict[str, list[Tensor]]:
        """There are none."""
        return {}

    def policy(self, pixels: Tensor, felt: Tensor, noise: Tensor, detach: bool = False) -> tuple[Tensor, Tensor]:
        mu, raw = self.pi(torch.cat([self.actor_eye(pixels, detach), felt], 1)).chunk(2, 1)
        ls = -10 + 0.5 * (self.config.log_std_max + 10) * (torch.tanh(raw) + 1)
        a = torch.tanh(mu + ls.exp() * noise)
        density = (-0.5 * noise**2 - ls - 0.5 * math.log(2 * math.pi)).sum(1, keepdim=True)
        return a, density - torch.log(F.relu(1 - a**2) + 1e-6).sum(1, keepdim=True)

    @torch.no_grad()
    def act(self, pixels: Tensor, felt: Tensor) -> Tensor:
        border = (pixels.shape[-1] - self.config.crop_size) // 2
        middle = pixels[:, :, border : pixels.shape[-1] - border, border : pixels.shape[-1] - border]
        mu, _ = self.pi(torch.cat([self.actor_eye(middle.to(self.dtype)), felt], 1)).chunk(2, 1)
        return torch.tanh(mu)

    def warm_up(self, pixels: Tensor, draws: Any) -> float:
        first = crop(pixels.to(self.dtype), draws.view, self.config.crop_size)
        second = crop(pixels.to(self.dtype), draws.positive_view, self.config.crop_size)
        z, keys = self.eye(first), self.slow_eye(second).detach()
        losses = []
        for i in range(len(z)):
            scores = torch.stack([z[i] @ self.w @ key for key in keys])
            scores = scores - scores.max()
            losses.append(torch.log(scores.exp().sum()) - scores[i])
        loss = torch.stack(losses).mean()
        self.adams["encoder"].zero_grad()
        self.adams["contrast"].zero_grad()
        loss.backward()
        self.adams["encoder"].step()
        self.adams["contrast"].step()
        if self.config.warm_up_target:
            self._follow([(self.eye, self.slow_eye, 0.05)])
        return loss.item()

    def update(self, batch: Any, draws: Any, step: int) -> dict[str, float]:
        obs = crop(batch.observations.pixels.to(self.dtype), draws.view, self.config.crop_size)
        next_obs = crop(batch.next_observations.pixels.to(self.dtype), draws.next_view, self.config.crop_size)
        felt, next_felt = batch.observations.proprio, batch.next_observations.proprio
        with torch.no_grad():
            a, log_pi = self.policy(next_obs, next_felt, draws.next_noise)
            x = torch.cat([self.slow_eye(next_obs), next_felt, a], 1)
            v = torch.min(self.slow_q1(x), self.slow_q2(x)) - self.log_alpha.exp() * log_pi
            y = batch.rewards + batch.discounts * v
        x = torch.cat([self.eye(obs), felt, batch.actions], 1)
        loss = ((self.q1(x) - y) ** 2).mean() + ((self.q2(x) - y) ** 2).mean()
        self.adams["critic"].zero_grad()
        loss.backward()
        self.adams["critic"].step()
        told = {"critic_loss": loss.item()}
        if step % 2 == 0:
            told |= self._update_actor(obs, felt, draws.actor_noise)
        if step % self.config.target_every_updates == 0:
            rate = self.config.target_rate
            slow = [(self.q1, self.slow_q1, rate), (self.q2, self.slow_q2, rate), (self.eye, self.slow_eye, 0.05)]
            self._follow(slow)
        return told

    def _update_actor(self, obs: Tensor, felt: Tensor, noise: Tensor) -> dict[str, float]:
        a, log_pi = self.policy(obs, felt, noise, detach=True)
        x = torch.cat([self.eye(obs, detach=True), felt, a], 1)
        loss = (self.log_alpha.exp().detach() * log_pi - torch.min(self.q1(x), self.q2(x))).mean()
        self.adams["actor"].zero_grad()
        loss.backward()
        self.adams["actor"].step()
        alpha_loss = (self.log_alpha.exp() * (-log_pi + self.num_actions).detach()).mean()
        self.adams["temperature"].zero_grad()
        alpha_loss.backward()
        self.adams["temperature"].step()
        return {"actor_loss": loss.item(), "temperature_loss": alpha_loss.item()}

    @staticmethod
    @torch.no_grad()
    def _follow(pairs: list[tuple[nn.Module, nn.Module, float]]) -> None:
        for fast, slow, rate in pairs:
            for p, t in zip(fast.parameters(), slow.parameters(), strict=True):
                t.copy_(rate * p + (1 - rate) * t)
