"""What off-policy agents take from the world: pixels, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.agent import AgentContext, Observation


def pixels_of(observation: Observation) -> np.ndarray:
    """The pixels of an observation or a batch of them; proprioception is not used."""
    return observation["pixels"] if isinstance(observation, dict) else observation


def pixel_shape(context: AgentContext) -> tuple[int, ...]:
    """(C, H, W) of the pixels.

    Raises:
      UsageError: if the pictures are not square stacks of RGB frames, each of one or more cameras.
    """
    space = context.observation_space
    shape = (space["pixels"] if hasattr(space, "spaces") else space).shape  # type: ignore[index]
    if shape is None or len(shape) != 3 or shape[1] != shape[2] or shape[0] % (3 * context.frame_stack):
        raise UsageError(f"Pixels of shape {shape} are not {context.frame_stack} stacked square RGB frames.")
    return tuple(shape)
