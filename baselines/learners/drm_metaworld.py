"""DrM's learner with the settings of its variant for Metaworld, which stand in baselines/drm_metaworld.py."""

from __future__ import annotations

from harness.agent import AgentContext
from harness.baselines.drm_metaworld import AGENT, Config
from harness.baselines.learners.drm import DrM


def make(context: AgentContext, config: Config) -> DrM:
    """Builds the agent; `harness.baselines.drm_metaworld.AGENT` names this function."""
    return DrM(AGENT, context, config)
