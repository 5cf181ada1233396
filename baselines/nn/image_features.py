"""Frozen networks that turn one picture into one vector: RRL's encoders."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from harness.assets.encoder_files import is_encoder_file
from harness.baselines.nn.mobilenet import MobileNetV2, ShuffleNetV2
from harness.baselines.nn.outside_encoder import make_outside, shape_of_one
from harness.baselines.nn.resnet import ResNet, group_statistics, initialise_randomly, load_weights, read_state
from harness.baselines.nn.vae import LATENT_DIM, VaeEncoder
from harness.errors import CorruptAssetError, UsageError

if TYPE_CHECKING:
    from harness.assets.store import FoundAsset

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CROP_NUMERATOR, CROP_DENOMINATOR = 7, 8  # 256 to 224, as torchvision's ImageNet transform


@dataclass(frozen=True)
class Architecture:
    """How a network is built and what it wants; mean and standard deviation are of values in 0..1."""

    make: Callable[[], nn.Module]
    dim: int
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD


# By the name of the asset that holds the weights.
ARCHITECTURES = {
    "resnet18_full": Architecture(lambda: ResNet(18), 512),
    "resnet18_killthebits": Architecture(lambda: ResNet(18), 512),
    "resnet34": Architecture(lambda: ResNet(34), 512),
    "resnet50": Architecture(lambda: ResNet(50), 2048),
    "mobilenetv2": Architecture(MobileNetV2, 1280),
    "mobilenetv2_tf": Architecture(lambda: MobileNetV2(tensorflow_padding=True), 1280, (0.5,) * 3, (0.5,) * 3),
    "shufflenetv2": Architecture(ShuffleNetV2, 1024),
}


# A trained VAE's takes whole pictures, not normalised: ShahRutav/pytorch_sac models/vanilla_vae.py.
VAE = Architecture(VaeEncoder, LATENT_DIM, (0.0,) * 3, (1.0,) * 3)


def outside(name: str, image_size: int) -> Architecture:
    """A network of the user's own: `package.module:callable`."""
    network = make_outside(name).requires_grad_(False).eval()
    shape = shape_of_one(name, network, cropped(image_size))
    if len(shape) not in (2, 4):
        raise UsageError(f"Encoder '{name}' makes {tuple(shape)} of one picture, neither (1, D) nor (1, D, h, w).")
    return Architecture(lambda: network, shape[1], (0.0,) * 3, (1.0,) * 3)


def cropped(size: int) -> int:
    """Height and width of the inner part that is looked at, pixels."""
    return size * CROP_NUMERATOR // CROP_DENOMINATOR


class ImageFeatures(nn.Module):
    """Centre crop, normalisation, a frozen network in evaluation mode, the mean over the picture.

    Args:
      name: one of `ARCHITECTURES`, a trained VAE (see `harness.assets.encoder_files`; it sees the whole picture), or
        `package.module:callable`, which makes a network from float32 (N, 3, S, S), RGB
        in 0..1 and not normalised, to (N, D) or (N, D, h, w).
      frame_statistics: whether a ResNet takes the statistics of each picture instead of the stored ones.
      image_size: height and width of the pictures before the crop, pixels, which a network from outside is tried on.
    Raises:
      UsageError: if there is no such network, or it makes something else of a picture.
    """

    channels = 3  # of what is looked at at once
    mean: Tensor
    std: Tensor

    def __init__(self, name: str, frame_statistics: bool = False, image_size: int = 256) -> None:
        super().__init__()
        self._frame_statistics, self.is_outside = frame_statistics, ":" in name
        self._whole = is_encoder_file(name)
        own = VAE if self._whole else ARCHITECTURES.get(name)
        architecture = own or outside(name, image_size)
        self.dim = architecture.dim
        self.network = architecture.make().requires_grad_(False).eval()
        if not self.is_outside:
            self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        for key, values in (("mean", architecture.mean), ("std", architecture.std)):
            self.register_buffer(key, torch.tensor(values)[:, None, None], persistent=False)

    def load(self, found: FoundAsset) -> None:
        """Reads the weights of an asset; a stand-in's are drawn at random, the same everywhere.

        Raises:
          CorruptAssetError: if the file is not of this network.
        """
        if found.stand_in:
            initialise_randomly(self.network, zlib.crc32(found.identity.encode()))
        elif self._whole:
            self.network.load_state_dict(load_file(found.files[0]))
        elif isinstance(self.network, ResNet):
            load_weights(self.network, found.files[0])
        else:
            self._load_all(found)

    def _load_all(self, found: FoundAsset) -> None:
        state, needed = read_state(found.files[0]), self.network.state_dict()
        odd = [name for name, tensor in needed.items() if name not in state or state[name].shape != tensor.shape]
        odd = [name for name in odd if not name.endswith("num_batches_tracked")]
        if odd:
            raise CorruptAssetError(f"{found.files[0].name} does not fit: {odd[0]} is absent or of another shape.")
        self.network.load_state_dict({name: state.get(name, tensor) for name, tensor in needed.items()})

    @torch.no_grad()
    def forward(self, pictures: Tensor) -> Tensor:
        """uint8 (N, 3, H, W) to (N, dim), float32 as the network is."""
        features = self._features(pictures)
        return features.mean((2, 3)) if features.ndim == 4 else features

    @torch.no_grad()
    def maps(self, pictures: Tensor) -> Tensor:
        """The same before the mean: (N, dim, h, w), or (N, dim, 1, 1) of a network that takes it itself."""
        features = self._features(pictures)
        return features if features.ndim == 4 else features[..., None, None]

    def _features(self, pictures: Tensor) -> Tensor:
        size = pictures.shape[-1]
        crop = size if self._whole else cropped(size)
        first = (size - crop) // 2
        inner = pictures[..., first : first + crop, first : first + crop].to(self.mean.dtype) / 255.0
        normalised = ((inner - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        statistics = (group_statistics(len(pictures)),) if self._frame_statistics else ()
        features: Tensor = self.network(normalised, *statistics)
        return features
