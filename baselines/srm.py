"""SRM as RL-ViGen has it: its SVEA, whose overlaid pictures also lose a random band of frequencies.

Huang, Peng, Zhao, Zhai, Fang, Tian, Zhang, "Spectrum Random Masking for Generalization in Image-based Reinforcement
Learning", 2022; gemcollector/RL-ViGen@90d8b8c algos/srm.py and utils.py (`random_mask_freq_v2`).
"""

from __future__ import annotations

from pydantic import Field

from harness.agent import AgentSpec
from harness.baselines import svea_overlay


class Config(svea_overlay.Config):
    """Settings of RL-ViGen's SRM; frequencies are in cycles per pixel, of which 0.5 is the most."""

    masking_probability: float = Field(0.5, ge=0.0, le=1.0)  # of a batch
    band_start_max: float = Field(0.5, ge=0.0, le=0.5)  # the band's lower edge is uniform from 0 to this,
    band_width_max: float = Field(0.05, ge=0.0, le=0.5)  # its width from 0 to this, both rounded to two digits


AGENT = AgentSpec(
    name="srm",
    version=1,
    maker="harness.baselines.learners.srm:make",
    description="RL-ViGen's SRM: its SVEA with a band of frequencies removed from half of the overlaid batches.",
    source=f"Huang et al. 2022; {svea_overlay.RLVIGEN}",
    config=Config,
    published_names=("SRM",),
    task_settings=svea_overlay.AGENT.task_settings,
    preset_settings=svea_overlay.PRESETS,
    tensors=svea_overlay.tensors,
    training_bytes=svea_overlay.training_bytes,
)
