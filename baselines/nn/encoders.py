"""Encoders of the DDPG family: pixels in 0..1, less one half, to one vector per observation."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from harness.baselines.nn.resnet import Normalise, ResNet18, running_statistics


class Encoder(nn.Module):
    """Gives a vector of `representation_dim` numbers per observation."""

    representation_dim: int

    def maps(self, pixels: Tensor) -> Tensor:
        """Features where they lie, (N, C, h, w), of what `forward` takes; those without a place are (N, R, 1, 1)."""
        return self(pixels)[..., None, None]


class ConvEncoder(Encoder):
    """DrQ-v2's four 3x3 convolutions, the first with stride 2, a ReLU after each, flattened.

    Args:
      channels: 3 * frame_stack.
      image_size: height and width, pixels.
    Raises:
      ValueError: if nothing is left of pictures so small.
    """

    def __init__(self, channels: int, image_size: int) -> None:
        layers: list[nn.Module] = []
        for index in range(4):
            layers += [nn.Conv2d(channels if index == 0 else 32, 32, 3, 2 if index == 0 else 1), nn.ReLU()]
        super().__init__()
        self.layers = nn.Sequential(*layers, nn.Flatten())
        side = (image_size - 3) // 2 + 1 - 3 * 2
        if side < 1:
            raise ValueError(f"Four convolutions leave nothing of pictures of {image_size} x {image_size} pixels.")
        self.representation_dim = 32 * side * side

    def forward(self, pixels: Tensor) -> Tensor:
        return self.layers(pixels)

    def maps(self, pixels: Tensor) -> Tensor:
        return self.layers[:-1](pixels)


class ProjectedConvEncoder(ConvEncoder):
    """The same with a Linear behind: gemcollector/RL-ViGen algos/curl.py and sgqn.py.

    Args:
      channels, image_size: as of `ConvEncoder`.
      representation_dim: width of the Linear.
    """

    def __init__(self, channels: int, image_size: int, representation_dim: int) -> None:
        super().__init__(channels, image_size)
        self.projection = nn.Linear(self.representation_dim, representation_dim)
        self.representation_dim = representation_dim

    def forward(self, pixels: Tensor, relu: Callable[[Tensor], Tensor] = torch.relu) -> Tensor:
        for layer in self.layers:
            pixels = relu(pixels) if isinstance(layer, nn.ReLU) else layer(pixels)
        return self.projection(pixels)


class FrozenResNetEncoder(Encoder):
    """PIE-G's encoder: a frozen ResNet per frame, differences of neighbouring frames, a trained projection.

    With f_0 .. f_{k-1} the features of the stacked frames, oldest first, the fused features are the channels of
    [f_1, .., f_{k-1}, f_1 - f_0, .., f_{k-1} - f_{k-2}]; k = 3 gives gemcollector/PIE-G's [f1, f2, f1-f0, f2-f1].
    The projection has a LayerNorm and no nonlinearity.

    Args:
      backbone: the network that is not trained; its BatchNorm buffers may move all the same.
      frame_stack: number of frames k, at least 2.
      image_size: height and width, pixels.
      representation_dim: width of the projection.
      frozen_dtype: lower precision for the frozen convolutions, by autocast; None computes them as they are.
    """

    def __init__(
        self,
        backbone: ResNet18,
        frame_stack: int,
        image_size: int,
        representation_dim: int = 1024,
        frozen_dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self._frozen_dtype = frozen_dtype
        self.backbone = backbone.requires_grad_(False)
        self.backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.frame_stack = frame_stack
        self.representation_dim = representation_dim
        side = backbone.output_size(image_size)
        fused_dim = 2 * (frame_stack - 1) * backbone.out_channels * side * side
        self.projection = nn.Sequential(nn.Linear(fused_dim, representation_dim), nn.LayerNorm(representation_dim))

    @torch.no_grad()
    def fused_features(self, pixels: Tensor, normalise: Normalise = running_statistics) -> Tensor:
        """What the projection sees: (N, 3 * k, H, W), values in -0.5..0.5, to (N, D).

        Plain tensors come back (`no_grad`, not `inference_mode`), because the projection's backward pass keeps them.
        """
        frames = pixels.unflatten(1, (self.frame_stack, 3)).flatten(0, 1)
        features = self.frame_features(frames, normalise)
        features = features.unflatten(0, (-1, self.frame_stack))
        n, k, c, h, w = features.shape
        fused = features.new_empty(n, 2 * (k - 1), c, h, w)
        fused[:, : k - 1] = features[:, 1:]
        torch.sub(features[:, 1:], features[:, :-1], out=fused[:, k - 1 :])
        return fused.flatten(1)

    @torch.no_grad()
    def frame_features(self, frames: Tensor, normalise: Normalise = running_statistics) -> Tensor:
        """The frozen network's: (N, 3, H, W), values in -0.5..0.5, to (N, C, h, w)."""
        with torch.autocast(frames.device.type, self._frozen_dtype, enabled=self._frozen_dtype is not None):
            features = self.backbone(frames.contiguous(memory_format=torch.channels_last), normalise)
        return features.to(frames.dtype)

    def forward(self, pixels: Tensor, normalise: Normalise = running_statistics) -> Tensor:
        return self.projection(self.fused_features(pixels, normalise))

    def maps(self, pixels: Tensor, normalise: Normalise = running_statistics) -> Tensor:
        """What the frozen network makes of each frame, before differences and projection: (N, k * C, h, w)."""
        frames = pixels.unflatten(1, (self.frame_stack, 3)).flatten(0, 1)
        return self.frame_features(frames, normalise).unflatten(0, (-1, self.frame_stack)).flatten(1, 2)
