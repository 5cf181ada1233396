"""How many numbers the published agents train, counted on networks without memory.

Table 1 of "Pretrained Visual Representations in Reinforcement Learning" (Williams and Polydoros): four actions, trunks
of 50, hidden layers of 1024, DrM's value network counted, target networks not.
"""

from __future__ import annotations

import pytest
import torch
from torch import nn

from harness.baselines.nn.cnn import PixelEncoder
from harness.baselines.nn.encoders import ConvEncoder, FrozenResNetEncoder
from harness.baselines.nn.heads import Actor, Critic, Trunk, mlp
from harness.baselines.nn.resnet import ResNet18
from harness.baselines.nn.squashed_gaussian import GaussianActor
from harness.baselines.nn.vit_files import VITS

FRAMES = 3


def trained(*modules: nn.Module) -> int:
    return sum(p.numel() for module in modules for p in module.parameters() if p.requires_grad)


def heads(representation: int, feature: int, actions: int, *, value: bool) -> int:
    """Actor, critic and, where asked for, DrM's value network."""
    sizes = (representation, feature, 1024)
    modules: list[nn.Module] = [Actor(*sizes, actions), Critic(*sizes, actions)]
    if value:
        modules += [Trunk(representation, feature), mlp(feature, 1024, 1)]
    return trained(*modules)


def drm(size: int) -> int:
    encoder = ConvEncoder(3 * FRAMES, size)
    return trained(encoder) + heads(encoder.representation_dim, 50, 4, value=True)


def pieg(size: int) -> int:
    encoder = FrozenResNetEncoder(ResNet18(2), FRAMES, size)
    return trained(encoder) + heads(encoder.representation_dim, 50, 4, value=True)


def vit(name: str) -> int:
    spec = VITS[name]
    return heads(FRAMES * (1 + spec.registers) * spec.dim, 50, 4, value=True)


@pytest.mark.parametrize(
    ("row", "size", "printed"),
    [
        ("drm", 112, 15_978_281),
        ("drm", 224, 57_373_481),
        ("pieg", 112, 107_340_233),
        ("pieg", 224, 415_621_577),
        ("dinov2", 112, 4_768_713),
        ("dinov2", 224, 4_768_713),
        ("dinov2_reg", 112, 6_151_113),
        ("dinov2_reg", 224, 6_151_113),
        ("vc1", 112, 4_768_713),
        ("vc1", 224, 4_768_713),
    ],
)
def test_the_ten_cells_of_table_1(row: str, size: int, printed: int) -> None:
    with torch.device("meta"):
        found = {"drm": drm, "pieg": pieg}[row](size) if row in ("drm", "pieg") else vit(row)
    assert found == printed


@pytest.mark.parametrize(
    ("agent", "encoder", "others"),
    [
        ("drqv2", 30_368, 7_246_260),
        ("drm", 30_368, 10_309_259),
        ("pieg", 63_441_920, 4_484_616),
    ],
)
def test_walker_walk_at_84_pixels(agent: str, encoder: int, others: int) -> None:
    with torch.device("meta"):
        if agent == "pieg":
            frozen = FrozenResNetEncoder(ResNet18(2), FRAMES, 84)
            found = trained(frozen), heads(frozen.representation_dim, 256, 6, value=False)
            assert sum(p.numel() for p in frozen.backbone.parameters()) == 683_072
        else:
            conv = ConvEncoder(9, 84)
            found = trained(conv), heads(conv.representation_dim, 50, 6, value=agent == "drm")
    assert found == (encoder, others)


def test_walker_walk_of_rl_vigens_svea() -> None:
    with torch.device("meta"):
        encoder = PixelEncoder(9, 84)
        sizes = (encoder.representation_dim, 50, 1024, 6)
        found = trained(encoder), trained(Actor(*sizes)), trained(Critic(*sizes))
    assert found == (95_104, 1_813_724, 2_923_736)
    assert sum(found) == 4_832_564


def test_walker_walk_of_sada() -> None:
    with torch.device("meta"):
        encoder = ConvEncoder(9, 84)
        sizes = (encoder.representation_dim, 50, 1024, 6)
        found = trained(encoder), trained(GaussianActor(*sizes, log_std=(-10.0, 2.0))), trained(Critic(*sizes))
    assert found == (30_368, 3_074_274, 4_178_136)
    assert sum(found) == 7_282_778
