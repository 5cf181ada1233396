"""DMControl with the sky replaced by one of 10 videos (DMC-GB's `video_easy`)."""

from __future__ import annotations

from harness.spec import Setting, Suite
from harness.suites.domains import dmcontrol_protocol as dmcontrol
from harness.suites.shifts import AXES
from harness.suites.shifts.video import VideoBackground

SUITE = Suite(
    name="video_easy",
    version=2,
    domain=dmcontrol.DOMAIN,
    frame_rewards=dmcontrol.FRAME_REWARDS,
    axes=AXES,
    tasks=dmcontrol.TASKS,
    settings=(Setting("video_easy", (VideoBackground(split="easy"),)),),
    protocol=dmcontrol.PROTOCOL,
    preset_protocols=dmcontrol.PRESET_PROTOCOLS,
    description="DMControl with the sky replaced by one of 10 videos.",
    source=dmcontrol.SOURCE,
    published_suite="dmcgb",
)
