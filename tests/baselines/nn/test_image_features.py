"""A network of the user's own gives the features that it makes of the inner 7/8 of a picture, and is not trained."""

from __future__ import annotations

import math

import pytest
import torch
from pydantic import ValidationError

from harness.baselines import rrl, rrl_sac
from harness.baselines.nn.image_features import ImageFeatures
from harness.baselines.nn.mobilenet import PaddedConv
from harness.errors import UsageError

OWN = "tests.baselines.nn.own_encoders:"


@pytest.mark.parametrize(("name", "factor"), [("means", 2.0), ("places", 1.0)])
def test_an_own_network_sees_the_inner_picture_in_0_to_1(name: str, factor: float) -> None:
    pictures = torch.randint(256, (2, 3, 16, 16), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    features = ImageFeatures(OWN + name, image_size=16)
    expected = factor * pictures[..., 1:15, 1:15].double().mean((2, 3)) / 255
    assert features.dim == 3
    torch.testing.assert_close(features(pictures).double(), expected, atol=1e-6, rtol=0)
    assert not features.network.training
    assert not any(parameter.requires_grad for parameter in features.parameters())


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("rows", r"neither \(1, D\) nor"), ("nothing", "NoneType, not a torch.nn.Module"), ("absent", "absent")],
)
def test_what_is_no_encoder_is_told_in_a_sentence(name: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        ImageFeatures(OWN + name, image_size=16)


def test_its_code_is_what_a_run_needs() -> None:
    for config in (rrl.Config(encoder=OWN + "means"), rrl_sac.Config(encoder=OWN + "means")):
        assert config.required_assets() == (f"code:{OWN}means",)
    with pytest.raises(ValidationError, match=r"none of resnet34, .*nor package\.module:callable"):
        rrl.Config(encoder="resnet43")
    with pytest.raises(ValidationError, match="none of resnet34"):
        rrl_sac.Config(encoder="resnet43")


@pytest.mark.parametrize("height", [6, 7, 11, 42])
@pytest.mark.parametrize("width", [8, 21])
def test_tensorflow_s_padding_is_its_formula_for_any_size(height: int, width: int) -> None:
    """SAME: ceil(n / stride) outputs; what is lacking for them is added, the smaller half in front."""
    conv = PaddedConv(2, 3, 3, 2, 0, bias=False).double()
    image = torch.randn(1, 2, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    pads = [max((math.ceil(n / 2) - 1) * 2 + 3 - n, 0) for n in (width, height)]
    padded = torch.nn.functional.pad(image, [part for pad in pads for part in (pad // 2, pad - pad // 2)])
    wanted = torch.nn.functional.conv2d(padded, conv.weight, stride=2)
    assert wanted.shape[-2:] == (math.ceil(height / 2), math.ceil(width / 2))
    torch.testing.assert_close(conv(image), wanted)
