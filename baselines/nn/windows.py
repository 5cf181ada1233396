"""Convolutions of pictures that differ from known ones inside a window: only what a window moves is computed."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from harness.baselines.nn.cnn import PixelEncoder


class Span(NamedTuple):
    """A stretch of an axis."""

    first: int
    behind: int  # the index after the last

    @property
    def slice(self) -> slice:
        return slice(self.first, self.behind)

    def reached_by(self, conv: nn.Conv2d, num_outputs: int) -> Span:
        """The outputs of a square convolution without padding that read one of these inputs."""
        kernel, stride = conv.kernel_size[0], conv.stride[0]
        first = max(0, -((kernel - 1 - self.first) // stride))
        return Span(first, min(num_outputs, (self.behind - 1) // stride + 1))

    def read_by(self, conv: nn.Conv2d) -> Span:
        """The inputs that it reads for these outputs."""
        kernel, stride = conv.kernel_size[0], conv.stride[0]
        return Span(self.first * stride, (self.behind - 1) * stride + kernel)

    def inside(self, outer: Span) -> Span:
        """What lies in another stretch, counted from where that starts."""
        return Span(max(0, self.first - outer.first), min(self.behind, outer.behind) - outer.first)


class Window(NamedTuple):
    """A rectangle of a picture or of a map."""

    rows: Span
    columns: Span

    @property
    def is_empty(self) -> bool:
        return any(first >= behind for first, behind in self)

    def of(self, maps: Tensor) -> Tensor:
        """What lies there in maps (..., H, W): a view."""
        return maps[..., self.rows.slice, self.columns.slice]

    def reached_by(self, conv: nn.Conv2d, maps: Tensor) -> Window:
        """Where a convolution's outputs, of the size of `maps`, read something of it."""
        rows, columns = (s.reached_by(conv, n) for s, n in zip(self, maps.shape[2:], strict=True))
        return Window(rows, columns)

    def read_by(self, conv: nn.Conv2d) -> Window:
        """Where the convolution reads for these outputs."""
        return Window(self.rows.read_by(conv), self.columns.read_by(conv))

    def inside(self, outer: Window) -> Window:
        """What lies in another window, in that one's coordinates."""
        return Window(self.rows.inside(outer.rows), self.columns.inside(outer.columns))


class WindowedEncoder:
    """What an encoder makes of pictures, and of the same pictures with other values in a window.

    The first costs a whole pass and is kept, layer by layer. The second computes, layer by layer, what the window
    reaches, with what it does not reach around it: as a whole pass would, up to rounding.

    Args:
      encoder: its convolutions have no padding, and a ReLU stands before each but the first.
      pixels: (N, C, H, W), values in 0..1.
    """

    def __init__(self, encoder: PixelEncoder, pixels: Tensor) -> None:
        self._convs: list[nn.Conv2d] = [*encoder.shared.convs, *encoder.head.convs]
        self._maps = [pixels]  # what each convolution reads, and what the last one gives
        for conv in self._convs:
            self._maps.append(conv(self._maps[-1]))
            if conv is not self._convs[-1]:
                self._maps[-1].relu_()

    @property
    def representation(self) -> Tensor:
        """Of the pictures as they are: (N, R)."""
        return self._maps[-1].flatten(1)

    def replaced(self, window: Window, values: Tensor) -> Tensor:
        """Of the pictures with other values, (N, C, h, w), in a window of h x w pixels: (N, R)."""
        for conv, (before, after) in zip(self._convs, pairwise(self._maps), strict=True):
            reached = window.reached_by(conv, after)
            if reached.is_empty:  # a stride may pass over the border
                return self.representation
            around = reached.read_by(conv)
            tile = framed(around.of(before), window.inside(around), values, rectified=conv is not self._convs[0])
            window, values = reached, conv(tile)
        whole = Window(Span(0, self._maps[-1].shape[2]), Span(0, self._maps[-1].shape[3]))
        return framed(self._maps[-1], window.inside(whole), values, rectified=False).flatten(1)


def framed(maps: Tensor, window: Window, values: Tensor, *, rectified: bool) -> Tensor:
    """A copy of maps with other values, or their ReLU, in a window.

    Args:
      maps: (N, C, H, W).
      values: (N, C, h, w); what sticks out of the maps is left out.
    """
    rows, columns = window
    tile = torch.empty_like(maps, memory_format=torch.channels_last)
    for strip in (
        Window(Span(0, rows.first), Span(0, maps.shape[3])),
        Window(Span(rows.behind, maps.shape[2]), Span(0, maps.shape[3])),
        Window(rows, Span(0, columns.first)),
        Window(rows, Span(columns.behind, maps.shape[3])),
    ):
        strip.of(tile).copy_(strip.of(maps))
    middle, values = window.of(tile), values[..., : rows.behind - rows.first, : columns.behind - columns.first]
    torch.clamp_min(values, 0.0, out=middle) if rectified else middle.copy_(values)
    return tile
