"""The vision transformer against a plain float64 one, its sizes, and the files it reads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from harness.baselines.nn import vit_files
from harness.baselines.nn.vit import VisionTransformer, initialise_randomly, load_weights
from harness.baselines.nn.vit_files import VITS, VitSpec
from harness.errors import CorruptAssetError
from tests.baselines.plain_vit import plain_vit

SMALL = VitSpec(dim=12, depth=3, heads=3, patch=4, grid=7)
KINDS = {
    "exact": SMALL,
    "offset": replace(SMALL, offset=0.1, layer_scale=True),
    "registers": replace(SMALL, antialias=True, registers=4, layer_scale=True),
}


def make(spec: VitSpec, seed: int = 0) -> VisionTransformer:
    """A network all of whose tensors, biases and factors too, are noise."""
    network = VisionTransformer(spec).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * 0.3)
    return network


def pictures(side: int, num: int = 2) -> Tensor:
    return torch.from_numpy(np.random.default_rng(1).normal(size=(num, 3, side, side)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("patches", [2, 3, 7, 9])
def test_tokens_equal_the_plain_ones(kind: str, patches: int) -> None:
    spec = KINDS[kind]
    network, shown = make(spec), pictures(patches * spec.patch)
    weights = {name: parameter.detach().numpy() for name, parameter in network.named_parameters()}
    with torch.no_grad():
        found = network(shown).numpy()
    assert found.shape == (2, 1 + spec.registers + patches**2, spec.dim)
    for tokens, picture in zip(found, shown.numpy(), strict=True):
        np.testing.assert_allclose(tokens, plain_vit(picture, weights, spec), rtol=1e-9, atol=1e-10)


def test_resized_positions_follow_the_weights() -> None:
    network = make(SMALL)
    before = network.positions(3, 3).clone()
    assert network.positions(3, 3) is network.positions(3, 3)
    with torch.no_grad():
        network.pos_embed.mul_(2.0)
    torch.testing.assert_close(network.positions(3, 3), 2.0 * before)


def test_position_rules_differ_from_each_other() -> None:
    rules = [
        replace(SMALL, offset=offset, antialias=filtered) for offset, filtered in ((0, False), (0.1, False), (0, True))
    ]
    found = [make(spec).positions(3, 3) for spec in rules]
    assert min(float((found[i] - found[j]).abs().max()) for i, j in ((0, 1), (0, 2), (1, 2))) > 1e-3


MASK_TOKEN = 768  # the published DINOv2 holds one, which only its training needs


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("vc1", 85_798_656),
        ("mae", 85_798_656),
        ("dinov2", 86_580_480 - MASK_TOKEN),
        ("dinov2_reg", 86_583_552 - MASK_TOKEN),
    ],
)
def test_numbers_of_parameters(name: str, published: int) -> None:
    with torch.device("meta"):
        network = VisionTransformer(VITS[name])
    assert sum(parameter.numel() for parameter in network.parameters()) == published
    assert network.pos_embed.shape[1] == (197 if VITS[name].patch == 16 else 1370)


def test_vc1_made_for_pictures_of_112_pixels() -> None:
    with torch.device("meta"):
        network = VisionTransformer(replace(VITS["vc1"], grid=7))
    assert sum(parameter.numel() for parameter in network.parameters()) == 85_685_760


@pytest.mark.parametrize("name", VITS)
def test_names_and_shapes_are_told_without_torch(name: str) -> None:
    with torch.device("meta"):
        network = VisionTransformer(VITS[name])
    told = vit_files.tensors(VITS[name])
    assert {key: tuple(value.shape) for key, value in network.state_dict().items()} == told


# Files as they are published.


def transformers_state(network: VisionTransformer, mae: bool, prefix: str = "") -> dict[str, Tensor]:
    """The state under the names of Hugging Face's files, written out by hand."""
    own = {name: tensor.float() for name, tensor in network.state_dict().items()}
    state = {
        "embeddings.cls_token": own["cls_token"],
        "embeddings.position_embeddings": own["pos_embed"],
        "embeddings.patch_embeddings.projection.weight": own["patch_embed.proj.weight"],
        "embeddings.patch_embeddings.projection.bias": own["patch_embed.proj.bias"],
        "layernorm.weight": own["norm.weight"],
        "layernorm.bias": own["norm.bias"],
    }
    if "register_tokens" in own:
        state["embeddings.register_tokens"] = own["register_tokens"]
    for i in range(network.spec.depth):
        a, b = f"blocks.{i}.", f"encoder.layer.{i}."
        for kind in ("weight", "bias"):
            parts = own[f"{a}attn.qkv.{kind}"].chunk(3)
            for name, part in zip(("query", "key", "value"), parts, strict=True):
                state[f"{b}attention.attention.{name}.{kind}"] = part.clone()
            state[f"{b}attention.output.dense.{kind}"] = own[f"{a}attn.proj.{kind}"]
            state[f"{b}{'layernorm_before' if mae else 'norm1'}.{kind}"] = own[f"{a}norm1.{kind}"]
            state[f"{b}{'layernorm_after' if mae else 'norm2'}.{kind}"] = own[f"{a}norm2.{kind}"]
            state[f"{b}{'intermediate.dense' if mae else 'mlp.fc1'}.{kind}"] = own[f"{a}mlp.fc1.{kind}"]
            state[f"{b}{'output.dense' if mae else 'mlp.fc2'}.{kind}"] = own[f"{a}mlp.fc2.{kind}"]
        if network.spec.layer_scale:
            state[f"{b}layer_scale1.lambda1"] = own[f"{a}ls1.gamma"]
            state[f"{b}layer_scale2.lambda1"] = own[f"{a}ls2.gamma"]
    return {prefix + name: tensor.contiguous() for name, tensor in state.items()}


