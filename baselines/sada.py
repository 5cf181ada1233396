"""SADA: a squashed Gaussian on DrQ-v2's encoder, whose actor and critic both learn from strongly augmented pictures.

Almuzairee, Hansen, Christensen, "A Recipe for Unbounded Data Augmentation in Visual Reinforcement Learning", 2024;
aalmuzairee/dmcgb2@5fd8fd7 algos/sada.py and augmentations.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from harness.agent import AgentSpec, Sizes
from harness.baselines import drqv2
from harness.baselines.nn import shapes

PHOTOMETRIC = ("conv", "overlay", "conv_overlay")
GEOMETRIC = ("rotate", "shift", "rotate_shift")
GROUPS = {"photo": PHOTOMETRIC, "geo": GEOMETRIC, "all": (*PHOTOMETRIC, *GEOMETRIC)}
StrongAug = Literal["photo", "geo", "all", "conv", "overlay", "conv_overlay", "rotate", "shift", "rotate_shift"]


class Config(drqv2.ReplayConfig):
    """Settings of SADA; defaults from dmcgb2 cfgs/config.yaml."""

    learning_rate: float = Field(5e-4, gt=0.0)  # Adam, for encoder, critic, actor and temperature
    n_step: int = Field(1, ge=1)
    initial_temperature: float = Field(0.1, gt=0.0)
    log_std_min: float = -10.0
    log_std_max: float = 2.0
    strong_augs: tuple[StrongAug, ...] = Field(("all",), min_length=1)  # one is drawn for each picture
    strong_shift_pad: int = Field(16, ge=0)  # largest shift among them, pixels
    overlay_images: str = "auto"  # "auto", "places365" or a folder: see `harness assets list`
    overlay_weight: float = Field(0.5, ge=0.0, le=1.0)  # of the picture

    @property
    def augmentations(self) -> tuple[str, ...]:
        """The strong augmentations, groups spelled out."""
        return tuple(aug for name in self.strong_augs for aug in GROUPS.get(name, (name,)))

    @property
    def overlays(self) -> bool:
        """Whether pictures are laid over any."""
        return any(name.endswith("overlay") for name in self.augmentations)

    def required_assets(self) -> tuple[str, ...]:
        """The overlay pictures."""
        return (f"pictures:{self.overlay_images}",) if self.overlays else ()

    @model_validator(mode="after")
    def _check_log_std(self) -> Config:
        if self.log_std_min >= self.log_std_max:
            raise ValueError(f"log_std_min {self.log_std_min} is not below log_std_max {self.log_std_max}")
        return self


def tensors(config: Config, sizes: Sizes) -> shapes.Tensors:
    """What a policy file holds."""
    channels, size, _ = sizes.pixels
    heads = (shapes.conv_features(size), config.feature_dim, config.hidden_dim)
    return shapes.conv_encoder(channels) | shapes.actor(*heads, 2 * sizes.actions)


def training_bytes(config: Config, sizes: Sizes) -> int:
    """The least a training takes, as of DrQ-v2."""
    heads = (shapes.conv_features(sizes.pixels[1]), config.feature_dim, config.hidden_dim, sizes.actions)
    critic = shapes.num_bytes(shapes.critic(*heads))
    return 4 * (shapes.num_bytes(tensors(config, sizes)) + critic) + critic + drqv2.batch_bytes(config, sizes)


def _without_noise(preset: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in preset.items() if not key.startswith("noise_")}


AGENT = AgentSpec(
    name="sada",
    version=1,
    maker="harness.baselines.learners.sada:make",
    description="SADA: a stochastic actor on DrQ-v2's encoder; actor and critic learn from strong augmentations.",
    source="Almuzairee et al. 2024; aalmuzairee/dmcgb2@5fd8fd7",
    config=Config,
    min_image_size=15,  # four convolutions without padding leave one pixel
    preset_settings={
        "quick": {**_without_noise(drqv2.QUICK), "batch_size": 8},
        "laptop": {**_without_noise(drqv2.LAPTOP), "update_every_steps": 4},
        "paper": {"overlay_images": "places365"},
    },
    tensors=tensors,
    training_bytes=training_bytes,
)
