"""DMControl under turned cameras, colours and videos in the scene (DMC-GB2's twelve test sets).

DMC-GB's sets of the same names are other tests: there a video replaces green pixels, here it stands in the scene.
"""

from __future__ import annotations

from dataclasses import replace

from harness.spec import Setting, Shift, Suite
from harness.suites.domains import dmcontrol_protocol as dmcontrol
from harness.suites.shifts import AXES
from harness.suites.shifts.camera_turn import LookAway, RandomRoll
from harness.suites.shifts.color import SequentialColor
from harness.suites.shifts.projector_video import ProjectorVideo

TRAIN_FRAMES = 1_000_000


def sets(level: str) -> dict[str, tuple[Shift, ...]]:
    """The six sets of a level by name; the hard videos alone also hide the ground."""
    roll, away, color = RandomRoll(level), LookAway(level), SequentialColor(level)  # type: ignore[arg-type]
    video, hidden = ProjectorVideo(level), ProjectorVideo(level, hide_ground=level == "hard")  # type: ignore[arg-type]
    shifts = {"rotate": (roll,), "shift": (away,), "rotate_shift": (away, roll)}
    return {**shifts, "color": (color,), "video": (hidden,), "color_video": (color, video)}


SUITE = Suite(
    name="dmcgb2",
    version=1,
    domain=dmcontrol.DOMAIN,
    frame_rewards=dmcontrol.FRAME_REWARDS,
    axes=AXES,
    tasks=dmcontrol.TASKS,
    settings=tuple(
        Setting(f"{name}_{level}", shifts)
        for name in sets("easy")
        for level in ("easy", "hard")
        for shifts in (sets(level)[name],)
    ),
    protocol=replace(dmcontrol.PROTOCOL, train_frames=dict.fromkeys(dmcontrol.TASKS, TRAIN_FRAMES), eval_seed_offset=0),
    preset_protocols=dmcontrol.PRESET_PROTOCOLS,
    description="DMControl with turned cameras, colours, and videos on a screen in the scene: twelve sets.",
    source="Almuzairee et al. 2024 (SADA, arXiv 2405.17416), aalmuzairee/dmcgb2@5fd8fd7a",
)
