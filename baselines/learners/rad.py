"""DMC-GB's RAD: SAC with random crops; settings and sources stand in baselines/rad.py."""

from __future__ import annotations

from harness.agent import AgentContext
from harness.baselines.learners.sac import SAC
from harness.baselines.rad import AGENT, Config


def make(context: AgentContext, config: Config) -> SAC:
    """Builds the agent; `harness.baselines.rad.AGENT` names this function."""
    return SAC(AGENT, context, config)
