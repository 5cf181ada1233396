"""Names, types and shapes of what the networks hold, as safetensors has them, told without torch.

So a plan can compare a policy's files with an agent's settings, and say how much memory a training would take, before
anything is loaded. The contract tests compare these with what the agents really store.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

Tensors = dict[str, tuple[str, tuple[int, ...]]]  # name -> (type, shape)

FLOAT_BYTES = 4
NUM_BLOCKS = 2  # per layer of ResNet-18


def linear(name: str, inputs: int, outputs: int) -> Tensors:
    """`nn.Linear`."""
    return {f"{name}.weight": ("F32", (outputs, inputs)), f"{name}.bias": ("F32", (outputs,))}


def layer_norm(name: str, size: int) -> Tensors:
    """`nn.LayerNorm` over one axis."""
    return {f"{name}.weight": ("F32", (size,)), f"{name}.bias": ("F32", (size,))}


def trunk(name: str, representation_dim: int, feature_dim: int) -> Tensors:
    """`heads.Trunk`."""
    return linear(f"{name}.0", representation_dim, feature_dim) | layer_norm(f"{name}.1", feature_dim)


def mlp(name: str, inputs: int, hidden_dim: int, outputs: int) -> Tensors:
    """`heads.mlp`."""
    sizes = (inputs, hidden_dim, hidden_dim, outputs)
    layers = (linear(f"{name}.{2 * i}", sizes[i], sizes[i + 1]) for i in range(3))
    return {key: value for layer in layers for key, value in layer.items()}


def actor(representation_dim: int, feature_dim: int, hidden_dim: int, actions: int) -> Tensors:
    """`heads.Actor`."""
    return trunk("actor.trunk", representation_dim, feature_dim) | mlp("actor.policy", feature_dim, hidden_dim, actions)


def critic(representation_dim: int, feature_dim: int, hidden_dim: int, actions: int) -> Tensors:
    """`heads.Critic`."""
    heads = [mlp(f"critic.{name}", feature_dim + actions, hidden_dim, 1) for name in ("q1", "q2")]
    return trunk("critic.trunk", representation_dim, feature_dim) | heads[0] | heads[1]


def vae_encoder(
    widths: tuple[int, ...] = (32, 64, 128, 256, 512), inputs: int = 2048, latent_dim: int = 512
) -> Tensors:
    """`vae.VaeEncoder`; `inputs` are the numbers behind its last convolution."""
    layers: Tensors = linear("mean", inputs, latent_dim)
    for index, (channels, outputs) in enumerate(zip((3, *widths), widths, strict=False)):
        conv, norm = f"layers.{3 * index}", f"layers.{3 * index + 1}"
        layers |= {f"{conv}.weight": ("F32", (outputs, channels, 3, 3)), f"{conv}.bias": ("F32", (outputs,))}
        kept = ("weight", "bias", "running_mean", "running_var")
        layers |= {f"{norm}.{name}": ("F32", (outputs,)) for name in kept}
        layers[f"{norm}.num_batches_tracked"] = ("I64", ())
    return layers


def conv_encoder(channels: int) -> Tensors:
    """`encoders.ConvEncoder`."""
    layers: Tensors = {}
    for index in range(4):
        inputs = channels if index == 0 else 32
        layers[f"encoder.layers.{2 * index}.weight"] = ("F32", (32, inputs, 3, 3))
        layers[f"encoder.layers.{2 * index}.bias"] = ("F32", (32,))
    return layers


def conv_features(image_size: int) -> int:
    """Numbers that `encoders.ConvEncoder` makes of a picture."""
    side = (image_size - 3) // 2 + 1 - 3 * 2
    return 32 * side * side


def convolution(name: str, inputs: int, outputs: int) -> Tensors:
    """`nn.Conv2d` of 3 x 3."""
    return {f"{name}.weight": ("F32", (outputs, inputs, 3, 3)), f"{name}.bias": ("F32", (outputs,))}


def convolutions(name: str, channels: int, num_layers: int, num_filters: int) -> Tensors:
    """`cnn.Convolutions`."""
    layers: Tensors = {}
    for index in range(num_layers):
        layers |= convolution(f"{name}.convs.{index}", channels if index == 0 else num_filters, num_filters)
    return layers


def side_after(num_layers: int, image_size: int) -> int:
    """Height and width behind 3x3 convolutions without padding, the first of which has stride 2."""
    return (image_size - 3) // 2 + 1 - 2 * (num_layers - 1)


def smallest_picture(num_layers: int) -> int:
    """Least height and width of a picture of which they leave a pixel."""
    return 4 * (num_layers - 1) + 3


def batch_norm(name: str, channels: int) -> Tensors:
    """`nn.BatchNorm2d`."""
    vectors = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.{part}": ("F32", (channels,)) for part in vectors} | {f"{name}.num_batches_tracked": ("I64", ())}


def resnet18(name: str, layer: int, width: int = 64) -> Tensors:
    """`resnet.ResNet18` up to a layer."""
    tensors: Tensors = {f"{name}.conv1.weight": ("F32", (width, 3, 7, 7)), **batch_norm(f"{name}.bn1", width)}
    inputs = width
    for number in range(1, layer + 1):
        channels = width * 2 ** (number - 1)
        for block in range(NUM_BLOCKS):
            tensors |= _block(f"{name}.layer{number}.{block}", inputs, channels, downsample=inputs != channels)
            inputs = channels
    return tensors


def _block(name: str, inputs: int, channels: int, *, downsample: bool) -> Tensors:
    tensors: Tensors = {
        f"{name}.conv1.weight": ("F32", (channels, inputs, 3, 3)),
        f"{name}.conv2.weight": ("F32", (channels, channels, 3, 3)),
        **batch_norm(f"{name}.bn1", channels),
        **batch_norm(f"{name}.bn2", channels),
    }
    if downsample:
        tensors[f"{name}.downsample.0.weight"] = ("F32", (channels, inputs, 1, 1))
        tensors |= batch_norm(f"{name}.downsample.1", channels)
    return tensors


def resnet_features(layer: int, image_size: int, width: int = 64) -> int:
    """Numbers that the layers make of a picture; every halving rounds up."""
    for _ in range(layer + 1):
        image_size = (image_size + 1) // 2
    return width * 2 ** (layer - 1) * image_size * image_size


def num_bytes(tensors: Mapping[str, tuple[str, tuple[int, ...]]]) -> int:
    """Bytes of the floats among some tensors."""
    return FLOAT_BYTES * sum(math.prod(shape) for kind, shape in tensors.values() if kind == "F32")
