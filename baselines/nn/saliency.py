"""What a critic looks at: guided backpropagation, and the pixels it says matter most.

Springenberg, Dosovitskiy, Brox, Riedmiller, "Striving for Simplicity: The All Convolutional Net", 2014;
SuReLI/SGQN DMC/src/algorithms/rl_utils.py.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from harness.baselines.nn.cnn import PixelEncoder
from harness.baselines.nn.encoders import ProjectedConvEncoder
from harness.baselines.nn.heads import Critic


class GuidedReLU:
    """A ReLU whose gradient can also be asked for as guided backpropagation has it: what is negative goes no further.

    One pass through the networks then gives both the ordinary gradient and the guided one.
    """

    def __init__(self) -> None:
        self._guiding = False

    def __call__(self, x: Tensor) -> Tensor:
        if x.requires_grad:
            x.register_hook(self._behind)
        return torch.relu(x)

    def _behind(self, gradient: Tensor) -> Tensor:
        return gradient.clamp(min=0.0) if self._guiding else gradient

    def gradient(self, output: Tensor, inputs: Tensor, *, keep: bool) -> Tensor:
        """The guided gradient of an output's sum with respect to `inputs`.

        Args:
          keep: whether the ordinary gradient is asked for afterwards.
        """
        self._guiding = True
        try:
            return torch.autograd.grad(output.sum(), inputs, retain_graph=keep)[0]
        finally:
            self._guiding = False


def values_of(
    encoder: PixelEncoder | ProjectedConvEncoder, critic: Critic, pixels: Tensor, actions: Tensor, relu: GuidedReLU
) -> tuple[Tensor, Tensor]:
    """Both values, (N, 1) each; on the way to the first, every ReLU is the one given."""
    joined = torch.cat([critic.trunk(encoder(pixels, relu)), actions], dim=-1)
    first = joined
    for layer in critic.q1:
        first = relu(first) if isinstance(layer, nn.ReLU) else layer(first)
    return first, critic.q2(joined)


def salient(gradient: Tensor, quantile: float) -> Tensor:
    """The pixels of each frame whose gradient, the largest of its colours, is not below the frame's quantile.

    Args:
      gradient: (N, 3 * k, H, W).
      quantile: in 0..1, interpolated linearly between neighbouring values.
    Returns:
      bool (N, 3 * k, H, W), the same for the three colours.
    """
    largest = gradient.unflatten(1, (-1, 3)).abs().amax(2)
    # Frame by frame: `quantile` takes 16 million numbers at most.
    frames = [torch.quantile(frame, quantile, dim=1) for frame in largest.flatten(2).unbind(1)]
    return (largest >= torch.stack(frames, 1)[:, :, None, None]).repeat_interleave(3, dim=1)
