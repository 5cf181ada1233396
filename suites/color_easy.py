"""DMControl with 100 mild recolourings of ground, robot and sky (DMC-GB's `color_easy`)."""

from __future__ import annotations

from harness.spec import Setting, Suite
from harness.suites.domains import dmcontrol_protocol as dmcontrol
from harness.suites.shifts import AXES
from harness.suites.shifts.color import RandomColor

SUITE = Suite(
    name="color_easy",
    version=1,
    domain=dmcontrol.DOMAIN,
    frame_rewards=dmcontrol.FRAME_REWARDS,
    axes=AXES,
    tasks=dmcontrol.TASKS,
    settings=(Setting("color_easy", (RandomColor(level="easy"),)),),
    protocol=dmcontrol.PROTOCOL,
    preset_protocols=dmcontrol.PRESET_PROTOCOLS,
    description="DMControl with 100 mild recolourings of ground, robot and sky.",
    source=dmcontrol.SOURCE,
    published_suite="dmcgb",
)
