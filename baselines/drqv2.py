"""DrQ-v2: DDPG with n-step returns and random shifts, learned from pixels.

Yarats, Fergus, Lazaric, Pinto, "Mastering Visual Continuous Control: Improved Data-Augmented Reinforcement Learning",
2021; facebookresearch/drqv2@c0c650b.
"""

from __future__ import annotations

from pydantic import Field, model_validator

from harness import agent
from harness.agent import AgentSpec, Sizes
from harness.baselines.nn import budget, shapes


class ReplayConfig(agent.Config):
    """What agents in DrQ-v2's loop share; defaults from facebookresearch/drqv2 cfgs/config.yaml.

    A step is one decision of the agent, a frame is a step times the action repeat.
    """

    feature_dim: int = Field(50, ge=1)  # width of the trunks of actor and critic
    hidden_dim: int = Field(1024, ge=1)
    learning_rate: float = Field(1e-4, gt=0.0)  # Adam, for encoder, critic and actor
    discount: float = Field(0.99, ge=0.0, le=1.0)
    n_step: int = Field(3, ge=1)
    batch_size: int = Field(256, ge=1)
    target_rate: float = Field(0.01, gt=0.0, le=1.0)  # what the target critic takes of the critic per update
    num_seed_frames: int = Field(4_000, ge=0)  # gathered before the first update
    num_exploration_steps: int = Field(2_000, ge=0)  # uniform actions
    update_every_steps: int = Field(2, ge=1)
    shift_pad: int = Field(4, ge=0)  # largest random shift, pixels
    replay_capacity: int = Field(1_000_000, ge=1)  # steps
    bootstrap_terminal: bool = True  # as published: the bootstrap is not cut at a true termination either

    def training_problem(self, train_frames: int, episode_frames: int, action_repeat: int) -> str | None:
        """Only finished episodes are sampled, and none before the seed frames are gathered."""
        if train_frames <= max(self.num_seed_frames, episode_frames):
            return (
                f"its first update comes after {self.num_seed_frames} seed frames and a whole episode of "
                f"{episode_frames} frames"
            )
        if -(-episode_frames // action_repeat) < self.n_step:
            return f"an episode has fewer steps than its n_step of {self.n_step}"
        return budget.batch_problem(self.batch_size, self.replay_capacity, -(-train_frames // action_repeat))

    @model_validator(mode="after")
    def _check(self) -> ReplayConfig:
        if self.replay_capacity < self.n_step:
            raise ValueError(f"replay_capacity {self.replay_capacity} holds less than n_step {self.n_step} steps")
        return self


class Config(ReplayConfig):
    """Settings of the DDPG family: exploration by noise around a deterministic policy."""

    noise_start: float = Field(1.0, ge=0.0)  # standard deviation of exploration noise at step 0
    noise_end: float = Field(0.1, ge=0.0)
    noise_steps: int = Field(100_000, ge=1)  # until noise_end, linearly
    noise_clip: float = Field(0.3, gt=0.0)  # of the noise in updates; exploration does not clip


MEDIUM = {"noise_steps": 500_000}  # the schedule of tasks of medium difficulty
WALKER = {"n_step": 1, "batch_size": 512}

# facebookresearch/drqv2 cfgs/task/*.yaml; a task that is not named here takes the defaults.
TASK_SETTINGS = {
    "walker_stand": WALKER,
    "walker_walk": WALKER,
    "walker_run": {**WALKER, **MEDIUM},
    "cheetah_run": MEDIUM,
    "quadruped_run": MEDIUM,
    "quadruped_walk": MEDIUM,
    "reach_duplo": MEDIUM,
}

# A full episode of 1000 frames has to be over before there is anything to sample, hence the seed frames of `quick`.
# Its 50 updates at the published learning rate end with one action near -1 or 1 whatever the agent sees; every setting
# then gives the same return and the table shows gaps of 0.
QUICK = {
    "learning_rate": 1e-5,
    "batch_size": 16,
    "num_seed_frames": 1_000,
    "num_exploration_steps": 500,
    "update_every_steps": 10,
    "noise_steps": 1_000,
    "replay_capacity": 20_000,
}
# The published learning rate of 1e-4 needs more updates than an hour has; at three times that, noise that stays large
# keeps the policy at one end of its range for long (docs/laptop.md). Shifts of 2 of 32 pixels stand for 4 of 84.
LAPTOP = {
    "hidden_dim": 256,
    "learning_rate": 3e-4,
    "batch_size": 128,
    "num_seed_frames": 2_000,
    "num_exploration_steps": 1_000,
    "update_every_steps": 1,
    "noise_steps": 3_000,
    "shift_pad": 2,
    "replay_capacity": 200_000,
}


def tensors(config: Config, sizes: Sizes) -> shapes.Tensors:
    """What a policy file holds."""
    channels, size, _ = sizes.pixels
    heads = (shapes.conv_features(size), config.feature_dim, config.hidden_dim, sizes.actions)
    return shapes.conv_encoder(channels) | shapes.actor(*heads)


def training_bytes(config: Config, sizes: Sizes) -> int:
    """The least a training takes: parameters, their gradients and Adam's two averages, the target, one batch."""
    heads = (shapes.conv_features(sizes.pixels[1]), config.feature_dim, config.hidden_dim, sizes.actions)
    critic = shapes.num_bytes(shapes.critic(*heads))
    return 4 * (shapes.num_bytes(tensors(config, sizes)) + critic) + critic + batch_bytes(config, sizes)


def batch_bytes(config: ReplayConfig, sizes: Sizes) -> int:
    """Bytes of a batch: pictures before and after as they are stored, one of them padded, and one as floats."""
    channels, height, width = sizes.pixels
    border = 2 * config.shift_pad
    picture, padded = height * width, (height + border) * (width + border)
    return config.batch_size * channels * (2 * picture + max(padded, shapes.FLOAT_BYTES * picture))


AGENT = AgentSpec(
    name="drqv2",
    version=1,
    maker="harness.baselines.learners.drqv2:make",
    description="DDPG on pixels with n-step returns and random shifts.",
    source="Yarats et al. 2021; facebookresearch/drqv2@c0c650b",
    config=Config,
    min_image_size=15,  # four convolutions without padding leave one pixel
    published_names=("DrQ-v2",),
    task_settings=TASK_SETTINGS,
    preset_settings={"quick": QUICK, "laptop": LAPTOP},
    tensors=tensors,
    training_bytes=training_bytes,
)
