"""The variational autoencoder that RRL(VAE) takes its features from, and the loss it is trained with.

Shah & Kumar 2021, section 7.7, name AntixK/PyTorch-VAE's plain model; its sizes are those of the authors' copy
(ShahRutav/pytorch_sac models/vanilla_vae.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SIZE = 64  # pixels a side, what every picture is resized to
WIDTHS = (32, 64, 128, 256, 512)
LATENT_DIM = 512
KL_WEIGHT = 2.5e-4  # AntixK/PyTorch-VAE configs/vae.yaml; RRL's is not stated


def resized(pictures: Tensor) -> Tensor:
    """Square pictures, (N, 3, S, S), values in 0..1, to (N, 3, 64, 64), smoothed where they shrink."""
    if pictures.shape[-1] == SIZE:
        return pictures
    return F.interpolate(pictures, (SIZE, SIZE), mode="bilinear", align_corners=False, antialias=True)


class VaeEncoder(nn.Module):
    """Five convolutions of stride 2 with BatchNorm and LeakyReLU, and the mean of the latent Gaussian.

    What is used as features is this mean; the authors' `get_features` draws from the Gaussian instead, which would make
    a feature depend on more than its picture.
    """

    def __init__(self, widths: Sequence[int] = WIDTHS, latent_dim: int = LATENT_DIM) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in zip((3, *widths), widths, strict=False):
            layers += [nn.Conv2d(inputs, outputs, 3, 2, 1), nn.BatchNorm2d(outputs), nn.LeakyReLU()]
        self.layers = nn.Sequential(*layers, nn.Flatten())
        self.mean = nn.Linear(widths[-1] * (SIZE >> len(widths)) ** 2, latent_dim)

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, 3, S, S), values in 0..1, to (N, latent_dim)."""
        return self.mean(self.layers(resized(pictures)))


class Vae(nn.Module):
    """The encoder, the log-variance beside its mean, and a decoder that mirrors it and ends in tanh."""

    def __init__(self, widths: Sequence[int] = WIDTHS, latent_dim: int = LATENT_DIM) -> None:
        super().__init__()
        self.encoder = VaeEncoder(widths, latent_dim)
        self._inner = (widths[-1], SIZE >> len(widths), SIZE >> len(widths))
        self.log_variance = nn.Linear(self.encoder.mean.in_features, latent_dim)
        self.unfolded = nn.Linear(latent_dim, self.encoder.mean.in_features)
        layers: list[nn.Module] = []
        backwards = [*reversed(widths), widths[0]]
        for inputs, outputs in pairwise(backwards):
            layers += [nn.ConvTranspose2d(inputs, outputs, 3, 2, 1, 1), nn.BatchNorm2d(outputs), nn.LeakyReLU()]
        self.decoder = nn.Sequential(*layers, nn.Conv2d(widths[0], 3, 3, 1, 1), nn.Tanh())

    def forward(self, pictures: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Pictures (N, 3, 64, 64) in 0..1 and standard normal noise (N, L) to reconstruction, mean, log-variance."""
        seen = self.encoder.layers(pictures)
        mean, log_variance = self.encoder.mean(seen), self.log_variance(seen)
        latent = mean + noise * (0.5 * log_variance).exp()
        return self.decoder(self.unfolded(latent).unflatten(1, self._inner)), mean, log_variance


def vae_loss(pictures: Tensor, made: tuple[Tensor, Tensor, Tensor]) -> dict[str, Tensor]:
    """Mean squared error per number of the picture, plus `KL_WEIGHT` times the KL divergence per picture.

    Args:
      pictures: (N, 3, 64, 64), values in 0..1.
      made: as `Vae` makes it of them.
    Returns:
      `loss`, and its parts `reconstruction` and `divergence` (nats), scalars.
    """
    reconstruction, mean, log_variance = made
    error = F.mse_loss(reconstruction, pictures)
    divergence = 0.5 * (mean.square() + log_variance.exp() - log_variance - 1.0).sum(1).mean()
    return {"loss": error + KL_WEIGHT * divergence, "reconstruction": error, "divergence": divergence}


def make_vae(generator: torch.Generator, widths: Sequence[int] = WIDTHS, latent_dim: int = LATENT_DIM) -> Vae:
    """A new one; convolutions and Linear layers start as torch's own, drawn from a generator of ours."""
    vae = Vae(widths, latent_dim)
    for part in vae.modules():
        if isinstance(part, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            bound = part.weight[0].numel() ** -0.5
            for parameter in part.parameters():
                nn.init.uniform_(parameter, -bound, bound, generator=generator)
    return vae
