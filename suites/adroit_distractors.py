"""Adroit hand tasks with RRL's visual distractors: light, object colour, a new object."""

from __future__ import annotations

from harness.spec import Setting, Suite
from harness.suites.domains import adroit_protocol as adroit
from harness.suites.shifts import AXES
from harness.suites.shifts.lighting import LightDirection, LightPosition
from harness.suites.shifts.new_object import NewObject
from harness.suites.shifts.object_color import ObjectColor

# Without suffix: as the paper describes it. "_code": as the published code does it, quirks included.
SETTINGS = (
    Setting("light_position", (LightPosition(),)),
    Setting("light_direction", (LightDirection(),)),
    Setting("object_color", (ObjectColor(mode="paper"),)),
    Setting("object_color_code", (ObjectColor(mode="code"),)),
    Setting("new_object", (NewObject(mode="paper"),)),
    Setting("new_object_code", (NewObject(mode="code"),)),
    Setting("combined", (LightPosition(), LightDirection(), ObjectColor(mode="paper"), NewObject(mode="paper"))),
)

SUITE = Suite(
    name="adroit_distractors",
    version=1,
    domain=adroit.DOMAIN,
    axes=AXES,
    offers_states=True,
    cameras=adroit.NUM_CAMERAS,
    demonstrators=adroit.DEMONSTRATORS,
    tasks=adroit.TASKS,
    settings=SETTINGS,
    protocol=adroit.PROTOCOL,
    description="Adroit hand tasks, sparse reward, with RRL's distractors: light, object colour, a new object.",
    source=adroit.SOURCE,
    published_suite="adroit",
    published_note=(
        "RRL's and FERM's published successes are of RRL's own goals (the door beyond 1.4 rad, the pen aligned "
        "wherever it is): compare success under sustained_rrl. RRL's are of the last rollouts, actions sampled, "
        "after 12 M steps; FERM's are the ends of curves, at 3.3 to 4 M steps."
    ),
    more_tasks=adroit.DENSE_TASKS,
)
