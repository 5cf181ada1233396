"""RRL's VAE: its sizes, loss and gradient against a plain implementation, training, and what a kill leaves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load

from harness.assets.encoder_files import find_encoder, write_encoder
from harness.baselines.learners.vae import Sizes, VaeTraining, shrink
from harness.baselines.nn import shapes, vae
from harness.baselines.nn.image_features import ImageFeatures
from harness.errors import CorruptAssetError, MissingAssetError
from tests.baselines.plain_vae import plain_loss

SMALL = Sizes(widths=(4, 6), latent_dim=5)


def test_it_has_the_sizes_of_the_authors() -> None:
    whole, encoder = vae.Vae(), vae.VaeEncoder()
    assert sum(p.numel() for p in encoder.parameters()) == 1_568_576 + 1_984 + 2_048 * 512 + 512
    assert whole.log_variance.weight.shape == (512, 2_048)
    stored = {name: tuple(tensor.shape) for name, tensor in encoder.state_dict().items()}
    assert {name: shape for name, (_, shape) in shapes.vae_encoder().items()} == stored


def test_loss_and_gradient_equal_the_plain_ones() -> None:
    generator = torch.Generator().manual_seed(3)
    network = vae.make_vae(generator, SMALL.widths, SMALL.latent_dim).double()
    pictures = torch.rand(3, 3, 64, 64, generator=generator, dtype=torch.float64)
    noise = torch.randn(3, 5, generator=generator, dtype=torch.float64)
    found = vae.vae_loss(pictures, network(pictures, noise))
    names = dict(network.named_parameters())
    copies = {name: value.detach().clone().requires_grad_() for name, value in names.items()}
    wanted = plain_loss(copies, pictures, noise, len(SMALL.widths), 2.5e-4)
    for name, value in wanted.items():
        assert float(found[name]) == pytest.approx(float(value), rel=1e-9), name
    found["loss"].backward()
    wanted["loss"].backward()
    for name, parameter in names.items():
        torch.testing.assert_close(parameter.grad, copies[name].grad, atol=1e-9, rtol=1e-9)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Bright squares at places of their own, 50 and 30 of them."""
    rng, found = np.random.default_rng(0), []
    for number, num in enumerate((50, 30)):
        pictures = np.zeros((num, 3, 64, 64), np.uint8)
        for picture, (row, column) in zip(pictures, rng.integers(0, 40, (num, 2)), strict=True):
            picture[:, row : row + 24, column : column + 24] = 255
        found.append(tmp_path / f"episode{number:06d}.npy")
        np.save(found[-1], pictures)
    return found


def test_reconstructions_get_better(files: list[Path], tmp_path: Path) -> None:
    seen: list[float] = []
    VaeTraining(files, tmp_path, 0, SMALL).train(8, lambda epoch, losses: seen.append(losses["reconstruction"]))
    assert len(seen) == 8
    assert seen[-1] < 0.6 * seen[0]


def test_a_stopped_training_ends_with_the_same_file(files: list[Path], tmp_path: Path) -> None:
    def quiet(epoch: int, losses: object) -> None:
        """Tells nothing."""

    def stop(epoch: int, losses: object) -> None:
        if epoch == 2:
            raise KeyboardInterrupt

    folders = [tmp_path / "whole", tmp_path / "stopped"]
    for folder in folders:
        folder.mkdir()
    whole = VaeTraining(files, folders[0], 1, SMALL)
    whole.train(3, quiet)
    with pytest.raises(KeyboardInterrupt):
        VaeTraining(files, folders[1], 1, SMALL).train(3, stop)
    again = VaeTraining(files, folders[1], 1, SMALL)
    again.train(3, quiet)
    assert again.encoder_bytes() == whole.encoder_bytes()
    other = VaeTraining(files, tmp_path, 2, SMALL)
    other.train(3, quiet)
    assert other.encoder_bytes() != whole.encoder_bytes()


def test_its_features_are_the_means_of_whole_pictures(files: list[Path], tmp_path: Path) -> None:
    training = VaeTraining(files, tmp_path, 0)
    path = write_encoder("vae", training.encoder_bytes(), tmp_path)
    features = ImageFeatures(path.stem, image_size=96)
    features.load(find_encoder([tmp_path], path.stem))
    pictures = torch.randint(256, (2, 3, 96, 96), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    network = vae.VaeEncoder()
    network.load_state_dict(load(path.read_bytes()))
    with torch.no_grad():
        wanted = network.eval()(pictures.float() / 255)
    torch.testing.assert_close(features(pictures), wanted, atol=1e-5, rtol=1e-5)
    assert features.dim == 512


def test_a_file_is_what_its_name_says(tmp_path: Path) -> None:
    path = write_encoder("vae", b"some bytes", tmp_path)
    assert find_encoder([tmp_path / "elsewhere", tmp_path], path.stem).identity == f"sha256:{path.stem[4:]}"
    with pytest.raises(MissingAssetError, match="no folder of assets holds"):
        find_encoder([tmp_path / "elsewhere"], path.stem)
    path.write_bytes(b"other bytes")
    with pytest.raises(CorruptAssetError, match="damaged or renamed"):
        find_encoder([tmp_path], path.stem)


def test_pictures_shrink_to_their_means() -> None:
    picture = np.full((1, 3, 128, 128), 200, np.uint8)
    assert np.array_equal(shrink(picture), np.full((1, 3, 64, 64), 200, np.uint8))
