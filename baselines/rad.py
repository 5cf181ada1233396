"""RAD as nicklashansen/dmcontrol-generalization-benchmark has it: SAC on random crops of larger pictures.

Laskin, Lee, Stooke, Pinto, Abbeel, Srinivas, "Reinforcement Learning with Augmented Data", 2020. Of the paper's
augmentations this is the crop.
"""

from __future__ import annotations

from harness.agent import AgentSpec
from harness.baselines import sac


class Config(sac.CroppedConfig):
    """Settings of DMC-GB's RAD: SAC's, and the crop."""


AGENT = AgentSpec(
    name="rad",
    version=1,
    maker="harness.baselines.learners.rad:make",
    description="DMC-GB's RAD: SAC on random crops, 100 to 84 pixels.",
    source=f"Laskin et al. 2020; {sac.DMCGB}",
    config=Config,
    image_size=sac.CROPPED_FROM,
    published_names=("RAD",),
    preset_settings=sac.CROPPED_PRESETS,
    tensors=sac.tensors,
    training_bytes=sac.training_bytes,
)
