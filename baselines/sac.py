"""SAC from pixels as nicklashansen/dmcontrol-generalization-benchmark has it, and what the agents built on it share.

Haarnoja, Zhou, Hartikainen, Tucker, Ha, Tan, Kumar, Zhu, Gupta, Abbeel, Levine, "Soft Actor-Critic Algorithms and
Applications", 2018; nicklashansen/dmcontrol-generalization-benchmark@ff9c0aa ("DMC-GB") src/algorithms/sac.py.
"""

from __future__ import annotations

import math
from typing import Any

from pydantic import Field, model_validator

from harness import agent
from harness.agent import AgentSpec, Sizes
from harness.baselines.nn import budget, shapes

DMCGB = "nicklashansen/dmcontrol-generalization-benchmark@ff9c0aa"


class HeadsConfig(agent.Config):
    """Settings of the SAC family but for what makes a vector of pictures; defaults from DMC-GB src/arguments.py.

    A step is one decision of the agent, a frame is a step times the action repeat.
    """

    hidden_dim: int = Field(1024, ge=1)
    learning_rate: float = Field(1e-3, gt=0.0)  # Adam, for critic (with the convolutions) and actor
    temperature_learning_rate: float = Field(1e-4, gt=0.0)
    temperature_beta1: float = Field(0.5, ge=0.0, lt=1.0)  # of its Adam
    initial_temperature: float = Field(0.1, gt=0.0)
    log_std_min: float = -10.0
    log_std_max: float = 2.0
    discount: float = Field(0.99, ge=0.0, le=1.0)
    batch_size: int = Field(128, ge=1)
    target_rate: float = Field(0.01, gt=0.0, le=1.0)  # what the targets of Q1 and Q2 take of them
    num_exploration_steps: int = Field(1_000, ge=1)  # uniform actions, no update
    num_catch_up_updates: int = Field(1_000, ge=1)  # in a row when they are over
    update_every_steps: int = Field(1, ge=1)
    actor_every_updates: int = Field(2, ge=1)  # actor and temperature
    target_every_updates: int = Field(2, ge=1)
    replay_capacity: int | None = Field(None, ge=1)  # steps; None: all of the training
    bootstrap_terminal: bool = False  # as published, a true termination cuts the bootstrap; the time limit does not

    def training_problem(self, train_frames: int, episode_frames: int, action_repeat: int) -> str | None:
        """Nothing is updated before the random actions are over."""
        num_steps = math.ceil(train_frames / action_repeat)
        if num_steps <= self.num_exploration_steps:
            return f"its first update comes after {self.num_exploration_steps} steps of random actions"
        return budget.batch_problem(self.batch_size, self.replay_capacity, num_steps)

    @model_validator(mode="after")
    def _check_heads(self) -> HeadsConfig:
        if self.log_std_min >= self.log_std_max:
            raise ValueError(f"log_std_min {self.log_std_min} is not below log_std_max {self.log_std_max}")
        if self.replay_capacity is not None and self.batch_size > self.replay_capacity:
            raise ValueError(f"batch_size {self.batch_size} is more than replay_capacity {self.replay_capacity} holds")
        return self


class Config(HeadsConfig):
    """Settings of agents of the family that learn convolutions."""

    num_shared_layers: int = Field(11, ge=1)  # convolutions that actor and critic share, the first with stride 2
    num_head_layers: int = Field(0, ge=0)  # more of them behind, which other uses of the shared ones do not have
    num_filters: int = Field(32, ge=1)
    feature_dim: int = Field(100, ge=1)  # width of the projections of actor and critic
    encoder_target_rate: float = Field(0.05, gt=0.0, le=1.0)  # what targets of convolutions and projection take of them
    shift_pad: int = Field(0, ge=0)  # largest random shift, pixels
    crop_size: int | None = Field(None, ge=1)  # pictures are cropped to this: at random in updates, else the middle

    @property
    def min_image_size(self) -> int:
        """A picture with a pixel left behind the last convolution, and no smaller than the crop."""
        return max(shapes.smallest_picture(self.num_shared_layers + self.num_head_layers), self.crop_size or 1)

    @model_validator(mode="after")
    def _check(self) -> Config:
        smallest = shapes.smallest_picture(self.num_shared_layers + self.num_head_layers)
        if self.crop_size is not None and self.crop_size < smallest:
            raise ValueError(f"crop_size {self.crop_size} is too small: its convolutions need {smallest} pixels")
        if self.crop_size is not None and self.shift_pad:
            raise ValueError("crop_size and shift_pad are two augmentations, and one is applied")
        return self


