"""DMControl under moving backgrounds, cameras and colours (DMC-GB's version of the Distracting Control Suite)."""

from __future__ import annotations

from dataclasses import replace

from harness.spec import Setting, Suite
from harness.suites.domains import dmcontrol_protocol as dmcontrol
from harness.suites.shifts import AXES
from harness.suites.shifts.distracting_background import DistractingBackground
from harness.suites.shifts.distracting_camera import DistractingCamera
from harness.suites.shifts.distracting_color import DistractingColor

INTENSITIES = (0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)


def distracting(intensity: float) -> Setting:
    """All three distractions at one intensity, nested as published: background, camera, colours."""
    shifts = (DistractingBackground(intensity), DistractingCamera(intensity), DistractingColor(intensity))
    return Setting(f"distracting_{intensity:g}", shifts)


SUITE = Suite(
    name="distracting_cs",
    version=1,
    domain=dmcontrol.DOMAIN,
    frame_rewards=dmcontrol.FRAME_REWARDS,
    axes=AXES,
    tasks=dmcontrol.ALL_TASKS,
    settings=tuple(distracting(intensity) for intensity in INTENSITIES),
    protocol=replace(
        dmcontrol.PROTOCOL,
        action_repeat={**dmcontrol.PROTOCOL.action_repeat, dmcontrol.REACHER: dmcontrol.ACTION_REPEAT},
        train_frames={**dmcontrol.PROTOCOL.train_frames, dmcontrol.REACHER: dmcontrol.MEDIUM_FRAMES},
    ),
    preset_protocols=dmcontrol.PRESET_PROTOCOLS,
    description="DMControl with backgrounds, camera and colours that wander, at eight intensities.",
    source=(
        "Stone et al. 2021 (Distracting Control Suite, arXiv 2101.02722) as changed in "
        "nicklashansen/dmcontrol-generalization-benchmark@ff9c0aa8 src/env/distracting_control; "
        "protocol of Yuan et al. 2022 (PIE-G, arXiv 2212.08860), gemcollector/PIE-G@3588cf8b"
    ),
)
