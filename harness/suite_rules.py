"""What can be in a suite's rows, for those who judge rows that others send."""

from __future__ import annotations

from harness.registry import load_suite, suite_names
from harness.results.plausible import SuiteRules
from harness.spec import Suite


def rules_of(name: str) -> SuiteRules | None:
    """What is known of the suite called `name`; None if it is none of ours, for then nothing is imported."""
    return suite_rules(load_suite(name)) if name in suite_names() else None


def suite_rules(suite: Suite) -> SuiteRules:
    """What its protocol allows."""
    protocol = suite.protocol
    return SuiteRules(
        name=suite.name,
        version=suite.version,
        tasks=suite.all_tasks,
        settings=tuple(setting.name for setting in suite.all_settings),
        metric=protocol.metric,
        frame_rewards=suite.frame_rewards,
        eval_episodes=protocol.eval_episodes,
        eval_seed_offset=protocol.eval_seed_offset,
    )
