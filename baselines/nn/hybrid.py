"""Pictures and proprioception in one: what FERM's networks take, its projection, and which cameras it looks through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import gymnasium
import numpy as np
import torch
from torch import Tensor, nn

from harness.baselines.nn.cnn import PixelEncoder
from harness.baselines.nn.observations import pixel_shape, pixels_of
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.agent import AgentContext, Observation


class Seen(NamedTuple):
    """Observations of a batch."""

    pixels: Tensor  # (N, C, H, W)
    proprio: Tensor  # (N, P); P is 0 for pictures alone

    def to(self, device: torch.device, *, non_blocking: bool = False) -> Seen:
        """Both on a device."""
        return Seen(*(tensor.to(device, non_blocking=non_blocking) for tensor in self))


class HybridEncoder(PixelEncoder):
    """Convolutions with a ReLU after each, the last one too, flattened; proprioception goes past them.

    As PhilipZRH/ferm encoder.py (`PixelEncoder.forward_conv`).
    """

    def forward(self, seen: Seen) -> Tensor:  # type: ignore[override]
        """Pixels with values in 0..1 and (N, P) to (N, R + P)."""
        return torch.cat([torch.relu(super().forward(seen.pixels)), seen.proprio], dim=1)

    def maps(self, seen: Seen) -> Tensor:  # type: ignore[override]
        """What the convolutions make of the pixels."""
        return torch.relu(super().maps(seen.pixels))


class HybridTrunk(nn.Sequential):
    """Linear and LayerNorm, without a tanh, of what convolutions give; proprioception is appended as it is.

    PhilipZRH/ferm curl_sac.py: a code of the picture and the `hybrid_state` side by side.

    Args:
      representation_dim: R, numbers that are projected.
      feature_dim: F, what they are projected to.
    """

    def __init__(self, representation_dim: int, feature_dim: int) -> None:
        super().__init__(nn.Linear(representation_dim, feature_dim), nn.LayerNorm(feature_dim))
        self._representation_dim = representation_dim

    def forward(self, joined: Tensor) -> Tensor:
        """(N, R + P) to (N, F + P)."""
        code, proprio = joined[:, : self._representation_dim], joined[:, self._representation_dim :]
        return torch.cat([super().forward(code), proprio], dim=1)


class Senses:
    """The part of an observation that an agent takes: some of the cameras, and proprioception or not.

    Args:
      context: the world as it is.
      cameras: numbers of the scene's cameras, in the order wanted; none for all of them.
      proprioception: whether it is taken, where the suite offers any.
    Raises:
      UsageError: for a camera that the scene does not have.
    """

    def __init__(self, context: AgentContext, cameras: Sequence[int], proprioception: bool) -> None:
        channels, *size = pixel_shape(context)
        stack = context.frame_stack
        num_cameras = channels // (3 * stack)
        if bad := [camera for camera in cameras if camera >= num_cameras]:
            raise UsageError(f"There is no camera {bad[0]}: the scene of {context.task} has {num_cameras}, from 0 on.")
        order = np.arange(channels).reshape(stack, num_cameras, 3)
        self._channels = order[:, list(cameras)].reshape(-1) if cameras else None
        space: Any = context.observation_space
        self._feels = proprioception and hasattr(space, "spaces") and "proprio" in space.spaces
        self.proprio_dim = int(space["proprio"].shape[0]) if self._feels else 0
        seen = channels if self._channels is None else len(self._channels)
        self.context = replace(context, observation_space=gymnasium.spaces.Box(0, 255, (seen, *size), np.uint8))

    def pixels(self, observation: Observation) -> np.ndarray:
        """uint8 (..., C, H, W)."""
        pixels = pixels_of(observation)
        return pixels if self._channels is None else pixels[..., self._channels, :, :]

    def proprio(self, observation: Observation) -> np.ndarray:
        """float32 (..., P) of an observation or a batch of them."""
        if self._feels:
            assert isinstance(observation, dict)
            return observation["proprio"].astype(np.float32)
        return np.zeros((*pixels_of(observation).shape[:-3], 0), np.float32)
