"""DrQ as its authors have it: SAC on four convolutions, with values and targets averaged over two random shifts.

Kostrikov, Yarats, Fergus, "Image Augmentation Is All You Need: Regularizing Deep Reinforcement Learning from Pixels",
2020 (K = M = 2). The DrQ of the papers' generalization tables is another agent, `drq`.
"""

from __future__ import annotations

from pydantic import Field

from harness.agent import AgentSpec
from harness.baselines import sac


class Config(sac.Config):
    """Settings of the authors' DrQ; defaults from denisyarats/drq config.yaml (its comment asks for batches of 512)."""

    num_shared_layers: int = Field(4, ge=1)
    feature_dim: int = Field(50, ge=1)
    temperature_learning_rate: float = Field(1e-3, gt=0.0)
    temperature_beta1: float = Field(0.9, ge=0.0, lt=1.0)
    encoder_target_rate: float = Field(0.01, gt=0.0, le=1.0)
    num_catch_up_updates: int = Field(1, ge=1)
    shift_pad: int = Field(4, ge=0)
    replay_capacity: int | None = Field(100_000, ge=1)


AGENT = AgentSpec(
    name="drq_original",
    version=1,
    maker="harness.baselines.learners.drq_original:make",
    description="The authors' own DrQ: SAC on 4 convolutions, averaged over two random shifts (K = M = 2).",
    source="Kostrikov et al. 2020; denisyarats/drq@dd040f1",
    config=Config,
    preset_settings=sac.SHIFTED_PRESETS,
    tensors=sac.tensors,
    training_bytes=sac.training_bytes,
)
