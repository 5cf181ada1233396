"""TLDA's update written once more, one spot after the other, to compare the learner with."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor
from torch.nn import functional as F

from tests.baselines.plain_sac import PlainSAC


def spots(size: int, spacing: int, sigma: float) -> list[np.ndarray]:
    found = []
    for i in range(0, size, spacing):
        for j in range(0, size, spacing):
            y, x = np.ogrid[-i : size - i, -j : size - j]
            mask = np.zeros((size, size))
            mask[x * x + y * y <= 1] = 1
            mask = gaussian_filter(mask, sigma=sigma)
            found.append(mask / mask.max())
    return found


def blur(pixels: Tensor, kernel: int, sigma: float) -> Tensor:
    ticks = torch.arange(kernel, dtype=pixels.dtype) - (kernel - 1) / 2
    weights = torch.exp(-(ticks[:, None] ** 2 + ticks[None] ** 2) / (2 * sigma**2))
    weights = (weights / weights.sum()).expand(pixels.shape[1], 1, kernel, kernel)
    return F.conv2d(pixels, weights, padding=kernel // 2, groups=pixels.shape[1])


class PlainTLDA(PlainSAC):
    """Two losses; which pixels are kept is decided with one pass of the policy per spot."""

    def raw(self, pixels: Tensor) -> Tensor:
        return self.actor_mlp(self.actor_trunk(self.convolve(pixels)))

    @torch.no_grad()
    def keep(self, obs: Tensor) -> Tensor:
        c, size = self.config, obs.shape[-1]
        masks = spots(size, c.mask_spacing, c.mask_sigma)
        dark, clear = blur(obs, c.blur_kernel, c.blur_sigma), self.raw(obs)
        scores = []
        for mask in (torch.from_numpy(mask).to(obs.dtype) for mask in masks):
            scores.append(0.5 * ((clear - self.raw(obs * (1 - mask) + dark * mask)) ** 2).sum(1))
        side = int(len(masks) ** 0.5)
        grid = torch.stack(scores, 1).view(len(obs), 1, side, side)
        big = F.interpolate(grid, size=(size, size), mode="bilinear", align_corners=False)
        return torch.stack([m > m.mean() for m in big])

    def critic_loss(self, obs: Tensor, action: Tensor, y: Tensor, draws: Any) -> Tensor:
        frames = F.pad(obs.reshape(-1, 3, *obs.shape[2:]) / 255, (1, 1, 1, 1), "replicate")
        strong = (torch.sigmoid(F.conv2d(frames, draws.kernel)) * 255).view(obs.shape)
        keep = self.keep(obs).to(obs.dtype)
        mixed = obs * keep + strong * (1 - keep)
        if self.config.loss_lambda == 1:
            return self.clean_loss(torch.cat([obs, mixed]), torch.cat([action, action]), torch.cat([y, y]))
        return self.clean_loss(obs, action, y) + self.config.loss_lambda * self.clean_loss(mixed, action, y)
