"""MobileNetV2 and ShuffleNetV2 x1.0 without their classifiers, with torchvision's parameter names, for evaluation only.

Sandler et al. 2018 (arXiv 1801.04381), Ma et al. 2018 (arXiv 1807.11164); layouts of pytorch/vision.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# expansion, channels, repeats, stride of the first
MOBILENET_LAYERS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
SHUFFLENET_STAGES = ((116, 4), (232, 8), (464, 4))  # channels, units


class PaddedConv(nn.Conv2d):
    """A 3x3 convolution of stride 2 that pads as TensorFlow's SAME: at the end, of odd sizes at the start as well."""

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        return self._conv_forward(F.pad(x, (width % 2, 1, height % 2, 1)), self.weight, self.bias)


def _norm_act(conv: nn.Conv2d, act: nn.Module | None) -> list[nn.Module]:
    return [conv, nn.BatchNorm2d(conv.out_channels), *([act] if act else [])]


class InvertedResidual(nn.Module):
    """1x1 expansion, 3x3 depthwise, 1x1 projection, beside a shortcut where shapes allow."""

    def __init__(self, inside: int, outside: int, stride: int, expansion: int, padded: bool) -> None:
        super().__init__()
        hidden = inside * expansion
        layers: list[nn.Module] = []
        if expansion != 1:
            layers.append(nn.Sequential(*_norm_act(nn.Conv2d(inside, hidden, 1, bias=False), nn.ReLU6())))
        kind, padding = (PaddedConv, 0) if padded and stride == 2 else (nn.Conv2d, 1)
        depthwise = kind(hidden, hidden, 3, stride, padding, groups=hidden, bias=False)
        layers.append(nn.Sequential(*_norm_act(depthwise, nn.ReLU6())))
        layers += _norm_act(nn.Conv2d(hidden, outside, 1, bias=False), None)
        self.conv = nn.Sequential(*layers)
        self.shortcut = stride == 1 and inside == outside

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x)
        return x + out if self.shortcut else out


class MobileNetV2(nn.Module):
    """(N, 3, H, W) to (N, 1280), averaged over the picture.

    Args:
      tensorflow_padding: pads convolutions of stride 2 as TensorFlow's weights want it.
    """

    out_channels = 1280

    def __init__(self, tensorflow_padding: bool = False) -> None:
        super().__init__()
        kind, padding = (PaddedConv, 0) if tensorflow_padding else (nn.Conv2d, 1)
        layers: list[nn.Module] = [nn.Sequential(*_norm_act(kind(3, 32, 3, 2, padding, bias=False), nn.ReLU6()))]
        inside = 32
        for expansion, channels, repeats, stride in MOBILENET_LAYERS:
            for number in range(repeats):
                first = stride if number == 0 else 1
                layers.append(InvertedResidual(inside, channels, first, expansion, tensorflow_padding))
                inside = channels
        layers.append(nn.Sequential(*_norm_act(nn.Conv2d(inside, self.out_channels, 1, bias=False), nn.ReLU6())))
        self.features = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.features(x)
        return features.mean((2, 3))


class ShuffleUnit(nn.Module):
    """Half of the channels pass through three convolutions, both halves when the unit halves the picture."""

    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        half, self.stride = outside // 2, stride
        self.branch1 = nn.Sequential()
        if stride == 2:
            depthwise = nn.Conv2d(inside, inside, 3, 2, 1, groups=inside, bias=False)
            pointwise = nn.Conv2d(inside, half, 1, bias=False)
            self.branch1 = nn.Sequential(*_norm_act(depthwise, None), *_norm_act(pointwise, nn.ReLU()))
        first = nn.Conv2d(inside if stride == 2 else half, half, 1, bias=False)
        middle = nn.Conv2d(half, half, 3, stride, 1, groups=half, bias=False)
        last = nn.Conv2d(half, half, 1, bias=False)
        layers = [*_norm_act(first, nn.ReLU()), *_norm_act(middle, None), *_norm_act(last, nn.ReLU())]
        self.branch2 = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        if self.stride == 2:
            halves = (self.branch1(x), self.branch2(x))
        else:
            kept, moved = x.chunk(2, dim=1)
            halves = (kept, self.branch2(moved))
        joined = torch.stack(halves, dim=2)  # channels of both halves alternate: the shuffle
        return joined.flatten(1, 2)


class ShuffleNetV2(nn.Module):
    """(N, 3, H, W) to (N, 1024), averaged over the picture."""

    out_channels = 1024

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(*_norm_act(nn.Conv2d(3, 24, 3, 2, 1, bias=False), nn.ReLU()))
        inside = 24
        for number, (channels, units) in enumerate(SHUFFLENET_STAGES, start=2):
            rest = [ShuffleUnit(channels, channels, 1) for _ in range(units - 1)]
            setattr(self, f"stage{number}", nn.Sequential(ShuffleUnit(inside, channels, 2), *rest))
            inside = channels
        self.conv5 = nn.Sequential(*_norm_act(nn.Conv2d(inside, self.out_channels, 1, bias=False), nn.ReLU()))

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(self.conv1(x), 3, 2, 1)
        for number in range(2, 2 + len(SHUFFLENET_STAGES)):
            x = getattr(self, f"stage{number}")(x)
        features: Tensor = self.conv5(x)
        return features.mean((2, 3))
