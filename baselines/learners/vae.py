"""Training RRL(VAE)'s encoder on pictures in files; see baselines/nn/vae.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from harness.baselines.nn.vae import LATENT_DIM, WIDTHS, make_vae, resized, vae_loss
from harness.files import disk_errors, write_bytes

LEARNING_RATE, DECAY, BATCH_SIZE = 5e-3, 0.95, 64  # AntixK/PyTorch-VAE configs/vae.yaml, decay per epoch
CHECKPOINT = "epoch{:04d}.safetensors"


@dataclass(frozen=True)
class Sizes:
    """Of the network; tests have smaller ones."""

    widths: tuple[int, ...] = WIDTHS
    latent_dim: int = LATENT_DIM


def shrink(pictures: np.ndarray) -> np.ndarray:
    """uint8 (N, 3, S, S) to uint8 (N, 3, 64, 64)."""
    small = resized(torch.from_numpy(pictures).float() / 255.0)
    return (small * 255.0).round().clamp(0, 255).byte().numpy()


class VaeTraining:
    """Epochs over pictures in files; what one does depends on the seed, its number, and what came before.

    Args:
      files: `.npy`, uint8 (N, 3, 64, 64) each.
      folder: where an epoch's end is kept, so that the next command goes on there.
      seed: of parameters, order and noise.
      sizes: of the network.
    """

    def __init__(self, files: Sequence[Path], folder: Path, seed: int, sizes: Sizes | None = None) -> None:
        self._parts = [np.load(path, mmap_mode="r", allow_pickle=False) for path in files]
        self._starts = np.cumsum([0, *map(len, self._parts)])
        self._folder, self._seed, sizes = folder, seed, sizes or Sizes()
        self.latent_dim = sizes.latent_dim
        self.vae = make_vae(torch.Generator().manual_seed(seed), sizes.widths, sizes.latent_dim)
        self.optimizer = torch.optim.Adam(self.vae.parameters(), lr=LEARNING_RATE)

    @property
    def num_pictures(self) -> int:
        return int(self._starts[-1])

    def train(self, num_epochs: int, tell: Callable[[int, Mapping[str, float]], None]) -> None:
        """Trains for what is left of some epochs; `tell` is called with each one's number and mean losses."""
        for epoch in range(self._resume(num_epochs), num_epochs):
            losses = self._train_epoch(epoch)
            self._keep(epoch + 1)
            tell(epoch + 1, losses)

    def encoder_bytes(self) -> bytes:
        """The trained encoder as a safetensors file, equal for equal parameters."""
        return save({name: tensor.contiguous() for name, tensor in self.vae.encoder.state_dict().items()})

    def _train_epoch(self, epoch: int) -> dict[str, float]:
        for group in self.optimizer.param_groups:
            group["lr"] = LEARNING_RATE * DECAY**epoch
        rng = np.random.default_rng((self._seed, epoch))
        order = rng.permutation(self.num_pictures)
        batches = np.array_split(
            order, -(-len(order) // BATCH_SIZE)
        )  # as even as can be: BatchNorm takes no single one
        losses = [self._update(self._pictures(batch), rng) for batch in batches]
        return {name: float(np.mean([each[name] for each in losses])) for name in losses[0]}

    def _update(self, pictures: Tensor, rng: np.random.Generator) -> dict[str, float]:
        noise = torch.from_numpy(rng.standard_normal((len(pictures), self.latent_dim), dtype=np.float32))
        self.vae.train()
        losses = vae_loss(pictures, self.vae(pictures, noise))
        self.optimizer.zero_grad(set_to_none=True)
        losses["loss"].backward()
        self.optimizer.step()
        return {name: float(value.detach()) for name, value in losses.items()}

    def _pictures(self, indices: np.ndarray) -> Tensor:
        parts = np.searchsorted(self._starts, indices, side="right") - 1
        found = [self._parts[part][index - self._starts[part]] for part, index in zip(parts, indices, strict=True)]
        return torch.from_numpy(np.stack(found)).float() / 255.0

    def _keep(self, epoch: int) -> None:
        tensors = {f"vae.{name}": tensor for name, tensor in self.vae.state_dict().items()}
        for number, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"adam.{number}.{name}": tensor for name, tensor in state.items()}
        path = self._folder / CHECKPOINT.format(epoch)
        with disk_errors(str(path)):
            write_bytes(path, save({name: tensor.contiguous() for name, tensor in tensors.items()}))
        (self._folder / CHECKPOINT.format(epoch - 1)).unlink(missing_ok=True)

    def _resume(self, num_epochs: int) -> int:
        """Reads the newest epoch that was kept; its number."""
        for epoch in range(num_epochs, 0, -1):
            try:
                tensors = load_file(self._folder / CHECKPOINT.format(epoch))
            except (FileNotFoundError, SafetensorError):
                continue
            self.vae.load_state_dict({key[4:]: value for key, value in tensors.items() if key.startswith("vae.")})
            self.optimizer.load_state_dict(self._adam_state(tensors))
            return epoch
        return 0

    def _adam_state(self, tensors: Mapping[str, Tensor]) -> dict[str, object]:
        state: dict[int, dict[str, Tensor]] = {}
        for key, tensor in tensors.items():
            if key.startswith("adam."):
                _, number, name = key.split(".")
                state.setdefault(int(number), {})[name] = tensor
        return {**self.optimizer.state_dict(), "state": state}
