"""SVEA as RL-ViGen has it: DrQ-v2 on eleven convolutions, whose critic also learns from overlaid pictures.

Hansen, Su, Wang, "Stabilizing Deep Q-Learning with ConvNets and Vision Transformers under Data Augmentation", 2021;
Yuan, Yang, Hua, Chang, Hu, Wang, Xu, "RL-ViGen: A Reinforcement Learning Benchmark for Visual Generalization", 2023;
gemcollector/RL-ViGen@90d8b8c algos/svea.py. DMC-GB's SVEA, the one that papers quote, is the agent `svea`.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from harness.agent import AgentSpec, Sizes
from harness.baselines import drqv2
from harness.baselines.nn import shapes

RLVIGEN = "Yuan et al. 2023; gemcollector/RL-ViGen@90d8b8c"


class Config(drqv2.Config):
    """Settings of RL-ViGen's SVEA; defaults from its cfgs/svea_config.yaml."""

    num_layers: int = Field(11, ge=1)  # convolutions, the first with stride 2
    num_filters: int = Field(32, ge=1)
    overlay_images: str = "auto"  # "auto", "places365" or a folder: see `harness assets list`
    overlay_weight: float = Field(0.5, ge=0.0, le=1.0)  # of the picture

    @property
    def min_image_size(self) -> int:
        """A picture with a pixel left behind the last convolution."""
        return shapes.smallest_picture(self.num_layers)

    def required_assets(self) -> tuple[str, ...]:
        """The overlay pictures."""
        return (f"pictures:{self.overlay_images}",)


def tensors(config: Config, sizes: Sizes) -> shapes.Tensors:
    """What a policy file holds."""
    encoder = shapes.convolutions("encoder.shared", sizes.pixels[0], config.num_layers, config.num_filters)
    return encoder | shapes.actor(*_heads(config, sizes))


def training_bytes(config: Config, sizes: Sizes) -> int:
    """The least a training takes, as of DrQ-v2."""
    critic = shapes.num_bytes(shapes.critic(*_heads(config, sizes)))
    return 4 * (shapes.num_bytes(tensors(config, sizes)) + critic) + critic + drqv2.batch_bytes(config, sizes)


def _heads(config: Config, sizes: Sizes) -> tuple[int, int, int, int]:
    representation = config.num_filters * shapes.side_after(config.num_layers, sizes.pixels[1]) ** 2
    return representation, config.feature_dim, config.hidden_dim, sizes.actions


PRESETS: dict[str, dict[str, Any]] = {
    "quick": {**drqv2.QUICK, "batch_size": 8},
    "laptop": {**drqv2.LAPTOP, "num_layers": 4, "update_every_steps": 4},
    "paper": {"overlay_images": "places365"},
}

AGENT = AgentSpec(
    name="svea_overlay",
    version=1,
    maker="harness.baselines.learners.svea_overlay:make",
    description="RL-ViGen's SVEA: DrQ-v2 on 11 convolutions, overlay augmentation (`svea` is DMC-GB's).",
    source=f"Hansen et al. 2021; {RLVIGEN}",
    config=Config,
    task_settings=drqv2.TASK_SETTINGS,
    preset_settings=PRESETS,
    tensors=tensors,
    training_bytes=training_bytes,
)
