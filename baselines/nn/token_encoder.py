"""Frozen networks that make tokens of single pictures, and a memory of the pictures just seen."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.baselines.nn import resnet, vit
from harness.baselines.nn.encoders import Encoder
from harness.baselines.nn.image_features import IMAGENET_MEAN, IMAGENET_STD
from harness.baselines.nn.outside_encoder import make_outside, shape_of_one
from harness.baselines.nn.token_specs import RESIZED, TokenSpec
from harness.errors import AgentError

if TYPE_CHECKING:
    from harness.assets.found import FoundAsset

BILINEAR = ("mae",)  # encoders whose published preprocessing resizes bilinearly; the others' is bicubic


class TokenEncoder(Encoder):
    """What stands for an observation is what the network makes of each of its pictures, oldest first.

    The network is frozen: evaluation mode, no gradient. An observation's pictures are those of `frame_stack` moments,
    each of one or more cameras.

    Args:
      spec: which network, and what is taken from it.
      network: it; for an encoder from outside any module from (N, 3, S, S), RGB in 0..1, to (N, ...).
      num_pictures: in an observation, cameras times stacked frames.
      image_size: height and width of a picture, pixels.
      frozen_dtype: lower precision for the network, by autocast; None computes as it is.
    Raises:
      ValueError: if the pictures are too small.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        spec: TokenSpec,
        network: nn.Module,
        num_pictures: int,
        image_size: int,
        frozen_dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if image_size < spec.min_image_size:
            raise ValueError(f"Pictures of {image_size} pixels are smaller than the {spec.min_image_size} it needs.")
        self.spec, self._frozen_dtype = spec, frozen_dtype
        self.network = network.requires_grad_(False).eval()
        for name, values in (("mean", IMAGENET_MEAN), ("std", IMAGENET_STD)):
            self.register_buffer(name, torch.tensor(values)[:, None, None], persistent=False)
        self.token_dim = spec.num_tokens(image_size) or self._try(image_size)
        self.representation_dim = num_pictures * self.token_dim

    def train(self, mode: bool = True) -> TokenEncoder:
        """Stays in evaluation mode whatever is asked."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, pictures: Tensor) -> Tensor:
        """uint8 (N, 3, H, W) to (N, token_dim)."""
        return self.maps(pictures).flatten(1)

    @torch.no_grad()
    def maps(self, pictures: Tensor) -> Tensor:
        """The same where they lie: (N, 3, H, W) to (N, C, h, w); tokens without a place are (N, C, 1, 1)."""
        shown = self._shown(pictures)
        with torch.autocast(shown.device.type, self._frozen_dtype, enabled=self._frozen_dtype is not None):
            made = self.network(shown)
        made = made.to(shown.dtype)
        if self.spec.is_resnet:
            return F.adaptive_avg_pool2d(made, self.spec.pool) if self.spec.pool else made
        if self.spec.vit:
            kept = 1 + (self.spec.vit.registers if self.spec.registers else 0)
            return made[:, :kept].flatten(1)[..., None, None]
        return made if made.ndim == 4 else made.flatten(1)[..., None, None]

    def _shown(self, pictures: Tensor) -> Tensor:
        """What the network sees of uint8 pictures: floats of its own type, resized and normalised."""
        x = pictures.to(self.mean.dtype) / 255.0
        if self.spec.resize != "native":
            mode = "bilinear" if self.spec.encoder in BILINEAR else "bicubic"
            x = F.interpolate(x, size=(RESIZED, RESIZED), mode=mode, antialias=True).clamp_(0.0, 1.0)
        if self.spec.is_outside:  # normalises by itself
            return x
        return ((x - self.mean) / self.std).contiguous(memory_format=torch.channels_last)

    def _try(self, image_size: int) -> int:
        """Numbers that a network from outside makes of a picture."""
        return shape_of_one(self.spec.encoder, self.network, self.spec.seen(image_size)).numel()


def make_network(spec: TokenSpec) -> nn.Module:
    """The network as it is before any weights are read; one from outside is complete."""
    if spec.is_resnet:
        return resnet.ResNet18(spec.layer).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if spec.vit:
        return vit.VisionTransformer(spec.vit)
    return make_outside(spec.encoder)


def load_weights(network: nn.Module, found: FoundAsset) -> None:
    """Reads the weights of an asset; a stand-in's are drawn at random, the same everywhere.

    Raises:
      MissingAssetError: if the file ends before the layer that is asked for.
      CorruptAssetError: if it is of another network.
    """
    seed = zlib.crc32(found.identity.encode())
    if isinstance(network, vit.VisionTransformer):
        vit.initialise_randomly(network, seed) if found.stand_in else vit.load_weights(network, found.files[0])
    elif isinstance(network, resnet.ResNet):
        resnet.initialise_randomly(network, seed) if found.stand_in else resnet.load_weights(network, found.files[0])


class TokenMemory:
    """Tokens of the pictures seen last, so that each goes through the network once.

    All cameras of a moment go through together and moments one at a time, so that tokens never depend on what else is
    looked at.

    Args:
      encoder: what makes tokens.
      num_moments: stacked in an observation.
      dtype: of the tokens, float32 or float16.
    """

    def __init__(self, encoder: TokenEncoder, num_moments: int, dtype: np.dtype[np.floating]) -> None:
        self.encoder, self._num_moments, self._dtype = encoder, num_moments, dtype
        self._seen: list[tuple[np.ndarray, np.ndarray]] = []

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """uint8 (B, 3 * cameras * k, H, W) to the tokens of each observation, (B, D * k), oldest first."""
        moments = pixels.reshape(len(pixels) * self._num_moments, -1, *pixels.shape[2:])
        found: list[tuple[np.ndarray, np.ndarray]] = []
        for moment in moments:
            found.append(self._recall(moment, found) or (moment.copy(), self._encode(moment)))
        self._seen = found
        return np.stack([tokens for _, tokens in found]).reshape(len(pixels), -1)

    def forget(self) -> None:
        """Drops what is kept, as where the network has become another."""
        self._seen = []

    def _recall(
        self, moment: np.ndarray, found: list[tuple[np.ndarray, np.ndarray]]
    ) -> tuple[np.ndarray, np.ndarray] | None:
        return next((known for known in (*found, *self._seen) if np.array_equal(known[0], moment)), None)

    def _encode(self, moment: np.ndarray) -> np.ndarray:
        """One moment's pictures, (3 * cameras, H, W), to (D,)."""
        pictures = torch.from_numpy(np.ascontiguousarray(moment)).unflatten(0, (-1, 3))
        tokens: np.ndarray = self.encoder(pictures.to(self.encoder.mean.device)).flatten().cpu().numpy()
        with np.errstate(over="ignore"):
            tokens = tokens.astype(self._dtype)
        if not np.isfinite(tokens).all():
            raise AgentError(f"The encoder {self.encoder.spec.encoder} made tokens that {self._dtype} cannot hold.")
        return tokens
