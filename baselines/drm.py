"""DrM: DrQ-v2 that watches how much of its policy is dormant, and explores, resets and trusts its values by that.

Xu, Zheng, Liang, Wang, Yuan, Ji, Luo, Liu, Yuan, Hua, Li, Ze, Daumé, Huang, Xu, "DrM: Mastering Visual Reinforcement
Learning through Dormant Ratio Minimization", 2023; XuGW-Kevin/DrM@317116a agents/drm.py. Its variant for Metaworld,
agents/drm_mw.py, is the agent `drm_metaworld`.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from harness.agent import AgentSpec, Sizes
from harness.baselines import drqv2
from harness.baselines.nn import shapes


class Config(drqv2.Config):
    """Settings of DrM; defaults from its cfgs/agent/drm.yaml and, where that has none, from cfgs/task."""

    dormant_threshold: float = Field(0.025, ge=0.0)  # a unit below this share of its layer's mean is dormant
    dormant_target: float = Field(0.2, ge=0.0, le=1.0)  # ratio below which the policy counts as awake
    dormant_temperature: float = Field(10.0, ge=0.0)  # how sharply the noise answers to the ratio
    dormant_std: float = Field(1.0, ge=0.0)  # the most it gives; an earlier revision of drm.py has 0.8
    noise_type: Literal["awake", "dormant"] = "awake"  # "awake": once awake, never below the linear schedule
    awaken_after_exploration: bool = True  # no awakening while actions are uniform; drm_mw.py does not wait
    perturb_every_steps: int = Field(100_000, ge=1)
    perturb_rate: float = Field(2.0, ge=0.0)
    perturb_min: float = Field(0.2, ge=0.0, le=1.0)  # least and most of a network that a perturbation leaves
    perturb_max: float = Field(0.9, ge=0.0, le=1.0)
    expectile: float = Field(0.9, gt=0.0, lt=1.0)  # weight of values that are predicted too low
    value_weight: float = Field(0.6, ge=0.0, le=1.0)  # of the predicted value in the target, the paper's lambda
    value_temperature: float | None = Field(50.0, ge=0.0)  # how sharply that answers to the ratio; None: not at all
    critic_dropout: float | None = Field(None, ge=0.0, lt=1.0)  # and a LayerNorm before each ReLU; None: neither

    @model_validator(mode="after")
    def _check_perturbation(self) -> Config:
        if self.perturb_min > self.perturb_max:
            raise ValueError(f"perturb_min {self.perturb_min} is above perturb_max {self.perturb_max}")
        return self


MEDIUM = {"noise_steps": 500_000, "perturb_max": 1.0}
# cfgs/task/*.yaml; DrM keeps n-step returns of three steps for walker_run.
TASK_SETTINGS: dict[str, dict[str, Any]] = {
    "walker_run": {"noise_steps": 500_000, "perturb_max": 0.6, "value_weight": 0.3, "batch_size": 512},
    "cheetah_run": MEDIUM,
    "quadruped_walk": {**MEDIUM, "replay_capacity": 100_000},
}

# So that the few steps of `quick` come to see everything, a perturbation among it.
QUICK = {**drqv2.QUICK, "perturb_every_steps": 700}
LAPTOP = {**drqv2.LAPTOP, "perturb_every_steps": 10_000}


def tensors(config: Config, sizes: Sizes) -> shapes.Tensors:
    """What a policy file holds: as of DrQ-v2."""
    return drqv2.tensors(config, sizes)


def training_bytes(config: Config, sizes: Sizes) -> int:
    """As of DrQ-v2, and a network that predicts values."""
    representation = shapes.conv_features(sizes.pixels[1])
    trunk = shapes.trunk("value.trunk", representation, config.feature_dim)
    value = trunk | shapes.mlp("value.value", config.feature_dim, config.hidden_dim, 1)
    return drqv2.training_bytes(config, sizes) + 4 * shapes.num_bytes(value)


AGENT = AgentSpec(
    name="drm",
    version=1,
    maker="harness.baselines.learners.drm:make",
    description="DrQ-v2 that explores, resets and trusts its values by the share of dormant units in its policy.",
    source="Xu et al. 2023; XuGW-Kevin/DrM@317116a",
    config=Config,
    min_image_size=15,  # four convolutions without padding leave one pixel
    published_names=("DrM",),
    task_settings=TASK_SETTINGS,
    preset_settings={"quick": QUICK, "laptop": LAPTOP},
    tensors=tensors,
    training_bytes=training_bytes,
)
