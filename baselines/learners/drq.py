"""DMC-GB's DrQ: SAC with random shifts; settings and sources stand in baselines/drq.py."""

from __future__ import annotations

from harness.agent import AgentContext
from harness.baselines.drq import AGENT, Config
from harness.baselines.learners.sac import SAC


def make(context: AgentContext, config: Config) -> SAC:
    """Builds the agent; `harness.baselines.drq.AGENT` names this function."""
    return SAC(AGENT, context, config)
