"""A vision transformer as a frozen encoder: DINOv2 (with registers or without), VC-1 and MAE.

Dosovitskiy et al., "An Image is Worth 16x16 Words", 2020; Oquab et al. 2023 (DINOv2), Darcet et al. 2023 (registers),
Majumdar et al. 2023 (VC-1), He et al. 2021 (MAE). Tensors have timm's names, see `vit_files.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from harness.baselines.nn import vit_files
from harness.baselines.nn.resnet import read_state
from harness.baselines.nn.vit_files import MLP_RATIO, VitSpec
from harness.errors import CorruptAssetError

INIT_STD = 0.02  # of random weights, as facebookresearch/dinov2 and facebookresearch/mae begin


class Attention(nn.Module):
    """Self-attention of all tokens; queries, keys and values lie one after the other in `qkv`."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        joined = self.qkv(x).unflatten(2, (3, self.heads, -1))  # (N, T, 3, heads, dim / heads)
        query, key, value = joined.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value)
        return self.proj(mixed.transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    """Two layers with the exact GELU between."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, MLP_RATIO * dim)
        self.fc2 = nn.Linear(MLP_RATIO * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class LayerScale(nn.Module):
    """A factor per channel."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma


class Block(nn.Module):
    """Attention and MLP, each behind a LayerNorm and beside a shortcut."""

    def __init__(self, spec: VitSpec) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(spec.dim, spec.eps)
        self.attn = Attention(spec.dim, spec.heads)
        self.norm2 = nn.LayerNorm(spec.dim, spec.eps)
        self.mlp = Mlp(spec.dim)
        self.ls1, self.ls2 = (LayerScale(spec.dim) if spec.layer_scale else nn.Identity() for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.ls1(self.attn(self.norm1(x)))
        return x + self.ls2(self.mlp(self.norm2(x)))


class PatchEmbed(nn.Module):
    """Each patch to a token, row by row."""

    def __init__(self, patch: int, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, dim, patch, patch)

    def forward(self, pictures: Tensor) -> Tensor:
        return self.proj(pictures).flatten(2).transpose(1, 2)


class VisionTransformer(nn.Module):
    """Pictures to tokens: the class token, the registers, then one per patch, all behind the last LayerNorm.

    Args:
      spec: which one.
    """

    def __init__(self, spec: VitSpec) -> None:
        super().__init__()
        self.spec = spec
        self.cls_token = nn.Parameter(torch.zeros(1, 1, spec.dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + spec.grid**2, spec.dim))
        if spec.registers:
            self.register_tokens = nn.Parameter(torch.zeros(1, spec.registers, spec.dim))
        self.patch_embed = PatchEmbed(spec.patch, spec.dim)
        self.blocks = nn.ModuleList([Block(spec) for _ in range(spec.depth)])
        self.norm = nn.LayerNorm(spec.dim, spec.eps)
        self._resized: tuple[tuple[object, ...], Tensor] | None = None

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, 3, H, W), normalised, H and W multiples of the patch, to (N, 1 + registers + patches, dim)."""
        num, _, height, width = pictures.shape
        side = self.spec.patch
        x = torch.cat([self.cls_token.expand(num, -1, -1), self.patch_embed(pictures)], 1)
        x = x + self.positions(height // side, width // side)
        if self.spec.registers:
            x = torch.cat([x[:, :1], self.register_tokens.expand(num, -1, -1), x[:, 1:]], 1)
        for block in self.blocks:
            x = block(x)
        return self.norm(x)

    @torch.no_grad()
    def positions(self, rows: int, columns: int) -> Tensor:
        """Position embeddings for so many patches, (1, 1 + rows * columns, dim); kept until the weights change."""
        pos = self.pos_embed
        if rows == columns == self.spec.grid:
            return pos
        key = (rows, columns, pos._version, pos.data_ptr(), pos.dtype)
        if self._resized is None or self._resized[0] != key:
            self._resized = key, torch.cat([pos[:, :1], self._resize(pos[:, 1:], rows, columns)], 1)
        return self._resized[1]

    def _resize(self, grid: Tensor, rows: int, columns: int) -> Tensor:
        """Resizes (1, grid * grid, dim) bicubically to (1, rows * columns, dim), by the rule of the published code."""
        spec = self.spec
        picture = grid.transpose(1, 2).unflatten(2, (spec.grid, spec.grid))
        if spec.offset:
            # The factor, not the size, says where samples are taken: the last row is not quite reached.
            factors = tuple((number + spec.offset) / spec.grid for number in (rows, columns))
            resized = F.interpolate(picture, scale_factor=factors, mode="bicubic", antialias=spec.antialias)
        else:
            resized = F.interpolate(picture, size=(rows, columns), mode="bicubic", antialias=spec.antialias)
        return resized.flatten(2).transpose(1, 2)


def initialise_randomly(network: VisionTransformer, seed: int) -> None:
    """Random weights from a generator of their own; LayerNorms and factors stay 1, biases 0."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if parameter.ndim > 1:
                nn.init.trunc_normal_(parameter, std=INIT_STD, generator=generator)
            elif name.endswith("bias"):
                parameter.zero_()


def load_weights(network: VisionTransformer, path: Path) -> None:
    """Reads a published file: safetensors, or a torch file of tensors, under whichever names it keeps them.

    Raises:
      CorruptAssetError: if it is not of this network.
    """
    state = read_tensors(path)
    problem = vit_files.misfit(network.spec, {name: tuple(tensor.shape) for name, tensor in state.items()})
    if problem:
        raise CorruptAssetError(f"{path.name} does not fit: {problem}.")
    names = vit_files.stored_names(network.spec, state)
    joined = {name: torch.cat([state[part] for part in parts]) for name, parts in names.items()}
    network.load_state_dict(joined)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file by name, without running any code; those below `model`, where that is all there is.

    Raises:
      CorruptAssetError: if the file is damaged, or holds something else.
    """
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except (OSError, SafetensorError, ValueError, KeyError) as error:
            raise CorruptAssetError(f"{path} is damaged or not a safetensors file ({error}).") from error
    state = read_state(path)
    inner = state.get("model", state)
    if not isinstance(inner, Mapping) or not all(isinstance(value, Tensor) for value in inner.values()):
        raise CorruptAssetError(f"{path} holds something other than tensors by name.")
    return dict(inner)
