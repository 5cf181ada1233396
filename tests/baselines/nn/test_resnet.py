"""The frozen network: shapes, pretrained values, and the BatchNorm modes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from harness.assets.store import AssetStore
from harness.baselines.nn.encoders import FrozenResNetEncoder
from harness.baselines.nn.resnet import (
    ResNet18,
    group_statistics,
    initialise_randomly,
    load_weights,
    moving_statistics,
    running_statistics,
)
from harness.errors import CorruptAssetError, MissingAssetError
from tests.baselines.world import small_backbone


@pytest.mark.parametrize(
    ("layer", "shape"), [(1, (64, 21, 21)), (2, (128, 11, 11)), (3, (256, 6, 6)), (4, (512, 3, 3))]
)
def test_layer_shapes_at_84(layer: int, shape: tuple[int, int, int]) -> None:
    with torch.device("meta"):
        network = ResNet18(layer)
        assert network(torch.empty(2, 3, 84, 84)).shape == (2, *shape)
    assert (network.out_channels, network.output_size(84)) == shape[:2]


@pytest.mark.parametrize("size", [24, 64, 85, 112, 224])
def test_output_size_for_other_pictures(size: int) -> None:
    with torch.device("meta"):
        network = ResNet18(4)
        assert network(torch.empty(1, 3, size, size)).shape[-1] == network.output_size(size)


def test_parameter_names_are_torchvisions() -> None:
    names = set(ResNet18(2).state_dict())
    for name in ("conv1.weight", "bn1.running_var", "layer1.1.bn2.bias", "layer2.0.downsample.1.num_batches_tracked"):
        assert name in names
    assert len(names) == 60  # 10 convolutions, 10 BatchNorms of five tensors


def pattern(size: int = 84) -> Tensor:
    """((7c + 3i + 5j) mod 17) / 17, normalised as ImageNet classifiers expect."""
    c, i, j = torch.meshgrid(torch.arange(3), torch.arange(size), torch.arange(size), indexing="ij")
    x = ((7 * c + 3 * i + 5 * j) % 17) / 17
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    return ((x - mean[:, None, None]) / std[:, None, None])[None]


@torch.no_grad()
def test_pretrained_weights_compute_what_they_should(asset_store: AssetStore) -> None:
    network = ResNet18(2)
    load_weights(network, asset_store.find("resnet18").files[0])
    out = network(pattern())
    assert float(out.mean()) == pytest.approx(0.145802, abs=2e-6)
    assert float(out.std()) == pytest.approx(0.239200, abs=2e-6)
    expected = torch.tensor([0, 0.087819, 0, 0, 0.479743, 0])
    torch.testing.assert_close(out[0, :6, 5, 5], expected, rtol=0, atol=5e-6)
    batch = network(pattern(), moving_statistics)
    assert float(batch.mean()) == pytest.approx(0.172162, abs=2e-6)
    assert float(batch.std()) == pytest.approx(0.272885, abs=2e-6)


def test_a_whole_torchvision_file_serves_every_layer(tmp_path: Path) -> None:
    whole = ResNet18(4)
    initialise_randomly(whole, 1)
    state = {k: v for k, v in whole.state_dict().items() if "num_batches" not in k}  # as old files are
    torch.save({**state, "fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)}, tmp_path / "w.pth")
    for layer in (2, 4):
        network = ResNet18(layer)
        load_weights(network, tmp_path / "w.pth")
        assert torch.equal(network.layer2[1].conv2.weight, whole.layer2[1].conv2.weight)


def test_files_that_do_not_do(tmp_path: Path) -> None:
    torch.save(ResNet18(2).state_dict(), tmp_path / "short.pt")
    with pytest.raises(MissingAssetError, match=r"up to layer 3 .* short\.pt does not hold: layer3\.0\.conv1\.weight"):
        load_weights(ResNet18(3), tmp_path / "short.pt")
    torch.save(ResNet18(2, width=8).state_dict(), tmp_path / "narrow.pt")
    with pytest.raises(CorruptAssetError, match=r"wrong shapes of conv1\.weight"):
        load_weights(ResNet18(2), tmp_path / "narrow.pt")
    torch.save(nn.Linear(2, 2), tmp_path / "object.pt")
    with pytest.raises(CorruptAssetError, match="other than tensors"):
        load_weights(ResNet18(2), tmp_path / "object.pt")
    (tmp_path / "garbage.pt").write_bytes(b"not a file of tensors at all")
    with pytest.raises(CorruptAssetError):
        load_weights(ResNet18(2), tmp_path / "garbage.pt")


@torch.no_grad()
def test_modes_of_batch_norm() -> None:
    norm = nn.BatchNorm2d(4).double()
    norm.weight.uniform_(0.5, 1.5, generator=torch.Generator().manual_seed(0))
    x = torch.randn(6, 4, 5, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) + 2
    before = {k: v.clone() for k, v in norm.state_dict().items()}
    torch.testing.assert_close(running_statistics(norm, x), norm.eval()(x))
    groups = group_statistics(2)(norm, x)
    for part, out in zip(x.split(3), groups.split(3), strict=True):
        mean, var = part.mean((0, 2, 3)), part.var((0, 2, 3), correction=0)
        by_hand = (part - mean[:, None, None]) / (var + 1e-5).sqrt()[:, None, None] * norm.weight[:, None, None]
        torch.testing.assert_close(out, by_hand + norm.bias[:, None, None])
    assert all(torch.equal(v, before[k]) for k, v in norm.state_dict().items())
    moving_statistics(norm, x)
    torch.testing.assert_close(norm.running_mean, 0.1 * x.mean((0, 2, 3)))
    torch.testing.assert_close(norm.running_var, 0.9 + 0.1 * x.var((0, 2, 3)))  # unbiased, as torch keeps it
    assert int(norm.num_batches_tracked) == 1


@torch.no_grad()
def test_fusion_of_frames() -> None:
    encoder = FrozenResNetEncoder(small_backbone().double(), 3, 24, 16).double()
    pixels = torch.rand(2, 9, 24, 24, dtype=torch.float64) - 0.5
    f0, f1, f2 = (encoder.backbone(pixels[:, 3 * i : 3 * i + 3]) for i in range(3))
    wanted = torch.cat([f1, f2, f1 - f0, f2 - f1], 1).flatten(1)
    torch.testing.assert_close(encoder.fused_features(pixels), wanted)
    assert encoder(pixels).shape == (2, 16)
    assert not any(p.requires_grad for p in encoder.backbone.parameters())
