"""Guided backpropagation and the masks made of it."""

from __future__ import annotations

import pytest
import torch

from harness.baselines.nn.cnn import PixelEncoder
from harness.baselines.nn.heads import Critic, initialise
from harness.baselines.nn.saliency import GuidedReLU, salient, values_of


def networks() -> tuple[PixelEncoder, Critic]:
    encoder = PixelEncoder(9, 16, num_shared_layers=3, num_filters=5)
    critic = Critic(encoder.representation_dim, 6, 12, 2)
    generator = torch.Generator().manual_seed(0)
    for module in (encoder, critic):
        initialise(module, generator)
        module.double()
    return encoder, critic


def test_the_ordinary_gradient_and_the_values_stay_what_they_are() -> None:
    encoder, critic = networks()
    pixels = torch.rand(3, 9, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    actions = torch.zeros(3, 2, dtype=torch.float64)
    wanted = critic(encoder(pixels.clone()), actions)
    inputs = pixels.clone().requires_grad_()
    (wanted_gradient,) = torch.autograd.grad(critic(encoder(inputs), actions)[0].sum(), inputs)
    relu, inputs = GuidedReLU(), pixels.clone().requires_grad_()
    found = values_of(encoder, critic, inputs, actions, relu)
    guided = relu.gradient(found[0], inputs, keep=True)
    (gradient,) = torch.autograd.grad(found[0].sum(), inputs)
    assert all(torch.equal(*pair) for pair in zip(found, wanted, strict=True))
    assert torch.equal(gradient, wanted_gradient)
    assert not torch.allclose(guided, gradient)


def test_no_negative_signal_leaves_a_relu() -> None:
    relu, x = GuidedReLU(), torch.tensor([-1.0, 1.0, 2.0, 3.0], requires_grad=True)
    output = relu(x) * torch.tensor([1.0, -2.0, 3.0, -4.0])
    assert relu.gradient(output, x, keep=True).tolist() == [0.0, 0.0, 3.0, 0.0]
    assert torch.autograd.grad(output.sum(), x)[0].tolist() == [0.0, -2.0, 3.0, -4.0]


@pytest.mark.parametrize(("quantile", "kept"), [(0.9, 706), (0.98, 142), (0.0, 7056), (1.0, 1)])
def test_so_many_pixels_of_each_frame_are_kept(quantile: float, kept: int) -> None:
    gradient = torch.randn(2, 9, 84, 84, generator=torch.Generator().manual_seed(2))
    mask = salient(gradient, quantile)
    assert mask.dtype == torch.bool
    assert mask.sum((2, 3)).tolist() == [[kept] * 9] * 2
    largest, middle = gradient[0, 3:6].abs().amax(0), mask[0, 4]
    assert float(largest[middle].min()) > float(largest[~middle].max() if kept < 7056 else -1.0)


def test_equal_pixels_are_all_kept() -> None:
    assert salient(torch.zeros(1, 3, 4, 4), 0.9).all()
