"""DrQ as nicklashansen/dmcontrol-generalization-benchmark has it: SAC with random shifts, one of each picture.

Kostrikov, Yarats, Fergus, "Image Augmentation Is All You Need: Regularizing Deep Reinforcement Learning from Pixels",
2020. This is the DrQ that the tables of SVEA and PIE-G quote; the authors' own, which averages over two shifts
on another network, is `drq_original`.
"""

from __future__ import annotations

from pydantic import Field

from harness.agent import AgentSpec
from harness.baselines import sac


class Config(sac.Config):
    """Settings of DMC-GB's DrQ; K = M = 1 in the paper's terms."""

    shift_pad: int = Field(4, ge=0)


AGENT = AgentSpec(
    name="drq",
    version=1,
    maker="harness.baselines.learners.drq:make",
    description="DMC-GB's DrQ: SAC with random shifts, K = M = 1 (not the authors' own, which averages over two).",
    source=f"Kostrikov et al. 2020; {sac.DMCGB}",
    config=Config,
    published_names=("DrQ",),
    preset_settings=sac.SHIFTED_PRESETS,
    tensors=sac.tensors,
    training_bytes=sac.training_bytes,
)
