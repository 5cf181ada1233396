"""The updates of agents built on DrQ-v2, written once more, as plainly as the papers allow; see plain.py."""

from __future__ import annotations

import copy
import math
from collections import defaultdict
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

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
        return torch.min(*self.q(self.target, h_next, a_next, draws, "target"))

    def q(self, critic: nn.Module, h: Tensor, action: Tensor, draws: Any, use: str) -> tuple[Tensor, Tensor]:
        return critic(h, action)

    def critic_loss(self, h: list[Tensor], action: Tensor, y: Tensor, draws: Any) -> Tensor:
        total = torch.zeros((), dtype=self.dtype)
        for view in h:
            q1, q2 = self.q(self.critic, view, action, draws, "critic")
            total = total + ((q1 - y).pow(2).mean() + (q2 - y).pow(2).mean()) / len(h)
        return total

    def actor_step(self, h: list[Tensor], draws: Any, step: int) -> dict[str, float]:
        action = clipped(self.actor(h[0]), self.std(step), draws.actor_noise, self.config.noise_clip)
        loss = -torch.min(*self.q(self.critic, h[0], action, draws, "actor")).mean()
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
        loss = self.critic_loss(h, batch.actions, y, draws)
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


class InPlaceActor(PlainActor):
    """ReLUs write over what they are given, so that a hook on the layer before sees what they left."""

    def __init__(self, r: int, f: int, h: int, a: int) -> None:
        super().__init__(r, f, h, a)
        self.policy[1].inplace = self.policy[3].inplace = True


class DroppingMLP(nn.Module):
    def __init__(self, inputs: int, h: int) -> None:
        super().__init__()
        self.l1, self.n1 = nn.Linear(inputs, h), nn.LayerNorm(h)
        self.l2, self.n2 = nn.Linear(h, h), nn.LayerNorm(h)
        self.l3 = nn.Linear(h, 1)

    def forward(self, x: Tensor, keep: Tensor, p: float) -> Tensor:
        x = F.relu(self.n1(self.l1(x) * keep[0].to(x.dtype) / (1 - p)))
        x = F.relu(self.n2(self.l2(x) * keep[1].to(x.dtype) / (1 - p)))
        return self.l3(x)


class DroppingCritic(nn.Module):
    def __init__(self, r: int, f: int, h: int, a: int, p: float) -> None:
        super().__init__()
        self.p = p
        self.trunk = nn.Sequential(nn.Linear(r, f), nn.LayerNorm(f), nn.Tanh())
        self.q1, self.q2 = DroppingMLP(f + a, h), DroppingMLP(f + a, h)

    def forward(self, x: Tensor, action: Tensor, keep: Tensor) -> tuple[Tensor, Tensor]:
        joined = torch.cat([self.trunk(x), action], 1)
        return self.q1(joined, keep[0], self.p), self.q2(joined, keep[1], self.p)