class AuxiliaryConfig(Config):
    """Settings of agents that learn something beside, with an optimiser of its own; defaults from the same file."""

    auxiliary_learning_rate: float = Field(1e-3, gt=0.0)  # Adam; over the convolutions too, which thus have two
    auxiliary_every_updates: int = Field(2, ge=1)


class CroppedConfig(Config):
    """Settings of agents that see pictures larger than those their networks take."""

    crop_size: int | None = Field(84, ge=1)


CROPPED_FROM = 100  # pixels, height and width of the pictures they see


def representation_dim(config: Config, sizes: Sizes) -> int:
    """Numbers behind the last convolution."""
    side = config.crop_size or sizes.pixels[1]
    layers = config.num_shared_layers + config.num_head_layers
    return config.num_filters * shapes.side_after(layers, side) ** 2


def tensors(config: Config, sizes: Sizes) -> shapes.Tensors:
    """What a policy file holds."""
    channels, filters = sizes.pixels[0], config.num_filters
    shared = shapes.convolutions("encoder.shared", channels, config.num_shared_layers, filters)
    head = shapes.convolutions("encoder.head", filters, config.num_head_layers, filters)
    heads = (representation_dim(config, sizes), config.feature_dim, config.hidden_dim)
    return shared | head | shapes.actor(*heads, 2 * sizes.actions)


def critic_tensors(config: Config, sizes: Sizes) -> shapes.Tensors:
    """What the critic adds to the convolutions."""
    heads = (representation_dim(config, sizes), config.feature_dim, config.hidden_dim)
    return shapes.critic(*heads, sizes.actions)


def training_bytes(config: Config, sizes: Sizes) -> int:
    """The least a training takes: parameters, their gradients and Adam's two averages, targets, one batch."""
    policy, critic = tensors(config, sizes), critic_tensors(config, sizes)
    encoder = encoder_tensors(config, sizes)
    return 4 * shapes.num_bytes(policy | critic) + shapes.num_bytes(encoder | critic) + batch_bytes(config, sizes)


def encoder_tensors(config: Config, sizes: Sizes) -> shapes.Tensors:
    """The convolutions."""
    return {name: shape for name, shape in tensors(config, sizes).items() if name.startswith("encoder.")}


def batch_bytes(config: Config, sizes: Sizes) -> int:
    """Bytes of a batch: pictures before and after as they are stored, and one of them as floats."""
    channels, height, width = sizes.pixels
    return config.batch_size * channels * height * width * (2 + shapes.FLOAT_BYTES)


# 2,000 frames are 1,000 steps at an action repeat of 2. Thirty updates at the published learning rate would drive the
# actions to -1 or 1 whatever the agent sees, and every gap would be 0.
QUICK = {
    "learning_rate": 1e-5,
    "batch_size": 8,
    "num_exploration_steps": 800,
    "num_catch_up_updates": 10,
    "update_every_steps": 10,
}
# What one core learns cartpole_swingup with in half an hour, on pictures of 32 pixels; of what was tried it went
# furthest (docs/laptop.md).
NETWORK = {"num_shared_layers": 3, "num_filters": 16, "hidden_dim": 256}
LAPTOP_HEADS = {"batch_size": 256, "num_exploration_steps": 1_000, "num_catch_up_updates": 500}
LAPTOP = {**LAPTOP_HEADS, **NETWORK}
# A crop of 84 pixels has seven times as many.
CROPPED_LAPTOP = {**LAPTOP, "batch_size": 64, "update_every_steps": 2}
PRESETS: dict[str, dict[str, Any]] = {"quick": QUICK, "laptop": LAPTOP}
# Shifts of 2 of 32 pixels stand for the published 4 of 84.
SHIFTED_PRESETS: dict[str, dict[str, Any]] = {"quick": QUICK, "laptop": {**LAPTOP, "shift_pad": 2}}
CROPPED_PRESETS: dict[str, dict[str, Any]] = {"quick": QUICK, "laptop": CROPPED_LAPTOP}

AGENT = AgentSpec(
    name="sac",
    version=1,
    maker="harness.baselines.learners.sac:make",
    description="Soft actor-critic on 11 convolutions, without augmentation (DMC-GB's).",
    source=f"Haarnoja et al. 2018; {DMCGB}",
    config=Config,
    published_names=("SAC",),
    preset_settings=PRESETS,
    tensors=tensors,
    training_bytes=training_bytes,
)
