"""DAPG: natural policy gradient on states that clones demonstrations first (Rajeswaran et al. 2018)."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

from pydantic import Field

from harness.agent import AgentSpec, DemoRequest
from harness.agent import Config as BaseConfig


class Config(BaseConfig):
    """Defaults of RRL's released configurations (facebookresearch/RRL@4b7042a), which are DAPG's.

    `clone_epochs` 0 begins without cloning; `demo_weight` 0 leaves the demonstrations out of the gradient.
    """

    evaluation_settings: ClassVar[tuple[str, ...]] = ()

    num_demos: int = Field(default=25, ge=0, le=10_000)
    demo_source: Literal["expert", "human"] = "expert"
    noisy_demos: bool = False  # an expert's actions drawn from its distribution instead of being its mean
    clone_epochs: int = Field(default=5, ge=0, le=100_000)
    clone_batch_size: int = Field(default=32, ge=1, le=1_000_000)
    clone_learning_rate: float = Field(default=1e-3, gt=0)
    episodes_per_update: int = Field(default=200, ge=1, le=100_000)
    discount: float = Field(default=0.995, ge=0, le=1)
    gae: float = Field(default=0.97, ge=0, le=1)
    step_size: float = Field(default=0.05, gt=0)  # twice the KL divergence of a step
    damping: float = Field(default=1e-4, ge=0)
    cg_iterations: int = Field(default=10, ge=1, le=1_000)
    demo_weight: float = Field(default=0.01, ge=0)  # lam_0
    demo_decay: float = Field(default=0.95, ge=0, le=1)  # lam_1, per update
    hidden_dim: int = Field(default=256, ge=1, le=65_536)
    value_hidden_dim: int = Field(default=128, ge=1, le=65_536)
    value_epochs: int = Field(default=2, ge=0, le=1_000)
    value_batch_size: int = Field(default=64, ge=1, le=1_000_000)
    value_learning_rate: float = Field(default=1e-3, gt=0)
    value_weight_decay: float = Field(default=1e-3, ge=0)

    def training_problem(self, train_frames: int, episode_frames: int, action_repeat: int) -> str | None:
        """The value fit skips its last full batch: of one alone it learns nothing. Cloning wants one whole batch."""
        per_episode = math.ceil(episode_frames / action_repeat)
        update = self.episodes_per_update * per_episode * action_repeat
        if train_frames < update:
            return (
                f"one update takes {update} frames ({self.episodes_per_update} episodes), and {train_frames} are given"
            )
        if self.value_epochs and self.episodes_per_update * per_episode < 2 * self.value_batch_size:
            return (
                f"{self.episodes_per_update} episodes of {per_episode} steps are less than two batches of "
                f"{self.value_batch_size}, without which the value network is not fitted"
            )
        if self.num_demos and self.clone_epochs and self.num_demos * per_episode < self.clone_batch_size:
            return f"{self.num_demos} demonstrations of {per_episode} steps are less than one batch to clone"
        return None

    def demos(self) -> DemoRequest | None:
        """The demonstrations it learns from: states alone."""
        if not self.num_demos:
            return None
        return DemoRequest(self.demo_source, self.num_demos, noisy=self.noisy_demos, pictures=False)


TASK_SETTINGS = {"pen": {"episodes_per_update": 400}, "pen_dense": {"episodes_per_update": 400}}
QUICK = {"episodes_per_update": 4, "num_demos": 3, "hidden_dim": 32, "value_hidden_dim": 32}
LAPTOP = {"episodes_per_update": 100}

AGENT = AgentSpec(
    name="dapg",
    version=2,
    maker="harness.baselines.learners.npg:make_dapg",
    config=Config,
    description="DAPG on states: natural policy gradient with 25 demonstrations; an oracle, it sees no pictures.",
    source="Rajeswaran et al. 2018 (DAPG, arXiv 1709.10087), aravindr93/mjrl@3871d93",
    learns_from="episodes",
    observes="states",
    cpu_only=True,
    task_settings=TASK_SETTINGS,
    preset_settings={"quick": QUICK, "laptop": LAPTOP},
)
