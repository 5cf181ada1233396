"""TLDA: DrQ whose critic also learns from random convolutions of what the policy does not look at.

Yuan, Ma, Mu, Xia, Yuan, Wang, Luo, Xu, "Don't Touch What Matters: Task-Aware Lipschitz Data Augmentation for Visual
Reinforcement Learning", 2022; gemcollector/TLDA@a34172b src/algorithms/tlda.py.
"""

from __future__ import annotations

from pydantic import Field, field_validator

from harness.agent import AgentSpec
from harness.baselines import drq, sac


class Config(drq.Config):
    """Settings of TLDA; defaults from its src/arguments.py, whose names for them are in brackets."""

    mask_spacing: int = Field(7, ge=1)  # pixels between two spots that are blurred in turn (width)
    mask_sigma: float = Field(5.0, gt=0.0)  # of a spot, pixels (radius)
    blur_kernel: int = Field(13, ge=1)  # pixels, odd (mean)
    blur_sigma: float = Field(3.0, gt=0.0)  # pixels (std)
    loss_lambda: float = Field(1.0, ge=0.0)  # of the loss on mixed pictures; 1: the mean of both, as published (lamba)
    max_pictures: int = Field(64, ge=1)  # that the policy is shown at once while spots are blurred: memory, not results

    @field_validator("blur_kernel")
    @classmethod
    def _is_odd(cls, value: int) -> int:
        if value % 2 == 0:
            raise ValueError(f"{value} is even: a blur needs a pixel in its middle")
        return value


# 144 more pictures for every one of a batch: fewer updates than the family's quick ones.
QUICK = {**sac.QUICK, "batch_size": 4, "num_catch_up_updates": 2, "update_every_steps": 50}
LAPTOP = {**sac.SHIFTED_PRESETS["laptop"], "batch_size": 16, "update_every_steps": 4}

AGENT = AgentSpec(
    name="tlda",
    version=2,
    maker="harness.baselines.learners.tlda:make",
    description="DrQ whose critic also learns from random convolutions of what its policy does not look at.",
    source="Yuan et al. 2022; gemcollector/TLDA@a34172b",
    config=Config,
    published_names=("TLDA",),
    preset_settings={"quick": QUICK, "laptop": LAPTOP},
    tensors=sac.tensors,
    training_bytes=sac.training_bytes,
)
