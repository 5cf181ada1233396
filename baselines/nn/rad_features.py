"""A trained RAD policy's encoder, frozen: a stack of pictures to one vector."""

from __future__ import annotations

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from harness.assets.found import FoundAsset
from harness.baselines.nn.augment import centre_crop
from harness.baselines.nn.cnn import PixelEncoder
from harness.baselines.nn.heads import Trunk
from harness.baselines.nn.rad_files import read_form


class RadFeatures(nn.Module):
    """The middle of the pictures, RAD's convolutions, its actor's projection with LayerNorm and tanh.

    Args:
      found: the file, as `harness encoder take` writes it.
    Raises:
      CorruptAssetError: if it is another.
    """

    mean: Tensor

    def __init__(self, found: FoundAsset) -> None:
        super().__init__()
        self.form = form = read_form(found.files[0])
        self.channels, self.dim = form.pixels[0], form.feature_dim
        side = form.crop_size or form.pixels[1]
        layers = (form.num_shared_layers, form.num_head_layers)
        self.encoder = PixelEncoder(self.channels, side, *layers, form.num_filters)
        self.trunk = Trunk(self.encoder.representation_dim, self.dim)
        tensors = load_file(found.files[0])
        self.load_state_dict({name.removeprefix("actor."): tensor for name, tensor in tensors.items()})
        self.requires_grad_(False).eval()
        self.register_buffer("mean", torch.zeros(()), persistent=False)  # is where the parameters are

    @torch.no_grad()
    def forward(self, pixels: Tensor) -> Tensor:
        """uint8 (N, 3 * k, H, W) to (N, dim), values in (-1, 1)."""
        return self.trunk(self.encoder(self._scaled(pixels)))

    @torch.no_grad()
    def maps(self, pixels: Tensor) -> Tensor:
        """What the convolutions make of them: (N, filters, h, w)."""
        return self.encoder.maps(self._scaled(pixels))

    def _scaled(self, pixels: Tensor) -> Tensor:
        size = self.form.crop_size or pixels.shape[-1]
        return centre_crop(pixels, size).to(self.mean.dtype, memory_format=torch.channels_last) / 255.0
