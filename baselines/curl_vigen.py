"""CURL as RL-ViGen has it: DrQ-v2 whose encoder is to know a picture again by another shift of it.

Laskin, Srinivas, Abbeel, "CURL: Contrastive Unsupervised Representations for Reinforcement Learning", 2020;
gemcollector/RL-ViGen@90d8b8c algos/curl.py. There is no slow copy of the encoder. DMC-GB's CURL is the agent `curl`.
"""

from __future__ import annotations

from pydantic import Field

from harness.agent import AgentSpec, Sizes
from harness.baselines import drqv2
from harness.baselines.nn import shapes
from harness.baselines.svea_overlay import RLVIGEN


class ProjectedConfig(drqv2.Config):
    """Settings of RL-ViGen's agents that have a Linear behind DrQ-v2's convolutions, and a loss beside."""

    representation_dim: int = Field(512, ge=1)  # behind the Linear
    auxiliary_learning_rate: float = Field(1e-4, gt=0.0)  # Adam of what is learned beside
    auxiliary_beta1: float = Field(0.99, ge=0.0, lt=1.0)


class Config(ProjectedConfig):
    """Settings of RL-ViGen's CURL; defaults from its cfgs/curl_config.yaml."""


def encoder_tensors(config: ProjectedConfig, sizes: Sizes) -> shapes.Tensors:
    """Convolutions and the Linear behind them."""
    features = shapes.conv_features(sizes.pixels[1])
    projection = shapes.linear("encoder.projection", features, config.representation_dim)
    return shapes.conv_encoder(sizes.pixels[0]) | projection


def tensors(config: ProjectedConfig, sizes: Sizes) -> shapes.Tensors:
    """What a policy file holds."""
    return encoder_tensors(config, sizes) | shapes.actor(*_heads(config, sizes))


def projected_bytes(config: ProjectedConfig, sizes: Sizes) -> int:
    """The least a training takes without what is learned beside, as of DrQ-v2."""
    critic = shapes.num_bytes(shapes.critic(*_heads(config, sizes)))
    return 4 * (shapes.num_bytes(tensors(config, sizes)) + critic) + critic + drqv2.batch_bytes(config, sizes)


def training_bytes(config: Config, sizes: Sizes) -> int:
    """As of DrQ-v2, and W to learn."""
    return projected_bytes(config, sizes) + 4 * shapes.FLOAT_BYTES * config.representation_dim**2


def _heads(config: ProjectedConfig, sizes: Sizes) -> tuple[int, int, int, int]:
    return config.representation_dim, config.feature_dim, config.hidden_dim, sizes.actions


QUICK = {**drqv2.QUICK, "batch_size": 8, "auxiliary_learning_rate": 1e-5}

AGENT = AgentSpec(
    name="curl_vigen",
    version=1,
    maker="harness.baselines.learners.curl_vigen:make",
    description="RL-ViGen's CURL: DrQ-v2 with a contrastive loss on its encoder (`curl` is DMC-GB's).",
    source=f"Laskin et al. 2020; {RLVIGEN}",
    config=Config,
    min_image_size=15,  # four convolutions without padding leave one pixel
    task_settings=drqv2.TASK_SETTINGS,
    preset_settings={"quick": QUICK, "laptop": drqv2.LAPTOP},
    tensors=tensors,
    training_bytes=training_bytes,
)
