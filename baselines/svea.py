"""SVEA as in nicklashansen/dmcontrol-generalization-benchmark: DrQ whose critic also learns from random convolutions.

Hansen, Su, Wang, "Stabilizing Deep Q-Learning with ConvNets and Vision Transformers under Data Augmentation", 2021.
The published code augments by random convolution only, "SVEA (conv)" in the paper's table.
"""

from __future__ import annotations

from pydantic import Field

from harness.agent import AgentSpec
from harness.baselines import drq, sac


class Config(drq.Config):
    """Settings of DMC-GB's SVEA; defaults from its src/arguments.py."""

    clean_weight: float = Field(0.5, ge=0.0)  # of the critic's loss on shifted pictures, the paper's alpha,
    augmented_weight: float = Field(0.5, ge=0.0)  # and on the same after random convolution, its beta


AGENT = AgentSpec(
    name="svea",
    version=1,
    maker="harness.baselines.learners.svea:make",
    description="DMC-GB's SVEA: DrQ whose critic also learns from random convolutions.",
    source=f"Hansen et al. 2021; {sac.DMCGB}",
    config=Config,
    published_names=("SVEA (conv)",),
    preset_settings=sac.SHIFTED_PRESETS,
    tensors=sac.tensors,
    training_bytes=sac.training_bytes,
)
