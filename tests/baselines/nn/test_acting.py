"""Tests of `harness.baselines.nn.acting`."""

from __future__ import annotations

import pytest
import torch

from harness.baselines.nn.acting import ActingEncoder
from harness.baselines.nn.encoders import FrozenResNetEncoder
from harness.baselines.nn.resnet import ResNet18, initialise_randomly

SIZE = 24


def make_encoder(frame_stack: int = 3) -> FrozenResNetEncoder:
    torch.manual_seed(frame_stack)
    backbone = ResNet18(2, width=8)
    initialise_randomly(backbone, 0)
    for name, buffer in backbone.named_buffers():
        if name.endswith("mean"):
            buffer.uniform_(-0.1, 0.1)
        elif name.endswith("var"):
            buffer.uniform_(0.5, 1.5)
    encoder = FrozenResNetEncoder(backbone, frame_stack, SIZE, representation_dim=16).double()
    features = encoder.frame_features(make_stacks(frame_stack, 1)[0].unflatten(1, (frame_stack, 3))[0])
    assert (features > 0).double().mean() > 0.3  # or the tests would compare zeros
    return encoder


def make_stacks(frame_stack: int, num: int) -> list[torch.Tensor]:
    """Observations of an episode: each brings one new frame."""
    frames = torch.rand(num + frame_stack - 1, 3, SIZE, SIZE, dtype=torch.float64) - 0.5
    return [frames[n : n + frame_stack].flatten(0, 1)[None].clone() for n in range(num)]


@pytest.mark.parametrize("frame_stack", [2, 3, 4])
def test_it_gives_what_the_encoder_gives(frame_stack: int) -> None:
    encoder = make_encoder(frame_stack)
    acting = ActingEncoder(encoder)
    stacks = make_stacks(frame_stack, 6)
    for stack in stacks:
        torch.testing.assert_close(acting(stack), encoder(stack), rtol=1e-10, atol=1e-10)
    together = torch.cat(stacks)
    torch.testing.assert_close(acting(together), encoder(together), rtol=1e-10, atol=1e-10)


def test_a_frame_runs_through_the_network_once(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = make_encoder()
    acting = ActingEncoder(encoder)
    seen: list[int] = []
    plain = encoder.frame_features

    def counted(frames: torch.Tensor) -> torch.Tensor:
        seen.append(len(frames))
        return plain(frames)

    monkeypatch.setattr(encoder, "frame_features", counted)
    for stack in make_stacks(3, 4):
        acting(stack)
    assert seen == [1] * (3 + 1 + 1 + 1)


def test_the_past_does_not_move_a_bit() -> None:
    encoder = make_encoder().float()
    stacks = [stack.float() for stack in make_stacks(3, 5)]
    acting = ActingEncoder(encoder)
    in_order = [acting(stack) for stack in stacks]
    for stack, expected in zip(reversed(stacks), reversed(in_order), strict=True):
        assert torch.equal(ActingEncoder(encoder)(stack), expected)
        assert torch.equal(acting(stack), expected)


@pytest.mark.parametrize("part", ["projection.0.weight", "projection.0.bias", "backbone.layer1.0.bn1.running_mean"])
def test_it_follows_a_change_of_any_tensor(part: str) -> None:
    encoder = make_encoder()
    acting = ActingEncoder(encoder)
    stack = make_stacks(3, 1)[0]
    before = acting(stack)
    with torch.no_grad():
        tensor = encoder.state_dict()[part]
        tensor.add_(torch.rand(tensor.shape, dtype=tensor.dtype))
    assert not torch.allclose(acting(stack), before)
    torch.testing.assert_close(acting(stack), encoder(stack), rtol=1e-10, atol=1e-10)


def test_it_follows_a_fused_optimiser_once_told_and_a_replaced_tensor() -> None:
    encoder = make_encoder()
    acting = ActingEncoder(encoder)
    stack = make_stacks(3, 1)[0]
    acting(stack)
    optimizer = torch.optim.Adam(encoder.projection.parameters(), lr=0.1, fused=True)
    encoder(stack).square().sum().backward()
    optimizer.step()
    acting.forget()
    torch.testing.assert_close(acting(stack), encoder(stack), rtol=1e-10, atol=1e-10)
    encoder.backbone.bn1.running_var = torch.full_like(encoder.backbone.bn1.weight, 2.0).detach()
    torch.testing.assert_close(acting(stack), encoder(stack), rtol=1e-10, atol=1e-10)
