"""FERM: demonstrations in the replay, a contrastive warm-up on them, then RAD's SAC on pictures and joints.

Zhan, Zhao, Pinto, Abbeel, Laskin, "A Framework for Efficient Robotic Manipulation", 2020; PhilipZRH/ferm@5236a33, and
ShahRutav/ferm@bd93672, the fork with which RRL's authors ran it on the hand.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from harness.agent import AgentSpec, DemoRequest, Sizes
from harness.baselines import sac
from harness.baselines.nn import shapes


class Config(sac.CroppedConfig):
    """Settings of FERM; defaults from the fork's config/ferm_mjrl_peg.yaml, as none for the hand was released.

    `num_catch_up_updates` is its `warmup_offline_sac`: updates before the first action, each of actor and targets too.
    """

    num_shared_layers: int = Field(4, ge=1)
    feature_dim: int = Field(50, ge=1)
    target_rate: float = Field(0.05, gt=0.0, le=1.0)
    target_every_updates: int = Field(1, ge=1)
    num_exploration_steps: int = Field(0, ge=0)
    num_catch_up_updates: int = Field(0, ge=0)
    replay_capacity: int | None = Field(1_000_000, ge=1)
    updates_per_step: int = Field(1, ge=1, le=1_000)  # at every step at which there are any; 10 on the robot
    warm_up_updates: int = Field(1_600, ge=0, le=10_000_000)  # of the contrastive loss, on the demonstrations alone
    warm_up_learning_rate: float = Field(1e-3, gt=0.0)  # of both Adams that then step on the encoder
    warm_up_target: bool = True  # whether the key encoder follows meanwhile (`warmup_cpc_ema`)
    num_demos: int = Field(25, ge=0, le=10_000)
    demo_source: Literal["expert", "human"] = "expert"
    demo_folder: str = ""  # of `harness demos collect`, whose demonstrations are taken; "": they are collected
    noisy_demos: bool = True  # an expert's actions drawn from its distribution, as published
    proprioception: bool = True  # False: pictures alone
    cameras: tuple[Annotated[int, Field(ge=0, le=1_000)], ...] = ()  # of the scene, by number; none: all of them

    def demos(self) -> DemoRequest | None:
        """The demonstrations whose steps the replay begins with."""
        if not self.num_demos:
            return None
        return DemoRequest(self.demo_source, self.num_demos, noisy=self.noisy_demos, folder=self.demo_folder)

    def scene_problem(self, num_cameras: int) -> str | None:
        """The cameras that it is to look through are there."""
        missing = [camera for camera in self.cameras if camera >= num_cameras]
        return f"there is no camera {missing[0]}, only {num_cameras} from number 0 on" if missing else None

    def training_problem(self, train_frames: int, episode_frames: int, action_repeat: int) -> str | None:
        """Before the first step there must be as many steps of demonstrations as a batch has."""
        held = self.num_demos * math.ceil(episode_frames / action_repeat)
        if self.num_demos and self.demo_source == "expert" and self.batch_size > held:
            return (
                f"its batch_size of {self.batch_size} is more than {self.num_demos} demonstrations hold, {held} steps"
            )
        return super().training_problem(train_frames, episode_frames, action_repeat)

    @model_validator(mode="after")
    def _check_demos(self) -> Config:
        if twice := [camera for camera in self.cameras if self.cameras.count(camera) > 1]:
            raise ValueError(f"cameras names {twice[0]} twice")
        if not self.num_demos and (self.warm_up_updates or self.num_catch_up_updates):
            raise ValueError("num_demos 0 leaves nothing for warm_up_updates or num_catch_up_updates: set both to 0")
        if not self.num_demos and not self.num_exploration_steps:
            raise ValueError("num_demos 0 needs num_exploration_steps: the replay is empty at first")
        return self


def training_bytes(config: Config, sizes: Sizes) -> int:
    """As of SAC; the warm-up has two more optimisers' averages of convolutions and projection, and W to learn."""
    trunk = shapes.trunk("critic.trunk", sac.representation_dim(config, sizes), config.feature_dim)
    shared = shapes.num_bytes(sac.encoder_tensors(config, sizes) | trunk)
    return sac.training_bytes(config, sizes) + 4 * shared + 4 * shapes.FLOAT_BYTES * config.feature_dim**2


PRESETS: dict[str, dict[str, Any]] = {
    "quick": {
        "learning_rate": 1e-5,
        "batch_size": 32,
        "hidden_dim": 256,
        "update_every_steps": 20,
        "warm_up_updates": 30,
        "num_demos": 2,
    },
    "laptop": {"batch_size": 64, "update_every_steps": 2, "warm_up_updates": 400},
}

AGENT = AgentSpec(
    name="ferm",
    version=1,
    maker="harness.baselines.learners.ferm:make",
    description="FERM: demonstrations in the replay, a contrastive warm-up, RAD's SAC on pictures and joints.",
    source="Zhan et al. 2020 (FERM, arXiv 2012.07975), PhilipZRH/ferm@5236a33, ShahRutav/ferm@bd93672",
    config=Config,
    image_size=sac.CROPPED_FROM,
    published_names=("FERM",),
    preset_settings=PRESETS,
    training_bytes=training_bytes,
)
