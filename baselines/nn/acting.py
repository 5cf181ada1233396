"""PIE-G's encoder for acting while nothing is being trained: the same numbers, less to compute."""

from __future__ import annotations

import operator

import torch
from torch import Tensor
from torch.nn import functional as F

from harness.baselines.nn.encoders import FrozenResNetEncoder


class ActingEncoder:
    """The encoder's output with running statistics, equal to its `forward` but for rounding.

    Two things are kept between calls, until a tensor of the encoder changes:

    * the projection rearranged to take the frames' features as they are. With W_j the columns that meet f_j and D_j
      those that meet f_j - f_{j-1}, the column block of f_j is W_j + D_j - D_{j+1} (without W_0, D_0 and D_k, which
      do not exist). Of 2 (k - 1) blocks k are left, and reading them is most of what an action costs.
    * on a CPU, the features of the last observation's frames, of which the next one brings all but one again. Frames
      go through the network one at a time, so that features never depend on what was seen before.

    A change is noticed by itself where torch counts it. Fused optimisers and BatchNorm's running statistics write past
    that count: call `forget` after an update.

    Args:
      encoder: the encoder in use; it may be trained on.
    """

    def __init__(self, encoder: FrozenResNetEncoder) -> None:
        self.encoder = encoder
        self._tensors: list[Tensor] = []  # those the rest was computed from,
        self._versions: list[int] = []  # and how often each had been written to
        self._weight = torch.empty(0)
        self._seen: list[tuple[Tensor, Tensor]] = []

    @torch.no_grad()
    def __call__(self, pixels: Tensor) -> Tensor:
        """(N, 3 * k, H, W), values in -0.5..0.5, to (N, R)."""
        self._refresh()
        linear, norm = self.encoder.projection
        return norm(F.linear(self._features(pixels), self._weight, linear.bias))  # type: ignore[arg-type]

    def forget(self) -> None:
        """Drops what is kept."""
        self._versions = []

    def _features(self, pixels: Tensor) -> Tensor:
        """Frames' features side by side, oldest first: (N, k * C * h * w)."""
        frames = pixels.unflatten(1, (self.encoder.frame_stack, 3)).flatten(0, 1)
        if len(pixels) > 1 or pixels.device.type != "cpu":
            return self.encoder.frame_features(frames).reshape(len(pixels), -1)
        self._seen = [(frame, self._recall(frame)) for frame in frames]
        return torch.cat([features for _, features in self._seen], 1)

    def _recall(self, frame: Tensor) -> Tensor:
        for known, features in self._seen:
            if torch.equal(known, frame):
                return features
        return self.encoder.frame_features(frame[None]).flatten(1)

    def _refresh(self) -> None:
        """Forgets everything if the encoder is not the one it was."""
        tensors = [*self.encoder.parameters(), *self.encoder.buffers()]
        versions = [tensor._version for tensor in tensors]
        same = len(tensors) == len(self._tensors) and all(map(operator.is_, tensors, self._tensors))
        if not same or versions != self._versions:
            self._tensors, self._versions = tensors, versions
            self._seen, self._weight = [], self._rearranged()

    def _rearranged(self) -> Tensor:
        weight: Tensor = self.encoder.projection[0].weight  # type: ignore[assignment]
        k = self.encoder.frame_stack
        blocks = weight.unflatten(1, (2 * (k - 1), -1))
        frames, differences = blocks[:, : k - 1], blocks[:, k - 1 :]
        rearranged = weight.new_zeros(len(weight), k, blocks.shape[2])
        rearranged[:, 1:] += frames
        rearranged[:, 1:] += differences
        rearranged[:, :-1] -= differences
        return rearranged.flatten(1)
