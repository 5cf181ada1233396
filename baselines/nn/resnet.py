"""ResNets' convolutional part, with torchvision's parameter names, and BatchNorm whose mode the caller chooses.

He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", 2015; layout of pytorch/vision resnet.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from pickle import UnpicklingError  # only to name what torch raises; nothing is unpickled here

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.errors import CorruptAssetError, MissingAssetError

Normalise = Callable[[nn.BatchNorm2d, Tensor], Tensor]  # applies one BatchNorm layer in the chosen mode

NUM_BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}  # per layer


def running_statistics(norm: nn.BatchNorm2d, x: Tensor) -> Tensor:
    """Normalises with the running statistics ("eval mode")."""
    return F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias, False, 0.0, norm.eps)


def moving_statistics(norm: nn.BatchNorm2d, x: Tensor) -> Tensor:
    """Normalises with the batch's statistics and moves the running ones ("train mode")."""
    if norm.num_batches_tracked is not None:
        norm.num_batches_tracked += 1
    momentum = 0.1 if norm.momentum is None else norm.momentum
    return F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias, True, momentum, norm.eps)


def group_statistics(num_groups: int) -> Normalise:
    """Normalises each of `num_groups` equal parts of the batch by its own statistics; the running ones stay."""

    def normalise(norm: nn.BatchNorm2d, x: Tensor) -> Tensor:
        parts = [
            F.batch_norm(part, None, None, norm.weight, norm.bias, True, 0.0, norm.eps) for part in x.chunk(num_groups)
        ]
        return parts[0] if num_groups == 1 else torch.cat(parts)

    return normalise


def _conv(in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2, bias=False)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    expansion = 1

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _conv(in_channels, channels, 3, stride)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = _conv(channels, channels, 3)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample: nn.Sequential | None = None
        if stride != 1 or in_channels != channels:
            shortcut = nn.Conv2d(in_channels, channels, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(channels))

    def forward(self, x: Tensor, normalise: Normalise) -> Tensor:
        out = normalise(self.bn1, self.conv1(x)).relu_()
        out = normalise(self.bn2, self.conv2(out))
        if self.downsample is not None:
            x = normalise(self.downsample[1], self.downsample[0](x))  # type: ignore[arg-type]
        return out.add_(x).relu_()


class Bottleneck(nn.Module):
    """A 3x3 convolution between two 1x1, beside a shortcut; the outputs are four times as many (ResNet-50)."""

    expansion = 4

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        out_channels = channels * self.expansion
        self.conv1 = _conv(in_channels, channels, 1)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = _conv(channels, channels, 3, stride)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = _conv(channels, out_channels, 1)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.downsample: nn.Sequential | None = None
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(_conv(in_channels, out_channels, 1, stride), nn.BatchNorm2d(out_channels))

    def forward(self, x: Tensor, normalise: Normalise) -> Tensor:
        out = normalise(self.bn1, self.conv1(x)).relu_()
        out = normalise(self.bn2, self.conv2(out)).relu_()
        out = normalise(self.bn3, self.conv3(out))
        if self.downsample is not None:
            x = normalise(self.downsample[1], self.downsample[0](x))  # type: ignore[arg-type]
        return out.add_(x).relu_()


class ResNet(nn.Module):
    """The stem and the first layers, as frozen features: (N, 3, H, W) to (N, C, H', W').

    Args:
      depth: 18, 34 or 50.
      layer: how many of the four layers run, 1..4. ResNet-18 at 84 x 84: 64x21x21, 128x11x11, 256x6x6, 512x3x3.
      width: channels of the stem; torchvision's weights need 64, tests take less.
    """

    def __init__(self, depth: int, layer: int = 4, width: int = 64) -> None:
        super().__init__()
        self.depth, self.layer = depth, layer
        block = Bottleneck if depth >= 50 else BasicBlock
        self.conv1 = _conv(3, width, 7, 2)
        self.bn1 = nn.BatchNorm2d(width)
        channels = width
        for number in range(1, layer + 1):
            inner = width * 2 ** (number - 1)
            first = block(channels, inner, 1 if number == 1 else 2)
            channels = inner * block.expansion
            rest = [block(channels, inner, 1) for _ in range(NUM_BLOCKS[depth][number - 1] - 1)]
            setattr(self, f"layer{number}", nn.ModuleList([first, *rest]))
        self.out_channels = channels

    def forward(self, x: Tensor, normalise: Normalise = running_statistics) -> Tensor:
        x = normalise(self.bn1, self.conv1(x)).relu_()
        x = F.max_pool2d(x, 3, 2, 1)
        for number in range(1, self.layer + 1):
            for block in getattr(self, f"layer{number}"):
                x = block(x, normalise)
        return x

    def output_size(self, image_size: int) -> int:
        """Height and width of the output for square pictures; every halving rounds up."""
        halvings = 2 + (self.layer - 1)
        for _ in range(halvings):
            image_size = (image_size + 1) // 2
        return image_size


class ResNet18(ResNet):
    """ResNet-18, whose layer2 is PIE-G's encoder."""

    def __init__(self, layer: int = 2, width: int = 64) -> None:
        super().__init__(18, layer, width)


def initialise_randomly(network: nn.Module, seed: int) -> None:
    """Random weights as torchvision draws them (He normal, fan out), from a generator of their own."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu", generator=generator)


def load_weights(network: ResNet, path: Path) -> None:
    """Loads a torchvision state dict: every tensor the network has must be there, those of later layers may be too.

    Raises:
      MissingAssetError: if the file ends before the layer asked for.
      CorruptAssetError: if the file is not a state dict of this network.
    """
    state = read_state(path)
    needed = network.state_dict()
    # Files written before PyTorch 0.4.1 (torchvision's own among them) have no counters of batches.
    absent = [name for name in needed if name not in state and not name.endswith("num_batches_tracked")]
    if absent:
        what = f"ResNet-{network.depth} up to layer {network.layer}"
        raise MissingAssetError(f"{what} needs tensors that {path.name} does not hold: {_some(absent)}.")
    _check_shapes(network, state, path)
    network.load_state_dict({name: state.get(name, tensor) for name, tensor in needed.items()})


def _check_shapes(network: ResNet, state: Mapping[str, Tensor], path: Path) -> None:
    needed = network.state_dict()
    wrong = [name for name, tensor in needed.items() if name in state and state[name].shape != tensor.shape]
    if wrong:
        raise CorruptAssetError(f"{path.name} is not a ResNet-{network.depth}: wrong shapes of {_some(wrong)}.")


def read_state(path: Path) -> dict[str, Tensor]:
    """Reads a state dict without running any code.

    Raises:
      CorruptAssetError: if the file holds anything but tensors.
    """
    try:
        state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise CorruptAssetError(f"{path} holds something other than tensors and was not loaded.") from error
    except (OSError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise CorruptAssetError(f"{path} is not a file of tensors ({type(error).__name__}).") from error
    return state


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
