"""The convolutions of the SAC family.

As in nicklashansen/dmcontrol-generalization-benchmark src/algorithms/modules.py (`SharedCNN`, `HeadCNN`).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from harness.baselines.nn.encoders import Encoder
from harness.baselines.nn.shapes import side_after

Activation = Callable[[Tensor], Tensor]


class Convolutions(nn.Module):
    """3x3 convolutions without padding, a ReLU before each but the first; none follows the last.

    Args:
      channels: of the input.
      num_layers: how many; may be 0.
      num_filters: channels of the output.
      stride: of the first.
    """

    def __init__(self, channels: int, num_layers: int, num_filters: int, stride: int) -> None:
        super().__init__()
        inputs = [channels, *[num_filters] * (num_layers - 1)][:num_layers]
        strides = [stride, *[1] * (num_layers - 1)]
        self.convs = nn.ModuleList(
            nn.Conv2d(size, num_filters, 3, step) for size, step in zip(inputs, strides, strict=False)
        )

    def forward(self, x: Tensor, relu: Activation = torch.relu_) -> Tensor:
        for index, conv in enumerate(self.convs):
            x = conv(relu(x) if index else x)
        return x


class PixelEncoder(Encoder):
    """Convolutions that several networks share, perhaps more behind them, flattened.

    Between the shared ones and those behind stands a ReLU; the last convolution's output goes on without.

    Args:
      channels: 3 * frame_stack.
      image_size: height and width, pixels.
      num_shared_layers: convolutions, the first with stride 2.
      num_head_layers: convolutions behind them.
      num_filters: channels of each.
    Raises:
      ValueError: if nothing is left of pictures so small.
    """

    def __init__(
        self,
        channels: int,
        image_size: int,
        num_shared_layers: int = 11,
        num_head_layers: int = 0,
        num_filters: int = 32,
    ) -> None:
        super().__init__()
        num_layers = num_shared_layers + num_head_layers
        side = side_after(num_layers, image_size)
        if side < 1:
            raise ValueError(
                f"{num_layers} convolutions leave nothing of pictures of {image_size} x {image_size} pixels."
            )
        self.shared = Convolutions(channels, num_shared_layers, num_filters, stride=2)
        self.head = Convolutions(num_filters, num_head_layers, num_filters, stride=1)
        self.representation_dim = num_filters * side * side

    def forward(self, pixels: Tensor, relu: Activation = torch.relu_) -> Tensor:
        """(N, C, H, W), values in 0..1, to (N, R)."""
        return self.flatten(self.shared(pixels, relu), relu)

    def flatten(self, features: Tensor, relu: Activation = torch.relu_) -> Tensor:
        """What comes behind the shared convolutions: (N, F, h, w) to (N, R)."""
        return self._behind(features, relu).flatten(1)

    def maps(self, pixels: Tensor) -> Tensor:
        return self._behind(self.shared(pixels), torch.relu_)

    def _behind(self, features: Tensor, relu: Activation) -> Tensor:
        return self.head(relu(features), relu) if len(self.head.convs) else features
