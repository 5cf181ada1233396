"""Which vision transformers there are, and under which names published files keep their tensors; told without torch.

Inside, names are those of timm, which the files of DINOv2, VC-1 and MAE share. Files of Hugging Face's transformers
keep query, key and value apart and call everything otherwise.

Dosovitskiy et al. 2020 (ViT); facebookresearch/dinov2, facebookresearch/eai-vc (VC-1), facebookresearch/mae.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

Shape = tuple[int, ...]
Names = Mapping[str, tuple[str, ...]]  # name inside -> names in the file, to be joined along the first axis

MLP_RATIO = 4
# In the files and of no use to a frozen encoder: what masks patches and draws them again, what classifies.
UNUSED = ("mask_token", "embeddings.mask_token", "decoder", "head.", "classifier.")


@dataclass(frozen=True)
class VitSpec:
    """A vision transformer as it was trained.

    Attributes:
      dim, depth, heads: width, blocks, attention heads per block.
      patch: side of a patch, pixels.
      grid: patches per side of the pictures it was trained on.
      registers: further tokens after the first, without a position.
      layer_scale: whether each residual branch has a factor per channel.
      offset: added to the number of patches per side before it becomes the factor by which positions are resized
        (facebookresearch/dinov2 vision_transformer.py, `interpolate_offset`); 0 resizes to the exact size.
      antialias: whether that resizing filters.
      eps: of the LayerNorms.
    """

    dim: int
    depth: int
    heads: int
    patch: int
    grid: int
    registers: int = 0
    layer_scale: bool = False
    offset: float = 0.0
    antialias: bool = False
    eps: float = 1e-6


def _dinov2(dim: int = 768, heads: int = 12) -> VitSpec:
    return VitSpec(dim, 12, heads, patch=14, grid=37, layer_scale=True, offset=0.1)


def _mae(dim: int = 768, depth: int = 12, heads: int = 12) -> VitSpec:
    """VC-1 is MAE on other pictures."""
    return VitSpec(dim, depth, heads, patch=16, grid=14)


# By the name of the asset that holds the weights; rules of positions as facebookresearch/dinov2 hub/backbones.py has
# them.
VITS: dict[str, VitSpec] = {
    "dinov2": _dinov2(),
    "dinov2_reg": replace(_dinov2(), registers=4, offset=0.0, antialias=True),
    "dinov2_small": _dinov2(dim=384, heads=6),
    "vc1": _mae(),
    "vc1_large": _mae(dim=1024, depth=24, heads=16),
    "mae": _mae(),
}


def tensors(spec: VitSpec) -> dict[str, Shape]:
    """Names and shapes of what the network holds."""
    named: dict[str, Shape] = {
        "cls_token": (1, 1, spec.dim),
        "pos_embed": (1, 1 + spec.grid**2, spec.dim),
        **({"register_tokens": (1, spec.registers, spec.dim)} if spec.registers else {}),
        "patch_embed.proj.weight": (spec.dim, 3, spec.patch, spec.patch),
        "patch_embed.proj.bias": (spec.dim,),
    }
    for index in range(spec.depth):
        named |= {f"blocks.{index}.{name}": shape for name, shape in _block(spec).items()}
    return named | _vectors("norm", spec.dim)


def _block(spec: VitSpec) -> dict[str, Shape]:
    dim, hidden = spec.dim, MLP_RATIO * spec.dim
    scales: dict[str, Shape] = {"ls1.gamma": (dim,), "ls2.gamma": (dim,)} if spec.layer_scale else {}
    return {
        **_vectors("norm1", dim),
        **_linear("attn.qkv", dim, 3 * dim),
        **_linear("attn.proj", dim, dim),
        **_vectors("norm2", dim),
        **_linear("mlp.fc1", dim, hidden),
        **_linear("mlp.fc2", hidden, dim),
        **scales,
    }


def _vectors(name: str, dim: int) -> dict[str, Shape]:
    return {f"{name}.weight": (dim,), f"{name}.bias": (dim,)}


def _linear(name: str, inputs: int, outputs: int) -> dict[str, Shape]:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


# Names in transformers' files (4.x classes), without what stands before: `embeddings.`, `encoder.layer.<i>.`.
_OUTSIDE = {
    "cls_token": "embeddings.cls_token",
    "pos_embed": "embeddings.position_embeddings",
    "register_tokens": "embeddings.register_tokens",
    "patch_embed.proj": "embeddings.patch_embeddings.projection",
    "norm": "layernorm",
}
_IN_BLOCKS = {
    "norm1": "norm1",
    "norm2": "norm2",
    "attn.proj": "attention.output.dense",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
    "ls1.gamma": "layer_scale1.lambda1",
    "ls2.gamma": "layer_scale2.lambda1",
}
_IN_MAE_BLOCKS = _IN_BLOCKS | {
    "norm1": "layernorm_before",
    "norm2": "layernorm_after",
    "mlp.fc1": "intermediate.dense",
    "mlp.fc2": "output.dense",
}


def stored_names(spec: VitSpec, found: Iterable[str]) -> Names:
    """Under which names a file keeps the network's tensors, judged by the names it has."""
    found = set(found)
    end = "embeddings.cls_token"
    prefix = next((name.removesuffix(end) for name in found if name.endswith(end)), None)
    if prefix is None:
        return {name: (name,) for name in tensors(spec)}
    in_blocks = _IN_MAE_BLOCKS if any("layernorm_before" in name for name in found) else _IN_BLOCKS
    return {name: tuple(prefix + part for part in _transformers(name, in_blocks)) for name in tensors(spec)}


def _transformers(name: str, in_blocks: Mapping[str, str]) -> tuple[str, ...]:
    if not name.startswith("blocks."):
        return (_renamed(name, _OUTSIDE),)
    _, index, inner = name.split(".", 2)
    before = f"encoder.layer.{index}."
    if not inner.startswith("attn.qkv"):
        return (before + _renamed(inner, in_blocks),)
    kind = inner.rpartition(".")[2]
    return tuple(f"{before}attention.attention.{part}.{kind}" for part in ("query", "key", "value"))


def _renamed(name: str, table: Mapping[str, str]) -> str:
    if name in table:
        return table[name]
    stem, _, kind = name.rpartition(".")
    return f"{table[stem]}.{kind}"


def misfit(spec: VitSpec, found: Mapping[str, Shape]) -> str | None:
    """Why a file's tensors are not this network's, as a clause; None if they are.

    Args:
      found: names and shapes, as the file has them.
    """
    names = stored_names(spec, found)
    for name, shape in tensors(spec).items():
        parts = names[name]
        part_shape = (shape[0] // len(parts), *shape[1:])
        for part in parts:
            if part not in found:
                return f"it lacks '{part}', {list(part_shape)}"
            if tuple(found[part]) != part_shape:
                return f"its '{part}' is {list(found[part])}, not {list(part_shape)}"
    known = {part for parts in names.values() for part in parts}
    odd = [name for name in found if name not in known and not _is_unused(name)]
    return f"it holds '{min(odd)}', which has no place there" if odd else None


def _is_unused(name: str) -> bool:
    inner = name.removeprefix("vit.").removeprefix("dinov2.").removeprefix("dinov2_with_registers.")
    return inner.startswith(UNUSED)
