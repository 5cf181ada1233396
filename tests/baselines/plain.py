"""DrQ-v2's and PIE-G's updates written once more, as plainly as the papers allow, to compare the learners with.

Nothing is shared with `baselines/`: shifts are bilinear `grid_sample`s, BatchNorm is torch's module in train mode, the
two views' losses are separate, gradients fall where they fall, parameters are updated one by one. The benchmarks
use the same code as the straightforward version to be faster than.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class PlainActor(nn.Module):
    def __init__(self, r: int, f: int, h: int, a: int) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(r, f), nn.LayerNorm(f), nn.Tanh())
        self.policy = nn.Sequential(nn.Linear(f, h), nn.ReLU(), nn.Linear(h, h), nn.ReLU(), nn.Linear(h, a))

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.policy(self.trunk(x)))


class PlainCritic(nn.Module):
    def __init__(self, r: int, f: int, h: int, a: int) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(r, f), nn.LayerNorm(f), nn.Tanh())
        self.q1 = nn.Sequential(nn.Linear(f + a, h), nn.ReLU(), nn.Linear(h, h), nn.ReLU(), nn.Linear(h, 1))
        self.q2 = nn.Sequential(nn.Linear(f + a, h), nn.ReLU(), nn.Linear(h, h), nn.ReLU(), nn.Linear(h, 1))

    def forward(self, x: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        joined = torch.cat([self.trunk(x), action], 1)
        return self.q1(joined), self.q2(joined)


class PlainBlock(nn.Module):
    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inside, outside, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outside)
        self.conv2 = nn.Conv2d(outside, outside, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outside)
        self.downsample = None
        if stride > 1:
            self.downsample = nn.Sequential(nn.Conv2d(inside, outside, 1, stride, bias=False), nn.BatchNorm2d(outside))

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(out + (x if self.downsample is None else self.downsample(x)))


class PlainResNet(nn.Module):
    """Stem, layer1 and layer2 of ResNet-18."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.layer1 = nn.Sequential(PlainBlock(width, width, 1), PlainBlock(width, width, 1))
        self.layer2 = nn.Sequential(PlainBlock(width, 2 * width, 2), PlainBlock(2 * width, 2 * width, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        return self.layer2(self.layer1(x))


def grid_shift(pixels: Tensor, offsets: Tensor, pad: int = 4) -> Tensor:
    """DrQ-v2's random shift as a bilinear sample of the padded picture; offsets (N, 2) as (x, y)."""
    n, _, size, _ = pixels.shape
    padded = F.pad(pixels, (pad,) * 4, "replicate")
    whole = size + 2 * pad
    line = torch.linspace(-1 + 1 / whole, 1 - 1 / whole, whole, dtype=pixels.dtype)[:size]
    base = torch.stack(torch.meshgrid(line, line, indexing="xy"), -1)
    grid = base + offsets[:, None, None, :].to(pixels.dtype) * 2 / whole
    return F.grid_sample(padded, grid.expand(n, -1, -1, -1), padding_mode="zeros", align_corners=False)


def clipped(mean: Tensor, std: float, noise: Tensor, clip: float) -> Tensor:
    action = mean + torch.clamp(noise * std, -clip, clip)
    return action + (torch.clamp(action, -1 + 1e-6, 1 - 1e-6) - action).detach()


class PlainAgent:
    """The update of "drqv2" or "pieg", started from a learner's parameters.

    Args:
      learner: copied, not touched.
      kind: which of the two.
    """

    def __init__(self, learner: Any, kind: str) -> None:
        c = self.config = learner.config
        self.kind = kind
        sizes = (learner.encoder.representation_dim, c.feature_dim, c.hidden_dim, learner.action_dim)
        dtype = learner.dtype
        self.actor, self.critic, self.target = PlainActor(*sizes), PlainCritic(*sizes), PlainCritic(*sizes)
        for name in ("actor", "critic", "target"):
            getattr(self, name).to(dtype).load_state_dict(getattr(learner, name).state_dict())
        if kind == "pieg":
            self.resnet = PlainResNet(learner.encoder.backbone.conv1.out_channels).to(dtype)
            self.resnet.load_state_dict(learner.encoder.backbone.state_dict())
            linear, norm = learner.encoder.projection
            self.encoder = nn.Sequential(
                nn.Linear(linear.in_features, linear.out_features), nn.LayerNorm(len(norm.weight))
            )
            self.encoder.to(dtype).load_state_dict(learner.encoder.projection.state_dict())
        else:
            channels = learner.pixel_shape[0]
            convs = [nn.Conv2d(channels, 32, 3, 2), *(nn.Conv2d(32, 32, 3) for _ in range(3))]
            self.encoder = nn.Sequential(*(m for conv in convs for m in (conv, nn.ReLU())), nn.Flatten())
            self.encoder.to(dtype).load_state_dict(learner.encoder.layers.state_dict())
        self.dtype = dtype
        self.adams = {
            name: torch.optim.Adam(getattr(self, name).parameters(), lr=c.learning_rate)
            for name in ("encoder", "critic", "actor")
        }
        self.grads: dict[str, list[Tensor]] = {}

    def represent(self, pixels: Tensor) -> Tensor:
        """Pixels 0..255 to representations."""
        x = pixels / 255 - 0.5
        if self.kind == "drqv2":
            return self.encoder(x)
        n = len(x)
        with torch.no_grad():
            features = self.resnet(x.reshape(3 * n, 3, *x.shape[2:]))
        f0, f1, f2 = features.reshape(n, 3, *features.shape[1:]).unbind(1)
        return self.encoder(torch.cat([f1, f2, f1 - f0, f2 - f1], 1).flatten(1))

    @torch.no_grad()
    def act(self, pixels: Tensor) -> Tensor:
        """The mean action, BatchNorm with its running statistics."""
        if self.kind == "pieg":
            self.resnet.eval()
        action = self.actor(self.represent(pixels.to(self.dtype)))
        if self.kind == "pieg":
            self.resnet.train()
        return action

    def update(self, batch: Any, draws: Any, std: float) -> dict[str, float]:
        """One update; keeps the gradients each optimiser used."""
        clip, pad = self.config.noise_clip, self.config.shift_pad
        obs = grid_shift(batch.observations.to(self.dtype), draws.shift, pad)
        next_obs = grid_shift(batch.next_observations.to(self.dtype), draws.next_shift, pad)
        views = [self.represent(obs)]
        if self.kind == "pieg":
            mixed = 255 * (0.5 * obs / 255 + 0.5 * draws.overlay.repeat(1, 3, 1, 1))
            views.append(self.represent(mixed))
        with torch.no_grad():
            h_next = self.represent(next_obs)
            a_next = clipped(self.actor(h_next), std, draws.next_noise, clip)
            q1, q2 = self.target(h_next, a_next)
            y = batch.rewards + batch.discounts * torch.min(q1, q2)
        critic_loss = torch.zeros((), dtype=self.dtype)
        for h in views:
            q1, q2 = self.critic(h, batch.actions)
            critic_loss = critic_loss + (F.mse_loss(q1, y) + F.mse_loss(q2, y)) / len(views)
        self.adams["critic"].zero_grad()
        self.adams["encoder"].zero_grad()
        critic_loss.backward()
        self._keep("critic", "encoder")
        self.adams["critic"].step()
        self.adams["encoder"].step()
        h = views[0].detach()
        q1, q2 = self.critic(h, clipped(self.actor(h), std, draws.actor_noise, clip))
        actor_loss = -torch.min(q1, q2).mean()
        self.adams["actor"].zero_grad()
        actor_loss.backward()
        self._keep("actor")
        self.adams["actor"].step()
        with torch.no_grad():
            for slow, fast in zip(self.target.parameters(), self.critic.parameters(), strict=True):
                slow.copy_(self.config.target_rate * fast + (1 - self.config.target_rate) * slow)
        return {"critic_loss": critic_loss.item(), "actor_loss": actor_loss.item(), "target": y.mean().item()}

    def _keep(self, *names: str) -> None:
        for name in names:
            self.grads[name] = [p.grad.clone() for p in getattr(self, name).parameters()]
