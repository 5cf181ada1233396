"""SGQN as SuReLI/SGQN has it: DrQ whose critic must also know a picture by the pixels that matter to it.

Bertoin, Zouitine, Zouitine, Rachelson, "Look where you look! Saliency-guided Q-networks for generalization in visual
Reinforcement Learning", 2022. RL-ViGen's SGQN, on DrQ-v2, is another agent.
"""

from __future__ import annotations

import math
from typing import Any

from pydantic import Field

from harness.agent import AgentSpec, Sizes
from harness.baselines import sac
from harness.baselines.nn import shapes

# Channels of the decoder: of what the first layer makes, and behind the convolutions but the last.
DECODER = (32, 128, 64)
DECODER_SCALE = 4  # a picture is so many times as high and as wide as what the decoder starts from


class Config(sac.AuxiliaryConfig):
    """Settings of SGQN; defaults from SuReLI/SGQN DMC/src/arguments.py."""

    shift_pad: int = Field(4, ge=0)
    auxiliary_learning_rate: float = Field(3e-4, gt=0.0)
    saliency_quantile: float = Field(0.9, ge=0.0, le=1.0)  # pixels below are masked; cartpole_swingup's script has 0.98
    consistency_weight: float = Field(0.5, ge=0.0)  # of the loss between values of pictures and masked pictures
    overlay_images: str = "auto"  # "auto", "places365" or a folder: see `harness assets list`
    overlay_weight: float = Field(0.5, ge=0.0, le=1.0)  # of the picture

    def required_assets(self) -> tuple[str, ...]:
        """The overlay pictures."""
        return (f"pictures:{self.overlay_images}",)


def decoder_tensors(inputs: int, sizes: Sizes) -> shapes.Tensors:
    """What predicts the mask from features and action, `inputs` numbers in all."""
    channels, size, _ = sizes.pixels
    start = math.ceil(size / DECODER_SCALE)
    tensors = shapes.linear("decoder.first", inputs, DECODER[0] * start * start)
    for index, (before, after) in enumerate(zip(DECODER, (*DECODER[1:], channels), strict=True)):
        tensors |= shapes.convolution(f"decoder.convs.{index}", before, after)
    return tensors


def training_bytes(config: Config, sizes: Sizes) -> int:
    """As of SAC; the second optimiser has averages of the critic's convolutions and projection, and a decoder."""
    trunk = shapes.trunk("critic.trunk", sac.representation_dim(config, sizes), config.feature_dim)
    shared = shapes.num_bytes(sac.encoder_tensors(config, sizes) | trunk)
    decoder = shapes.num_bytes(decoder_tensors(config.feature_dim + sizes.actions, sizes))
    return sac.training_bytes(config, sizes) + 2 * shared + 4 * decoder


PRESETS: dict[str, dict[str, Any]] = {
    "quick": {**sac.QUICK, "auxiliary_learning_rate": 1e-5},
    "laptop": sac.SHIFTED_PRESETS["laptop"],
    "paper": {"overlay_images": "places365"},
}

AGENT = AgentSpec(
    name="sgqn",
    version=1,
    maker="harness.baselines.learners.sgqn:make",
    description="SGQN: DMC-GB's DrQ whose critic is also consistent under, and predicts, what it looks at.",
    source="Bertoin et al. 2022; SuReLI/SGQN@f383fc0 DMC/",
    config=Config,
    published_names=("SGQN",),
    preset_settings=PRESETS,
    tensors=sac.tensors,
    training_bytes=training_bytes,
)
