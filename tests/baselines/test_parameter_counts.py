"""How many numbers the published agents train, counted on networks without memory.

Table 1 of "Pretrained Visual Representations in Reinforcement Learning" (Williams and Polydoros): four actions, trunks
of 50, hidden layers of 1024, DrM's value network counted, target networks not.
"""

from __future__ import annotations

import importlib
from typing import Any

import pytest
import torch
from torch import nn

from harness.baselines.nn.cnn import PixelEncoder
from harness.baselines.nn.encoders import ConvEncoder, FrozenResNetEncoder
from harness.baselines.nn.heads import Actor, Critic, Trunk, mlp
from harness.baselines.nn.resnet import ResNet18
from harness.baselines.nn.squashed_gaussian import GaussianActor
from harness.baselines.nn.vit_files import VITS
from tests.baselines.world import make_context

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


@pytest.mark.parametrize(
    ("layers", "feature", "actor", "critic", "unique"),
    [
        (11, 100, 2_671_928, 3_826_990, 6_403_814),  # sac, rad, drq, svea, tlda and what others add to
        (4, 50, 3_104_642, 4_208_504, 7_282_778),  # tlda with the settings of its script; drq_original
    ],
)
def test_walker_walk_of_the_sac_family(layers: int, feature: int, actor: int, critic: int, unique: int) -> None:
    found = sac_family(layers, feature)
    convolutions = trained(found["encoder"])
    assert convolutions + trained(found["actor"]) == actor
    assert convolutions + trained(found["critic"]) == critic
    assert trained(*found.values()) == unique


def make_learner(agent: str, settings: dict[str, object]) -> Any:
    spec = importlib.import_module(f"harness.baselines.{agent}").AGENT
    context = make_context(image_size=spec.image_size or 84, action_dim=6, evaluation_only=True)
    config = spec.config(**settings)
    return importlib.import_module(f"harness.baselines.learners.{agent}").make(context, config)


def sac_family(layers: int, feature: int) -> dict[str, nn.Module]:
    with torch.device("meta"):
        encoder = PixelEncoder(9, 84, layers)
        sizes = (encoder.representation_dim, feature, 1024, 6)
        return {
            "encoder": encoder,
            "actor": GaussianActor(*sizes, log_std=(-10.0, 2.0)),
            "critic": Critic(*sizes),
        }


@pytest.mark.parametrize(
    ("agent", "settings", "modules", "unique", "target"),
    [
        ("sac", {}, (), 6_403_814, 3_826_990),
        ("rad", {}, (), 6_403_814, 3_826_990),
        ("drq", {}, (), 6_403_814, 3_826_990),
        ("svea", {}, (), 6_403_814, 3_826_990),
        ("tlda", {}, (), 6_403_814, 3_826_990),
        ("tlda", {"num_shared_layers": 4, "feature_dim": 50}, (), 7_282_778, 4_208_504),
        ("drq_original", {}, (), 7_282_778, 4_208_504),
        ("curl", {}, ("likeness",), 6_413_814, 3_826_990),
        ("soda", {}, ("projection",), 7_845_814, 3_826_990 + 1_537_104),
        ("pad", {}, ("inverse",), 9_104_632, 3_826_990),
        ("sgqn", {}, ("decoder",), 8_081_331 - 51_556, 3_826_990),  # without the branch that is never used
    ],
)
def test_what_the_agents_themselves_train(
    agent: str, settings: dict[str, object], modules: tuple[str, ...], unique: int, target: int
) -> None:
    """Of the learners that `make` builds, for walker_walk; the temperature's one number is counted apart."""
    learner = make_learner(agent, settings)
    kept = [learner.encoder, learner.actor, learner.critic, *(getattr(learner, name) for name in modules)]
    assert trained(*kept) == unique
    assert trained(learner.temperature) == 1
    moved = {id(p): p.numel() for adam in learner.optimizers.values() for p in adam.param_groups[0]["params"]}
    assert sum(moved.values()) == unique + 1
    slow = [
        getattr(learner, name)
        for name in ("target_encoder", "target", "slow_encoder", "slow")
        if hasattr(learner, name)
    ]
    assert sum(p.numel() for module in slow for p in module.parameters()) == target
