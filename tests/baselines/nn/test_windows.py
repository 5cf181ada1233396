"""A window's passes give what whole passes give, and cost less."""

from __future__ import annotations

import pytest
import torch

from harness.baselines.nn.cnn import PixelEncoder
from harness.baselines.nn.flops import counted
from harness.baselines.nn.importance import cut_out, spot_masks
from harness.baselines.nn.windows import Span, Window, WindowedEncoder

SPANS = [Span(0, 1), Span(0, 7), Span(3, 4), Span(6, 19), Span(11, 12), Span(20, 24), Span(23, 24), Span(0, 24)]


def encoder_of(channels: int, size: int, *layers: int) -> PixelEncoder:
    encoder = PixelEncoder(channels, size, *layers, num_filters=5).double().requires_grad_(False)
    generator = torch.Generator().manual_seed(size)
    for parameter in encoder.parameters():
        parameter.normal_(0.0, 0.3, generator=generator)
    return encoder


@pytest.mark.parametrize("layers", [(1, 0), (2, 0), (4, 0), (2, 3)])
@pytest.mark.parametrize("size", [24, 25])
def test_every_window_gives_what_a_whole_pass_gives(size: int, layers: tuple[int, int]) -> None:
    encoder = encoder_of(3, size, *layers)
    pixels, others = torch.randn(2, 2, 3, size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    known = WindowedEncoder(encoder, pixels)
    torch.testing.assert_close(known.representation, encoder(pixels), rtol=1e-12, atol=1e-12)
    for rows in SPANS:
        for columns in SPANS:
            window, changed = Window(rows, columns), pixels.clone()
            window.of(changed).copy_(window.of(others))
            found = known.replaced(window, window.of(others))
            torch.testing.assert_close(found, encoder(changed), rtol=1e-12, atol=1e-12)


def test_what_is_known_stays() -> None:
    encoder = encoder_of(3, 24, 3, 0)
    pixels = torch.rand(2, 3, 24, 24, dtype=torch.float64)
    known, window = WindowedEncoder(encoder, pixels), Window(Span(4, 9), Span(0, 24))
    before = known.representation.clone()
    values = torch.rand(2, 3, 5, 24, dtype=torch.float64)
    first, kept = known.replaced(window, values), values.clone()
    assert torch.equal(known.replaced(window, values), first)
    assert torch.equal(values, kept)
    assert torch.equal(known.representation, before)
    assert not torch.equal(first, before)


def test_the_published_spots_cost_less_than_half_of_whole_passes() -> None:
    spots = [cut_out(mask) for mask in torch.from_numpy(spot_masks(84, 7, 5.0)).float()]
    with torch.device("meta"):
        encoder, pixels = PixelEncoder(9, 84), torch.empty(1, 9, 84, 84)
    with torch.no_grad(), counted() as operations:
        known = WindowedEncoder(encoder, pixels)
        whole = operations()
        for window, _ in spots:
            known.replaced(window, window.of(pixels))
        share = (operations() - whole) / (len(spots) * whole)
    assert 0.43 < share < 0.44
