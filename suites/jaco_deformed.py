"""A Jaco arm and a brick of other shapes than in training (this project's definition of a test named by PIE-G)."""

from __future__ import annotations

from harness.spec import Setting, Suite
from harness.suites.domains import jaco_protocol as jaco
from harness.suites.shifts import AXES
from harness.suites.shifts.deformed_shapes import DeformedArm, DeformedTarget

SUITE = Suite(
    name="jaco_deformed",
    version=2,
    domain=jaco.DOMAIN,
    frame_rewards=jaco.FRAME_REWARDS,
    axes=AXES,
    tasks=jaco.TASKS,
    settings=(
        Setting("deformed_arm", (DeformedArm(),)),
        Setting("deformed_target", (DeformedTarget(),)),
        Setting("deformed_both", (DeformedArm(), DeformedTarget())),
    ),
    protocol=jaco.PROTOCOL,
    description="Jaco manipulation with a thicker arm, a larger brick, or both.",
    source=(
        "this project's own definition, frozen in suites/shifts/deformed_shapes.py: Yuan et al. 2022 (PIE-G, "
        "arXiv 2212.08860) name such a test and publish neither amounts nor shapes; tasks of dm_control 1.0.28 "
        "(google-deepmind/dm_control dm_control/manipulation)"
    ),
)