class PlainValue(nn.Module):
    def __init__(self, r: int, f: int, h: int) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(r, f), nn.LayerNorm(f), nn.Tanh())
        self.v = nn.Sequential(nn.Linear(f, h), nn.ReLU(), nn.Linear(h, h), nn.ReLU(), nn.Linear(h, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.v(self.trunk(x))


class PlainDrM(PlainDDPG):
    """A value network, and a dormant ratio measured by hooks."""

    def actor_of(self, learner: Any, *sizes: int) -> nn.Module:
        return InPlaceActor(*sizes)

    def critic_of(self, learner: Any, *sizes: int) -> nn.Module:
        dropout = learner.config.critic_dropout
        return PlainCritic(*sizes) if dropout is None else DroppingCritic(*sizes, dropout)

    def more(self, learner: Any) -> None:
        c = self.config
        value = PlainValue(learner.encoder.representation_dim, c.feature_dim, c.hidden_dim).to(self.dtype)
        self.value = copy_into(value, learner.value)
        self.adams["value"] = torch.optim.Adam(self.value.parameters(), lr=c.learning_rate)
        self.ratio, self.awaken_step = learner.dormant_ratio, learner.awaken_step

    def parts(self) -> dict[str, list[Any]]:
        return super().parts() | {"value": list(self.value.parameters())}

    def trained(self) -> dict[str, list[Any]]:
        return super().trained() | {"value": list(self.value.parameters())}

    def q(self, critic: nn.Module, h: Tensor, action: Tensor, draws: Any, use: str) -> tuple[Tensor, Tensor]:
        return critic(h, action) if self.config.critic_dropout is None else critic(h, action, draws.keep[use])

    def std(self, step: int) -> float:
        c = self.config
        dormant = c.dormant_std / (1 + math.exp(-c.dormant_temperature * (self.ratio - c.dormant_target)))
        if self.awaken_step is None or c.noise_type == "dormant":
            return dormant
        return max(dormant, super().std(step - self.awaken_step))

    def weight(self) -> float:
        c = self.config
        if c.value_temperature is None:
            return c.value_weight
        return c.value_weight / (1 + math.exp(c.value_temperature * (self.ratio - c.dormant_target)))

    def first(self, draws: Any, step: int) -> None:
        c = self.config
        if step % c.perturb_every_steps:
            return
        factor = min(max(c.perturb_min, 1 - c.perturb_rate * self.ratio), c.perturb_max)
        for name in ("actor", "critic", "target", "encoder", "value"):
            layers = [m for m in getattr(self, name).modules() if isinstance(m, nn.Linear)]
            for layer, fresh in zip(layers, draws.fresh[name], strict=True):
                layer.weight.data = layer.weight.data * factor + fresh * (1 - factor)
                layer.bias.data = layer.bias.data * factor
            self.adams["critic" if name == "target" else name].state = defaultdict(dict)

    def measure(self, h: Tensor) -> float:
        outputs: list[Tensor] = []
        layers = [m for m in self.actor.modules() if isinstance(m, nn.Linear)]
        handles = [layer.register_forward_hook(lambda _m, _i, out: outputs.append(out)) for layer in layers]
        with torch.no_grad():
            self.actor(h)
        for handle in handles:
            handle.remove()
        dormant = total = 0
        for output in outputs:
            mean = output.abs().mean(0)
            dormant += int((mean < mean.mean() * self.config.dormant_threshold).sum())
            total += len(mean)
        return dormant / total

    def between(self, h: Tensor, batch: Any, draws: Any, step: int) -> dict[str, float]:
        c = self.config
        self.ratio = self.measure(h)
        may = step > c.num_exploration_steps or not c.awaken_after_exploration
        if self.awaken_step is None and may and self.ratio < c.dormant_target:
            self.awaken_step = step
        q = torch.min(*self.q(self.critic, h, batch.actions, draws, "value"))
        error = self.value(h) - q
        positive = (error > 0).to(self.dtype)
        loss = (((1 - positive) * c.expectile + positive * (1 - c.expectile)) * error**2).mean()
        self.adams["value"].zero_grad()
        loss.backward()
        self.adams["value"].step()
        return {"value_loss": loss.item(), "dormant_ratio": self.ratio, "noise_std": self.std(step)}

    def next_value(self, h_next: Tensor, draws: Any, step: int) -> Tensor:
        weight = self.weight()
        return weight * self.value(h_next) + (1 - weight) * super().next_value(h_next, draws, step)


class PlainSRM(PlainSVEA):
    """A transform along colours, rows and columns, and a ring of frequencies set to zero."""

    def views(self, obs: Tensor, draws: Any) -> list[Tensor]:
        clean, strong = super().views(obs, draws)
        if draws.band is None:
            return [clean, strong]
        low, high = draws.band
        size = obs.shape[-1]
        frames = strong.reshape(len(strong), -1, 3, size, size)
        kept = torch.ones(size, size, dtype=self.dtype)
        frequencies = [min(k, size - k) / size for k in range(size)]
        for y, fy in enumerate(frequencies):
            for x, fx in enumerate(frequencies):
                if max(fx, fy) < high and not max(fx, fy) < low:
                    kept[y, x] = 0
        spectrum = torch.fft.fftn(frames, dim=(2, 3, 4)) * kept
        masked = torch.fft.ifftn(spectrum, dim=(2, 3, 4)).real.float()
        return [clean, masked.to(self.dtype).reshape(strong.shape)]


class PlainProjected(PlainDDPG):
    """A Linear behind the convolutions, and an Adam more."""

    def encoder_of(self, learner: Any) -> nn.Module:
        convs = four_convolutions(learner.pixel_shape[0])
        projection = learner.encoder.projection
        return nn.Sequential(*convs, nn.Linear(projection.in_features, projection.out_features))

    def moved(self, learner: Any) -> list[nn.Parameter]:
        raise NotImplementedError

    def more(self, learner: Any) -> None:
        c = self.config
        self.second = self.moved(learner)
        self.adams["auxiliary"] = torch.optim.Adam(
            self.second, lr=c.auxiliary_learning_rate, betas=(c.auxiliary_beta1, 0.999)
        )

    def trained(self) -> dict[str, list[Any]]:
        return super().trained() | {"auxiliary": self.second}


class PlainCURL(PlainProjected):
    """Keys from the same encoder; its own Adam moves it once more."""

    def moved(self, learner: Any) -> list[nn.Parameter]:
        self.w = nn.Parameter(learner.likeness.weight.detach().clone())
        return [self.w]

    def parts(self) -> dict[str, list[Any]]:
        return super().parts() | {"likeness": [self.w]}

    def before_polyak(self, batch: Any, draws: Any) -> dict[str, float]:
        raw, pad = batch.observations.to(self.dtype), self.config.shift_pad
        anchors = self.represent(grid_shift(raw, draws.anchor_shift, pad))
        with torch.no_grad():
            keys = self.represent(grid_shift(raw, draws.positive_shift, pad))
        loss = torch.zeros((), dtype=self.dtype)
        for i, anchor in enumerate(anchors):
            logits = torch.stack([anchor @ self.w @ key for key in keys])
            loss = loss + (torch.logsumexp(logits, 0) - logits[i]) / len(anchors)
        self.adams["auxiliary"].zero_grad()
        self.adams["encoder"].zero_grad()
        loss.backward()
        self.adams["auxiliary"].step()
        self.adams["encoder"].step()
        return {"auxiliary_loss": loss.item()}


class PlainDecoder(nn.Module):
    def __init__(self, inputs: int, channels: int, size: int) -> None:
        super().__init__()
        self.start = size // 4
        self.first = nn.Linear(inputs, 32 * self.start**2)
        self.convs = nn.ModuleList(
            [nn.Conv2d(32, 128, 3, padding=1), nn.Conv2d(128, 64, 3, padding=1), nn.Conv2d(64, channels, 3, padding=1)]
        )

    def forward(self, h: Tensor, action: Tensor) -> Tensor:
        x = F.relu(self.first(torch.cat([h, action], 1)).view(-1, 32, self.start, self.start))
        x = F.relu(nn.UpsamplingNearest2d(scale_factor=2)(self.convs[0](x)))
        x = F.relu(nn.UpsamplingNearest2d(scale_factor=2)(self.convs[1](x)))
        return self.convs[2](x)


class PlainSGQN(PlainProjected):
    """Guided backpropagation by hooks on the modules; masks pixel by pixel."""

    def moved(self, learner: Any) -> list[nn.Parameter]:
        channels, size, _ = learner.pixel_shape
        inputs = learner.encoder.representation_dim + learner.action_dim
        self.decoder = copy_into(PlainDecoder(inputs, channels, size).to(self.dtype), learner.decoder)
        return [*self.encoder.parameters(), *self.decoder.parameters()]

    def parts(self) -> dict[str, list[Any]]:
        return super().parts() | {"decoder": list(self.decoder.parameters())}

    def mask(self, obs: Tensor) -> Tensor:
        relus = [m for net in (self.encoder, self.critic.q1) for m in net.modules() if isinstance(m, nn.ReLU)]
        handles = [relu.register_full_backward_hook(lambda _m, into, _o: (into[0].clamp(min=0),)) for relu in relus]
        pixels = obs.clone().requires_grad_()
        q1, _ = self.critic(self.represent(pixels), self.batch.actions)
        gradient = torch.autograd.grad(q1.sum(), pixels)[0]
        for handle in handles:
            handle.remove()
        mask = torch.zeros_like(obs)
        for n in range(len(obs)):
            for c in range(0, obs.shape[1], 3):
                size = gradient[n, c : c + 3].abs().max(0).values
                line = size.flatten().sort().values
                place = self.config.saliency_quantile * (len(line) - 1)
                below = int(place)
                threshold = line[below] + (place - below) * (line[min(below + 1, len(line) - 1)] - line[below])
                mask[n, c : c + 3] = (size >= threshold).to(self.dtype)
        return mask

    def views(self, obs: Tensor, draws: Any) -> list[Tensor]:
        mask = self.mask(obs)
        fill = obs.min() + (obs.max() - obs.min()) * draws.fill
        return [obs, obs * mask + fill * (1 - mask)]

    def critic_loss(self, h: list[Tensor], action: Tensor, y: Tensor, draws: Any) -> Tensor:
        q1, q2 = self.critic(h[0], action)
        m1, m2 = self.critic(h[1], action)
        loss = (q1 - y).pow(2).mean() + (q2 - y).pow(2).mean()
        return loss + self.config.consistency_weight * ((q1 - m1).pow(2).mean() + (q2 - m2).pow(2).mean())

    def after_polyak(self, obs: Tensor, batch: Any, draws: Any) -> dict[str, float]:
        mask = self.mask(obs)
        seen = overlaid(obs, draws.overlay, self.config.overlay_weight)
        logits = self.decoder(self.represent(seen), batch.actions)
        loss = -(mask * F.logsigmoid(logits) + (1 - mask) * F.logsigmoid(-logits)).mean()
        self.adams["auxiliary"].zero_grad()
        loss.backward()
        self.adams["auxiliary"].step()
        return {"auxiliary_loss": loss.item()}


def turned(picture: Tensor, degrees: float) -> Tensor:
    """A padded picture (C, H, W) turned pixel by pixel, cut in the middle."""
    size, pad = picture.shape[-1], math.floor((math.sqrt(2) - 1) / 2 * picture.shape[-1])
    padded = F.pad(F.pad(picture[None], (pad,) * 4, "replicate"), (1,) * 4)[0]  # and black around it
    whole, angle = size + 2 * pad, math.radians(degrees)
    middle = (whole - 1) / 2
    out = torch.zeros_like(picture)
    for i in range(size):
        for j in range(size):
            y, x = i + pad - middle, j + pad - middle
            u = math.cos(angle) * x - math.sin(angle) * y + middle
            v = math.sin(angle) * x + math.cos(angle) * y + middle
            left, top = math.floor(u), math.floor(v)
            for dv, wv in ((0, 1 - (v - top)), (1, v - top)):
                for du, wu in ((0, 1 - (u - left)), (1, u - left)):
                    row, column = top + dv + 1, left + du + 1
                    if 0 <= row < whole + 2 and 0 <= column < whole + 2:
                        out[:, i, j] += wv * wu * padded[:, row, column]
    return out


class PlainSADA(PlainDDPG):
    """Each picture augmented by itself; a Gaussian whose density follows the change of variables."""

    def actor_of(self, learner: Any, *sizes: int) -> nn.Module:
        r, f, h, a = sizes
        return PlainActor(r, f, h, 2 * a)

    def more(self, learner: Any) -> None:
        self.log_alpha = learner.temperature.log_alpha.detach().clone().requires_grad_()
        self.adams["temperature"] = torch.optim.Adam([self.log_alpha], lr=self.config.learning_rate)

    def parts(self) -> dict[str, list[Any]]:
        return super().parts() | {"temperature": [self.log_alpha]}

    def trained(self) -> dict[str, list[Any]]:
        return super().trained() | {"temperature": [self.log_alpha]}

    def gaussian(self, h: Tensor) -> tuple[Tensor, Tensor]:
        mean, raw = self.actor.policy(self.actor.trunk(h)).chunk(2, -1)
        low, high = self.config.log_std_min, self.config.log_std_max
        return mean, (low + (high - low) * (torch.tanh(raw) + 1) / 2).exp()

    def sampled(self, h: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        mean, std = self.gaussian(h)
        raw = mean + std * noise
        density = torch.distributions.Normal(mean, std).log_prob(raw)
        action = torch.tanh(raw)
        return action, (density - torch.log(1 / torch.cosh(raw) ** 2)).sum(-1, keepdim=True)

    @torch.no_grad()
    def act(self, pixels: Tensor) -> Tensor:
        return torch.tanh(self.gaussian(self.represent(pixels.to(self.dtype)))[0])

    def augmented(self, name: str, picture: Tensor, n: int, angle: float, draws: Any) -> Tensor:
        if name in ("conv", "conv_overlay"):
            frames = F.pad(picture.reshape(-1, 3, *picture.shape[1:]) / 255, (1,) * 4, "replicate")
            picture = (torch.sigmoid(F.conv2d(frames, draws.kernels[n])) * 255).reshape(picture.shape)
        if name in ("overlay", "conv_overlay"):
            picture = overlaid(picture[None], draws.overlay[n : n + 1], self.config.overlay_weight)[0]
        if name in ("rotate", "rotate_shift"):
            picture = turned(picture, angle)
        if name in ("shift", "rotate_shift"):
            picture = grid_shift(picture[None], draws.strong_shift[n : n + 1], self.config.strong_shift_pad)[0]
        return picture

    def views(self, obs: Tensor, draws: Any) -> list[Tensor]:
        spelled = {
            "photo": ["conv", "overlay", "conv_overlay"],
            "geo": ["rotate", "shift", "rotate_shift"],
            "all": ["conv", "overlay", "conv_overlay", "rotate", "shift", "rotate_shift"],
        }
        names = [name for aug in self.config.strong_augs for name in spelled.get(aug, [aug])]
        strong = [
            self.augmented(names[c], obs[n], n, draws.angles[c], draws) for n, c in enumerate(draws.choice.tolist())
        ]
        return [obs, torch.stack(strong)]

    def next_value(self, h_next: Tensor, draws: Any, step: int) -> Tensor:
        action, log_prob = self.sampled(h_next, draws.next_noise)
        return torch.min(*self.target(h_next, action)) - self.log_alpha.exp() * log_prob

    def critic_loss(self, h: list[Tensor], action: Tensor, y: Tensor, draws: Any) -> Tensor:
        errors = [(q - y).pow(2).mean() for view in h for q in self.critic(view, action)]
        return sum(errors[1:], errors[0]) / 4

    def actor_step(self, h: list[Tensor], draws: Any, step: int) -> dict[str, float]:
        losses, entropies, n = [], [], len(h[0])
        for view, noise in zip(h, (draws.actor_noise[:n], draws.actor_noise[n:]), strict=True):
            action, log_prob = self.sampled(view, noise)
            losses.append(self.log_alpha.exp().detach() * log_prob - torch.min(*self.critic(h[0], action)))
            entropies.append(-log_prob.detach())
        loss = torch.cat(losses).mean()
        self.adams["actor"].zero_grad()
        loss.backward()
        self.adams["actor"].step()
        temperature_loss = (
            self.log_alpha.exp() * (torch.cat(entropies) + self.actor.policy[-1].out_features / 2)
        ).mean()
        self.adams["temperature"].zero_grad()
        temperature_loss.backward()
        self.adams["temperature"].step()
        return {"actor_loss": loss.item(), "temperature_loss": temperature_loss.item()}
