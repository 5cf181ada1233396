"""NPG: natural policy gradient on states, without demonstrations."""

from __future__ import annotations

from harness.agent import AgentSpec
from harness.baselines.dapg import LAPTOP, QUICK, TASK_SETTINGS
from harness.baselines.dapg import Config as DapgConfig


class Config(DapgConfig):
    """DAPG's, with neither cloning nor demonstrations in the gradient."""

    num_demos: int = 0
    clone_epochs: int = 0
    demo_weight: float = 0.0


AGENT = AgentSpec(
    name="npg",
    version=2,
    maker="harness.baselines.learners.npg:make_npg",
    config=Config,
    description="Natural policy gradient on states, from nothing; beside dapg it shows what demonstrations give.",
    source="Rajeswaran et al. 2017 (arXiv 1703.02660), aravindr93/mjrl@3871d93",
    learns_from="episodes",
    observes="states",
    cpu_only=True,
    task_settings=TASK_SETTINGS,
    preset_settings={"quick": {**QUICK, "num_demos": 0}, "laptop": LAPTOP},
)
