"""PIE-G: DrQ-v2 on the features of an early layer of a frozen, ImageNet-trained ResNet-18.

Yuan, Xue, Yuan, Wang, Wu, Gao, Xu, "Pre-Trained Image Encoder for Generalizable Visual Reinforcement Learning",
2022; gemcollector/PIE-G@3588cf8. Where paper and code differ, the code's behaviour is the default and the choice is a
setting; see docs/agents.md.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from harness.agent import AgentSpec, Sizes
from harness.baselines import drqv2
from harness.baselines.nn import shapes

BatchNormMode = Literal["batch", "running"]


class Config(drqv2.Config):
    """Settings of PIE-G; defaults from gemcollector/PIE-G cfgs/piegconfig.yaml and pieg.py."""

    evaluation_settings: ClassVar[tuple[str, ...]] = ("bn_eval",)

    feature_dim: int = Field(256, ge=1)
    representation_dim: int = Field(1024, ge=1)  # width of the trained projection behind the frozen network
    layer: int = Field(2, ge=1, le=4)  # last ResNet layer that is used
    overlay_images: str = "auto"  # "auto", "places365" or a folder: see `harness assets list`
    overlay_weight: float = Field(0.5, ge=0.0, le=1.0)  # of the picture in the strong augmentation
    bn_train: BatchNormMode = "batch"  # BatchNorm in updates; "batch" also moves the running statistics
    bn_collect: BatchNormMode = "running"  # when acting to gather experience
    bn_curve: BatchNormMode = "running"  # when evaluated during training
    bn_eval: BatchNormMode = "batch"  # in the final evaluation, whatever the setting
    frozen_dtype: Literal["float32", "bfloat16"] = "float32"  # of the frozen convolutions; bfloat16: faster, not exact
    bn_constructor_noise: bool = True  # the published constructor moves the running statistics once, by pure noise

    def required_assets(self) -> tuple[str, ...]:
        """Weights of the layers used, and the overlay pictures."""
        return ("resnet18" if self.layer <= 2 else "resnet18_full", f"pictures:{self.overlay_images}")


def tensors(config: Config, sizes: Sizes) -> shapes.Tensors:
    """What a policy file holds, the frozen network included."""
    frozen = shapes.resnet18("encoder.backbone", config.layer)
    heads = (config.representation_dim, config.feature_dim, config.hidden_dim, sizes.actions)
    return frozen | _projection(config, sizes) | shapes.actor(*heads)


def training_bytes(config: Config, sizes: Sizes) -> int:
    """The least a training takes, as of DrQ-v2; a frozen network has neither gradients nor averages."""
    heads = (config.representation_dim, config.feature_dim, config.hidden_dim, sizes.actions)
    critic = shapes.num_bytes(shapes.critic(*heads))
    trained = shapes.num_bytes(_projection(config, sizes) | shapes.actor(*heads)) + critic
    return 4 * trained + critic + drqv2.batch_bytes(config, sizes)


def _projection(config: Config, sizes: Sizes) -> shapes.Tensors:
    differences = 2 * (sizes.frame_stack - 1)
    features = differences * shapes.resnet_features(config.layer, sizes.pixels[1])
    name = "encoder.projection"
    return shapes.linear(f"{name}.0", features, config.representation_dim) | shapes.layer_norm(
        f"{name}.1", config.representation_dim
    )


# A batch is nine pictures per step through the frozen network, which costs four times what DrQ-v2's does.
LAPTOP = {**drqv2.LAPTOP, "batch_size": 64, "representation_dim": 256, "update_every_steps": 2}

AGENT = AgentSpec(
    name="pieg",
    version=2,
    maker="harness.baselines.learners.pieg:make",
    description="DrQ-v2 on an early layer of a frozen ImageNet ResNet-18, overlay augmentation.",
    source="Yuan et al. 2022; gemcollector/PIE-G@3588cf8",
    config=Config,
    min_frame_stack=2,  # it takes differences of frames
    published_names=("PIE-G",),
    task_settings=drqv2.TASK_SETTINGS,
    preset_settings={
        "quick": {**drqv2.QUICK, "batch_size": 8, "num_exploration_steps": 750},
        "laptop": LAPTOP,
        "paper": {"overlay_images": "places365"},
    },
    tensors=tensors,
    training_bytes=training_bytes,
)