def write(path: Path, layout: str, network: VisionTransformer) -> Path:
    """A file as one of the publishers writes it."""
    own = {name: tensor.float() for name, tensor in network.state_dict().items()}
    mask = torch.zeros(1, network.spec.dim)
    if layout == "dinov2":
        torch.save({**own, "mask_token": mask}, path)
    elif layout == "mae":
        torch.save(
            {"model": {**own, "mask_token": mask, "decoder_pos_embed": mask, "decoder_embed.bias": mask[0]}}, path
        )
    elif layout == "old torch":
        torch.save(own, path, _use_new_zipfile_serialization=False)
    elif layout == "hub dinov2":
        save_file({**transformers_state(network, mae=False), "embeddings.mask_token": mask}, path)
    else:
        save_file({**transformers_state(network, mae=True, prefix="vit."), "decoder.mask_token": mask}, path)
    return path


LAYOUTS = {
    "dinov2": ("registers", "a.pth"),
    "mae": ("exact", "a.pth"),
    "old torch": ("offset", "a.pth"),
    "hub dinov2": ("registers", "a.safetensors"),
    "hub mae": ("exact", "a.safetensors"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_published_layouts_give_the_same_network(layout: str, tmp_path: Path) -> None:
    kind, name = LAYOUTS[layout]
    network, other = make(KINDS[kind]), VisionTransformer(KINDS[kind])
    load_weights(other, write(tmp_path / name, layout, network))
    for key, value in network.state_dict().items():
        assert torch.equal(other.state_dict()[key], value.float()), key


def damaged(state: dict[str, Tensor], how: str) -> dict[str, Tensor]:
    if how == "missing":
        del state["blocks.1.attn.qkv.weight"]
    elif how == "shape":
        state["blocks.2.mlp.fc1.bias"] = torch.zeros(3)
    elif how == "registers":
        state["register_tokens"] = torch.zeros(1, 4, 12)
    elif how == "deeper":
        state["blocks.3.norm1.weight"] = torch.zeros(12)
    return state


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("missing", r"it lacks 'blocks.1.attn.qkv.weight', \[36, 12\]"),
        ("shape", r"its 'blocks.2.mlp.fc1.bias' is \[3\], not \[48\]"),
        ("registers", "it holds 'register_tokens', which has no place there"),
        ("deeper", "it holds 'blocks.3.norm1.weight', which has no place there"),
    ],
)
def test_another_network_is_refused(how: str, said: str, tmp_path: Path) -> None:
    state = {name: tensor.float() for name, tensor in make(SMALL).state_dict().items()}
    torch.save(damaged(state, how), tmp_path / "a.pth")
    with pytest.raises(CorruptAssetError, match=said):
        load_weights(VisionTransformer(SMALL), tmp_path / "a.pth")


def test_random_weights_are_a_function_of_the_seed() -> None:
    states = []
    for seed in (0, 0, 1):
        network = VisionTransformer(SMALL)
        initialise_randomly(network, seed)
        states.append(torch.cat([parameter.flatten() for parameter in network.parameters()]))
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])
    gamma = VisionTransformer(KINDS["offset"]).blocks[0].ls1.gamma
    assert torch.equal(gamma.detach(), torch.ones(12))
