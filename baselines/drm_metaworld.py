"""DrM as it is trained on Metaworld: critics with dropout and LayerNorm, a constant weight of predicted values.

XuGW-Kevin/DrM@317116a agents/drm_mw.py, cfgs/agent/drm_mw.yaml and cfgs/task/metaworld.yaml. The schedules of n-step
and discount that the latter speaks of are never applied: where they start is where they stay.
"""

from __future__ import annotations

from pydantic import Field

from harness.agent import AgentSpec, Sizes
from harness.baselines import drm
from harness.baselines.nn import shapes


class Config(drm.Config):
    """Settings of DrM's variant for Metaworld."""

    awaken_after_exploration: bool = False
    perturb_max: float = Field(0.95, ge=0.0, le=1.0)
    value_weight: float = Field(0.5, ge=0.0, le=1.0)
    value_temperature: float | None = Field(None, ge=0.0)
    critic_dropout: float | None = Field(0.01, ge=0.0, lt=1.0)
    n_step: int = Field(10, ge=1)  # 3, and 7 that a schedule was to take away
    discount: float = Field(0.97, ge=0.0, le=1.0)  # 0.997, less 0.02 and 0.007 that schedules were to take away
    noise_steps: int = Field(500_000, ge=1)


def training_bytes(config: Config, sizes: Sizes) -> int:
    """As of DrM; the critics' LayerNorms are too small to count."""
    return drm.training_bytes(config, sizes)


def tensors(config: Config, sizes: Sizes) -> shapes.Tensors:
    """What a policy file holds: as of DrM."""
    return drm.tensors(config, sizes)


AGENT = AgentSpec(
    name="drm_metaworld",
    version=1,
    maker="harness.baselines.learners.drm_metaworld:make",
    description="DrM's variant for Metaworld: critics with dropout and LayerNorm, other constants.",
    source="Xu et al. 2023; XuGW-Kevin/DrM@317116a",
    config=Config,
    min_image_size=15,
    preset_settings={"quick": drm.QUICK, "laptop": drm.LAPTOP},
    tensors=tensors,
    training_bytes=training_bytes,
)
