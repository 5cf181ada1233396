"""The SAC family's updates written once more, as plainly as the papers allow, to compare the learners with.

Nothing is shared with `baselines/`: pixels keep their range of 0 to 255, shifts and crops are slices of one picture at
a time, losses of two views are two losses, gradients fall where they fall and stay until they are zeroed, every network
runs as often as it is asked for, parameters are updated one by one. The benchmarks use the same code as the
straightforward version to be faster than.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def trunk(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, outputs), nn.LayerNorm(outputs), nn.Tanh())


def mlp(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, outputs)
    )


def shared_cnn(channels: int, layers: int, filters: int) -> nn.Sequential:
    parts: list[nn.Module] = [nn.Conv2d(channels, filters, 3, 2)]
    for _ in range(layers - 1):
        parts += [nn.ReLU(), nn.Conv2d(filters, filters, 3)]
    return nn.Sequential(*parts)


def head_cnn(layers: int, filters: int) -> nn.Sequential:
    parts: list[nn.Module] = []
    for _ in range(layers):
        parts += [nn.ReLU(), nn.Conv2d(filters, filters, 3)]
    return nn.Sequential(*parts, nn.Flatten())


def shift(pictures: Tensor, offsets: Tensor, pad: int) -> Tensor:
    size = pictures.shape[-1]
    padded = F.pad(pictures, (pad,) * 4, "replicate")
    return torch.stack([p[:, y : y + size, x : x + size] for p, (x, y) in zip(padded, offsets.tolist(), strict=True)])


def crop(pictures: Tensor, offsets: Tensor, size: int) -> Tensor:
    if pictures.shape[-1] == size:
        return pictures
    pairs = zip(pictures, offsets.tolist(), strict=True)
    return torch.stack([p[:, row : row + size, column : column + size] for p, (row, column) in pairs])


def conv_per_sample(pictures: Tensor, kernels: Tensor) -> Tensor:
    out = []
    for picture, kernel in zip(pictures, kernels, strict=True):
        frames = F.pad(picture.view(-1, 3, *picture.shape[1:]) / 255, (1, 1, 1, 1), "replicate")
        out.append((torch.sigmoid(F.conv2d(frames, kernel)) * 255).view(picture.shape))
    return torch.stack(out)


def copy_into(modules: Iterable[nn.Module], source: nn.Module) -> None:
    """Copies parameters and buffers in their order, whatever their names."""
    ours = [t for m in modules for t in m.state_dict().values()]
    theirs = list(source.state_dict().values())
    assert [t.shape for t in ours] == [t.shape for t in theirs]
    for a, b in zip(ours, theirs, strict=True):
        a.copy_(b)


class PlainSAC:
    """The update of "sac", "drq" and "rad", started from a learner's parameters.

    Args:
      learner: copied, not touched.
    """

    def __init__(self, learner: Any) -> None:
        c = self.config = learner.config
        self.dtype = learner.dtype
        self.action_dim = learner.action_dim
        self.cnn = shared_cnn(learner.pixel_shape[0], c.num_shared_layers, c.num_filters)
        self.head = head_cnn(c.num_head_layers, c.num_filters)
        r, f, h, a = learner.encoder.representation_dim, c.feature_dim, c.hidden_dim, learner.action_dim
        self.actor_trunk, self.actor_mlp = trunk(r, f), mlp(f, h, 2 * a)
        self.critic_trunk, self.q1, self.q2 = trunk(r, f), mlp(f + a, h, 1), mlp(f + a, h, 1)
        self._take(learner)
        self.log_alpha = learner.temperature.log_alpha.detach().clone().requires_grad_()
        self.adams = self._adams()

    def _take(self, learner: Any) -> None:
        for module in (self.cnn, self.head, self.actor_trunk, self.actor_mlp, self.critic_trunk, self.q1, self.q2):
            module.to(self.dtype)
        copy_into([self.cnn, self.head], learner.encoder)
        copy_into([self.actor_trunk, self.actor_mlp], learner.actor)
        copy_into([self.critic_trunk, self.q1, self.q2], learner.critic)
        self.target_cnn, self.target_head = copy.deepcopy(self.cnn), copy.deepcopy(self.head)
        self.target_trunk, self.target_q1, self.target_q2 = map(copy.deepcopy, (self.critic_trunk, self.q1, self.q2))
        copy_into([self.target_cnn, self.target_head], learner.target_encoder)
        copy_into([self.target_trunk, self.target_q1, self.target_q2], learner.target)

    def _adams(self) -> dict[str, torch.optim.Adam]:
        c = self.config
        actor = [self.cnn, self.head, self.actor_trunk, self.actor_mlp]
        critic = [self.cnn, self.head, self.critic_trunk, self.q1, self.q2]
        return {
            "actor": torch.optim.Adam(self.of(*actor), lr=c.learning_rate),
            "critic": torch.optim.Adam(self.of(*critic), lr=c.learning_rate),
            "temperature": torch.optim.Adam(
                [self.log_alpha], lr=c.temperature_learning_rate, betas=(c.temperature_beta1, 0.999)
            ),
        }

    @staticmethod
    def of(*modules: nn.Module) -> list[nn.Parameter]:
        return [p for m in modules for p in m.parameters()]

    def parts(self) -> dict[str, list[Any]]:
        """Parameters under the names of the learner's attributes."""
        return {
            "encoder": self.of(self.cnn, self.head),
            "actor": self.of(self.actor_trunk, self.actor_mlp),
            "critic": self.of(self.critic_trunk, self.q1, self.q2),
            "target_encoder": self.of(self.target_cnn, self.target_head),
            "target": self.of(self.target_trunk, self.target_q1, self.target_q2),
            "temperature": [self.log_alpha],
        }

    def buffers(self) -> dict[str, list[Tensor]]:
        """Buffers under the names of the learner's attributes."""
        return {}

    def trained(self) -> dict[str, list[Any]]:
        """What each of the learner's optimisers moves."""
        parts = self.parts()
        return {
            "critic": parts["encoder"] + parts["critic"],
            "actor": parts["actor"],
            "temperature": parts["temperature"],
        }

    # Networks, on pixels of 0 to 255.

    def convolve(self, pixels: Tensor) -> Tensor:
        return self.head(self.cnn(pixels / 255.0))

    def policy(self, pixels: Tensor, noise: Tensor, detach: bool = False) -> tuple[Tensor, Tensor]:
        h = self.convolve(pixels)
        mu, ls = self.actor_mlp(self.actor_trunk(h.detach() if detach else h)).chunk(2, -1)
        ls = self.config.log_std_min + (self.config.log_std_max - self.config.log_std_min) / 2 * (torch.tanh(ls) + 1)
        log_pi = (-0.5 * noise**2 - ls).sum(1, keepdim=True) - 0.5 * math.log(2 * math.pi) * self.action_dim
        a = torch.tanh(mu + torch.exp(ls) * noise)
        return a, log_pi - torch.log(F.relu(1 - a**2) + 1e-6).sum(1, keepdim=True)

    def q(self, pixels: Tensor, action: Tensor, detach: bool = False) -> tuple[Tensor, Tensor]:
        h = self.convolve(pixels)
        x = torch.cat([self.critic_trunk(h.detach() if detach else h), action], 1)
        return self.q1(x), self.q2(x)

    def target_q(self, pixels: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        x = torch.cat([self.target_trunk(self.target_head(self.target_cnn(pixels / 255.0))), action], 1)
        return self.target_q1(x), self.target_q2(x)

    @torch.no_grad()
    def act(self, pixels: Tensor) -> Tensor:
        border = 0 if self.config.crop_size is None else (pixels.shape[-1] - self.config.crop_size) // 2
        size = pixels.shape[-1] - 2 * border
        middle = pixels[:, :, border : border + size, border : border + size].to(self.dtype)
        mu, _ = self.actor_mlp(self.actor_trunk(self.convolve(middle))).chunk(2, -1)
        return torch.tanh(mu)

    # The update.

    def augment(self, pixels: Tensor, offsets: Tensor) -> Tensor:
        if self.config.crop_size is not None:
            return crop(pixels, offsets, self.config.crop_size)
        return shift(pixels, offsets, self.config.shift_pad) if self.config.shift_pad else pixels

    def update(self, batch: Any, draws: Any, step: int) -> dict[str, float]:
        obs = self.augment(batch.observations.to(self.dtype), draws.view)
        next_obs = self.augment(batch.next_observations.to(self.dtype), draws.next_view)
        told = self.update_critic(obs, next_obs, batch, draws)
        if step % 2 == 0:
            told |= self.update_actor_and_temperature(obs, draws)
            self.update_target()
        return told | self.update_auxiliary(obs, next_obs, batch, draws, step)

    def target_value(self, next_obs: Tensor, batch: Any, noise: Tensor) -> Tensor:
        with torch.no_grad():
            a, log_pi = self.policy(next_obs, noise)
            q1, q2 = self.target_q(next_obs, a)
            return batch.rewards + batch.discounts * (torch.min(q1, q2) - self.log_alpha.exp() * log_pi)

    def update_critic(self, obs: Tensor, next_obs: Tensor, batch: Any, draws: Any) -> dict[str, float]:
        y = self.target_value(next_obs, batch, draws.next_noise)
        loss = self.critic_loss(obs, batch.actions, y, draws)
        self.adams["critic"].zero_grad(set_to_none=False)
        loss.backward()
        self.adams["critic"].step()
        return {"critic_loss": loss.item(), "target": y.mean().item()}

    def clean_loss(self, obs: Tensor, action: Tensor, y: Tensor) -> Tensor:
        q1, q2 = self.q(obs, action)
        return F.mse_loss(q1, y) + F.mse_loss(q2, y)

    def critic_loss(self, obs: Tensor, action: Tensor, y: Tensor, draws: Any) -> Tensor:
        return self.clean_loss(obs, action, y)

    def update_actor_and_temperature(self, obs: Tensor, draws: Any) -> dict[str, float]:
        a, log_pi = self.policy(obs, draws.actor_noise, detach=True)
        q1, q2 = self.q(obs, a, detach=True)
        loss = (self.log_alpha.exp().detach() * log_pi - torch.min(q1, q2)).mean()
        self.adams["actor"].zero_grad(set_to_none=False)
        loss.backward()
        self.adams["actor"].step()
        self.adams["temperature"].zero_grad(set_to_none=False)
        temperature_loss = (self.log_alpha.exp() * (-log_pi + self.action_dim).detach()).mean()
        temperature_loss.backward()
        self.adams["temperature"].step()
        return {"actor_loss": loss.item(), "temperature_loss": temperature_loss.item()}

    @torch.no_grad()
    def update_target(self) -> None:
        c = self.config
        pairs = [
            (self.q1, self.target_q1, c.target_rate),
            (self.q2, self.target_q2, c.target_rate),
            (self.critic_trunk, self.target_trunk, c.encoder_target_rate),
            (self.cnn, self.target_cnn, c.encoder_target_rate),
            (self.head, self.target_head, c.encoder_target_rate),
        ]
        for fast, slow, rate in pairs:
            for p, t in zip(fast.parameters(), slow.parameters(), strict=True):
                t.copy_(rate * p + (1 - rate) * t)

    def update_auxiliary(self, obs: Tensor, next_obs: Tensor, batch: Any, draws: Any, step: int) -> dict[str, float]:
        return {}


class PlainSVEA(PlainSAC):
    """Two losses, or one over both views if they weigh the same, as the published code has it."""

    def critic_loss(self, obs: Tensor, action: Tensor, y: Tensor, draws: Any) -> Tensor:
        alpha, beta = self.config.clean_weight, self.config.augmented_weight
        strong = conv_per_sample(obs, draws.kernels)
        if alpha == beta:
            both = self.clean_loss(torch.cat([obs, strong]), torch.cat([action, action]), torch.cat([y, y]))
            return (alpha + beta) * both
        return alpha * self.clean_loss(obs, action, y) + beta * self.clean_loss(strong, action, y)


class PlainOriginalDrQ(PlainSAC):
    """Two targets, averaged, and four losses, added; the published code's modules and its distribution of torch."""

    def _take(self, learner: Any) -> None:
        self.head.append(nn.ReLU())
        super()._take(learner)

    def policy(self, pixels: Tensor, noise: Tensor, detach: bool = False) -> tuple[Tensor, Tensor]:
        h = self.convolve(pixels)
        mu, ls = self.actor_mlp(self.actor_trunk(h.detach() if detach else h)).chunk(2, -1)
        ls = self.config.log_std_min + (self.config.log_std_max - self.config.log_std_min) / 2 * (torch.tanh(ls) + 1)
        u = mu + ls.exp() * noise
        normal = torch.distributions.Normal(mu, ls.exp()).log_prob(u)
        tanh = torch.distributions.TanhTransform().log_abs_det_jacobian(u, torch.tanh(u))
        return torch.tanh(u), (normal - tanh).sum(1, keepdim=True)

    def update_critic(self, obs: Tensor, next_obs: Tensor, batch: Any, draws: Any) -> dict[str, float]:
        obs_aug = shift(batch.observations.to(self.dtype), draws.second_view, self.config.shift_pad)
        next_obs_aug = shift(batch.next_observations.to(self.dtype), draws.second_next_view, self.config.shift_pad)
        y = self.target_value(next_obs, batch, draws.next_noise)
        y = (y + self.target_value(next_obs_aug, batch, draws.second_next_noise)) / 2
        loss = self.clean_loss(obs, batch.actions, y) + self.clean_loss(obs_aug, batch.actions, y)
        self.adams["critic"].zero_grad(set_to_none=False)
        loss.backward()
        self.adams["critic"].step()
        return {"critic_loss": loss.item(), "target": y.mean().item()}
