"""Heads: the published parameter counts, initialisation, and the loss over views."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from harness.baselines.nn.encoders import ConvEncoder, FrozenResNetEncoder
from harness.baselines.nn.heads import Actor, Critic, critic_loss, initialise, orthogonal_
from harness.baselines.nn.resnet import ResNet18


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def test_parameter_counts_of_drqv2_on_walker_walk() -> None:
    with torch.device("meta"):
        encoder = ConvEncoder(9, 84)
        sizes = (encoder.representation_dim, 50, 1024, 6)
        assert encoder.representation_dim == 39_200
        counts = [count(module) for module in (encoder, Actor(*sizes), Critic(*sizes))]
    assert counts == [30_368, 3_068_124, 4_178_136]
    assert sum(counts) == 7_276_628


def test_parameter_counts_of_pieg_on_walker_walk() -> None:
    with torch.device("meta"):
        encoder = FrozenResNetEncoder(ResNet18(2), 3, 84)
        counts = [count(module) for module in (encoder, Actor(1024, 256, 1024, 6), Critic(1024, 256, 1024, 6))]
        frozen = sum(p.numel() for p in encoder.backbone.parameters())
        whole = sum(p.numel() for p in ResNet18(4).parameters())
    assert counts == [63_441_920, 1_581_830, 2_902_786]
    assert sum(counts) == 67_926_536
    assert (frozen, whole) == (683_072, 11_176_512)


@pytest.mark.parametrize(("image_size", "printed"), [(112, 107_340_233), (224, 415_621_577)])
def test_parameter_counts_of_pieg_under_drm(image_size: int, printed: int) -> None:
    """As printed where PIE-G is compared with other pretrained encoders: width 50, four actions, DrM's value net."""
    with torch.device("meta"):
        encoder = FrozenResNetEncoder(ResNet18(2), 3, image_size)
        value = Critic(1024, 50, 1024, 0)  # trunk and two networks on the features alone; one of them is DrM's
        modules = (encoder, Actor(1024, 50, 1024, 4), Critic(1024, 50, 1024, 4), value.trunk, value.q1)
        assert sum(map(count, modules)) == printed


@pytest.mark.parametrize("shape", [(6, 200), (200, 6), (32, 9, 3, 3), (10, 12), (1, 40)])
def test_orthogonal_equals_torchs_with_the_same_draws(shape: tuple[int, ...]) -> None:
    ours, theirs = (torch.empty(shape, dtype=torch.float64) for _ in range(2))
    orthogonal_(ours, 1.3, torch.Generator().manual_seed(3))
    nn.init.orthogonal_(theirs, 1.3, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-13)


def test_initialisation_scales_and_leaves_frozen_parts_alone() -> None:
    network = nn.Sequential(nn.Conv2d(9, 32, 3), nn.Linear(64, 16), nn.LayerNorm(16), nn.Linear(8, 8))
    network[3].requires_grad_(False)
    kept = network[3].weight.clone()
    initialise(network, torch.Generator().manual_seed(0))
    conv, linear = network[0].weight.detach().flatten(1), network[1].weight.detach()
    torch.testing.assert_close(conv @ conv.T, 2 * torch.eye(32), rtol=0, atol=1e-5)
    torch.testing.assert_close(linear @ linear.T, torch.eye(16), rtol=0, atol=1e-5)
    assert not network[0].bias.any()
    assert not network[1].bias.any()
    assert torch.equal(network[2].weight, torch.ones(16))
    assert torch.equal(network[3].weight, kept)


def test_critic_loss_weighs_views_equally() -> None:
    torch.manual_seed(0)
    clean, strong, target = torch.rand(2, 5, 1), torch.rand(2, 5, 1), torch.rand(5, 1)
    values = (torch.cat([clean[0], strong[0]]), torch.cat([clean[1], strong[1]]))
    wanted = 0.5 * sum(F.mse_loss(q, target) for q in (*clean, *strong))
    torch.testing.assert_close(critic_loss(values, target), wanted)
