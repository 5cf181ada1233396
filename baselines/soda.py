"""SODA as nicklashansen/dmcontrol-generalization-benchmark has it: RAD that also learns to see through augmentation.

Hansen, Wang, "Generalization in Reinforcement Learning by Soft Data Augmentation", 2021. The published code augments by
overlays, "SODA (overlay)" in the papers' tables; the policy learns from crops alone.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from harness.agent import AgentSpec, Sizes
from harness.baselines import sac
from harness.baselines.nn import shapes


class Config(sac.CroppedConfig, sac.AuxiliaryConfig):
    """Settings of DMC-GB's SODA; defaults from its src/arguments.py and scripts/soda.sh."""

    auxiliary_learning_rate: float = Field(3e-4, gt=0.0)
    auxiliary_batch_size: int = Field(256, ge=2)  # observations of their own for the second loss
    auxiliary_target_rate: float = Field(0.005, gt=0.0, le=1.0)  # what its target takes of what it follows
    overlay_images: str = "auto"  # "auto", "places365" or a folder: see `harness assets list`
    overlay_weight: float = Field(0.5, ge=0.0, le=1.0)  # of the picture

    def required_assets(self) -> tuple[str, ...]:
        """The overlay pictures."""
        return (f"pictures:{self.overlay_images}",)


def training_bytes(config: Config, sizes: Sizes) -> int:
    """As of SAC; the second loss adds averages for the convolutions, a projection of its own, and targets of both."""
    encoder = shapes.num_bytes(sac.encoder_tensors(config, sizes))
    width = config.feature_dim
    first = shapes.linear("projector", sac.representation_dim(config, sizes), width)
    rest = 3 * shapes.num_bytes(shapes.linear("", width, width))
    return sac.training_bytes(config, sizes) + 3 * encoder + 5 * (shapes.num_bytes(first) + rest)


PRESETS: dict[str, dict[str, Any]] = {
    "quick": {**sac.QUICK, "auxiliary_learning_rate": 1e-5, "auxiliary_batch_size": 16},
    "laptop": {**sac.CROPPED_LAPTOP, "auxiliary_batch_size": 128},
    "paper": {"overlay_images": "places365"},
}

AGENT = AgentSpec(
    name="soda",
    version=1,
    maker="harness.baselines.learners.soda:make",
    description="DMC-GB's SODA: RAD whose convolutions also learn to see through overlaid pictures.",
    source=f"Hansen and Wang 2021; {sac.DMCGB}",
    config=Config,
    image_size=sac.CROPPED_FROM,
    published_names=("SODA (overlay)",),
    preset_settings=PRESETS,
    tensors=sac.tensors,
    training_bytes=training_bytes,
)
