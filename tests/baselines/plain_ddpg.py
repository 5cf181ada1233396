"""The updates of agents built on DrQ-v2, written once more, as plainly as the papers allow; see plain.py."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from tests.baselines.plain import PlainActor, PlainCritic, clipped, grid_shift


def copy_into(module: nn.Module, source: nn.Module) -> nn.Module:
    """The parameters of another module of the same shape, in order."""
    with torch.no_grad():
        for mine, theirs in zip(module.parameters(), source.parameters(), strict=True):
            mine.copy_(theirs)
    return module


def four_convolutions(channels: int) -> nn.Sequential:
    convs = [nn.Conv2d(channels, 32, 3, 2), *(nn.Conv2d(32, 32, 3) for _ in range(3))]
    return nn.Sequential(*(m for conv in convs for m in (conv, nn.ReLU())), nn.Flatten())


def overlaid(pixels: Tensor, images: Tensor, weight: float) -> Tensor:
    """On 0 to 255; one image for all frames."""
    return ((1 - weight) * (pixels / 255) + weight * images.repeat(1, pixels.shape[1] // 3, 1, 1)) * 255


class PlainDDPG:
    """DrQ-v2's update with the places where others differ, started from a learner's parameters.

    Args:
      learner: copied, not touched.
    """

    def encoder_of(self, learner: Any) -> nn.Module:
        return four_convolutions(learner.pixel_shape[0])

    def actor_of(self, learner: Any, *sizes: int) -> nn.Module:
        return PlainActor(*sizes)

    def critic_of(self, learner: Any, *sizes: int) -> nn.Module:
        return PlainCritic(*sizes)

    def __init__(self, learner: Any) -> None:
        c = self.config = learner.config
        self.dtype = learner.dtype
        self.encoder = copy_into(self.encoder_of(learner).to(self.dtype), learner.encoder)
        sizes = (learner.encoder.representation_dim, c.feature_dim, c.hidden_dim, learner.action_dim)
        self.actor = copy_into(self.actor_of(learner, *sizes).to(self.dtype), learner.actor)
        self.critic = copy_into(self.critic_of(learner, *sizes).to(self.dtype), learner.critic)
        self.target = copy.deepcopy(self.critic)
        copy_into(self.target, learner.target)
        self.adams = {
            name: torch.optim.Adam(getattr(self, name).parameters(), lr=c.learning_rate)
            for name in ("encoder", "critic", "actor")
        }
        self.more(learner)

    def more(self, learner: Any) -> None:
        pass

    def parts(self) -> dict[str, list[Any]]:
        return {name: list(getattr(self, name).parameters()) for name in ("encoder", "actor", "critic", "target")}

    def buffers(self) -> dict[str, list[Tensor]]:
        return {}

    def trained(self) -> dict[str, list[Any]]:
        return {name: list(getattr(self, name).parameters()) for name in ("encoder", "critic", "actor")}

    def represent(self, pixels: Tensor) -> Tensor:
        """Pixels 0..255 to representations."""
        return self.encoder(pixels / 255 - 0.5)

    def std(self, step: int) -> float:
        c = self.config
        mix = min(max(step / c.noise_steps, 0.0), 1.0)
        return (1 - mix) * c.noise_start + mix * c.noise_end

    @torch.no_grad()
    def act(self, pixels: Tensor) -> Tensor:
        return self.actor(self.represent(pixels.to(self.dtype)))

    def views(self, obs: Tensor, draws: Any) -> list[Tensor]:
        return [obs]

    def next_value(self, h_next: Tensor, draws: Any, step: int) -> Tensor:
        a_next = clipped(self.actor(h_next), self.std(step), draws.next_noise, self.config.noise_clip)
        return torch.min(*self.target(h_next, a_next))

    def critic_loss(self, h: list[Tensor], action: Tensor, y: Tensor) -> Tensor:
        total = torch.zeros((), dtype=self.dtype)
        for view in h:
            q1, q2 = self.critic(view, action)
            total = total + ((q1 - y).pow(2).mean() + (q2 - y).pow(2).mean()) / len(h)
        return total

    def actor_step(self, h: list[Tensor], draws: Any, step: int) -> dict[str, float]:
        action = clipped(self.actor(h[0]), self.std(step), draws.actor_noise, self.config.noise_clip)
        loss = -torch.min(*self.critic(h[0], action)).mean()
        self.adams["actor"].zero_grad()
        loss.backward()
        self.adams["actor"].step()
        return {"actor_loss": loss.item()}

    def first(self, draws: Any, step: int) -> None:
        pass

    def between(self, h: Tensor, batch: Any, draws: Any, step: int) -> dict[str, float]:
        return {}

    def before_polyak(self, batch: Any, draws: Any) -> dict[str, float]:
        return {}

    def after_polyak(self, obs: Tensor, batch: Any, draws: Any) -> dict[str, float]:
        return {}

    def update(self, batch: Any, draws: Any, step: int) -> dict[str, float]:
        self.first(draws, step)
        obs = grid_shift(batch.observations.to(self.dtype), draws.shift, self.config.shift_pad)
        next_obs = grid_shift(batch.next_observations.to(self.dtype), draws.next_shift, self.config.shift_pad)
        self.batch = batch
        h = [self.represent(view) for view in self.views(obs, draws)]
        seen = [view.detach().clone() for view in h]
        with torch.no_grad():
            h_next = self.represent(next_obs)
        told = self.between(seen[0], batch, draws, step)
        with torch.no_grad():
            y = batch.rewards + batch.discounts * self.next_value(h_next, draws, step)
        loss = self.critic_loss(h, batch.actions, y)
        self.adams["encoder"].zero_grad()
        self.adams["critic"].zero_grad()
        loss.backward()
        self.adams["critic"].step()
        self.adams["encoder"].step()
        told |= {"critic_loss": loss.item(), "target": y.mean().item()}
        told |= self.actor_step(seen, draws, step)
        told |= self.before_polyak(batch, draws)
        with torch.no_grad():
            for slow, fast in zip(self.target.parameters(), self.critic.parameters(), strict=True):
                slow.copy_(self.config.target_rate * fast + (1 - self.config.target_rate) * slow)
        return told | self.after_polyak(obs, batch, draws)


class PlainSVEA(PlainDDPG):
    """RL-ViGen's: convolutions without a ReLU behind the last, and a second, overlaid view."""

    def encoder_of(self, learner: Any) -> nn.Module:
        c, layers = learner.config, list[nn.Module]()
        for index in range(c.num_layers):
            channels = c.num_filters if index else learner.pixel_shape[0]
            layers += [nn.ReLU()] if index else []
            layers.append(nn.Conv2d(channels, c.num_filters, 3, 1 if index else 2))
        return nn.Sequential(*layers, nn.Flatten())

    def views(self, obs: Tensor, draws: Any) -> list[Tensor]:
        return [obs, overlaid(obs, draws.overlay, self.config.overlay_weight)]
