"""Shifts with one number that goes from nothing to a lot: for `--shift name=value` and sweeps of one factor.

An axis is described here without loading a simulator; `make` builds the shift. At the value that changes nothing the
picture is the training picture.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.errors import UsageError, unknown
from harness.spec import Setting, Shift

DMCONTROL = "suites.domains.dmcontrol"
JACO = "suites.domains.jaco"
STONE = "Stone et al. 2021 (arXiv 2101.02722), as in nicklashansen/dmcontrol-generalization-benchmark@ff9c0aa8"
OWN = "this project"


@dataclass(frozen=True)
class Axis:
    """One continuous factor.

    Attributes:
      name: on the command line.
      low, high: closed interval of the value.
      neutral: the value that changes nothing.
      unit: "degrees", "metres", "factor", or "intensity" for a number without unit.
      description: one line.
      source: whose definition it is.
      domains: modules of the simulations it works on, as in `Suite.domain`.
      make: builds the shift from the value.
    """

    name: str
    low: float
    high: float
    neutral: float
    unit: str
    description: str
    source: str
    domains: tuple[str, ...]
    make: Callable[[float], Shift]

    def setting(self, value: float) -> Setting:
        """The setting `name=value`; without a shift at the neutral value.

        Raises:
          UsageError: if the value is outside the interval.
        """
        if not self.low <= value <= self.high:
            raise UsageError(
                f"Shift '{self.name}' goes from {self.low:g} to {self.high:g} ({self.unit}), not {value:g}."
            )
        return Setting(f"{self.name}={value:g}", () if value == self.neutral else (self.make(value),))


def _distracting_background(value: float) -> Shift:
    from suites.shifts.distracting_background import DistractingBackground

    return DistractingBackground(value)


def _distracting_camera(value: float) -> Shift:
    from suites.shifts.distracting_camera import DistractingCamera

    return DistractingCamera(value)


def _distracting_color(value: float) -> Shift:
    from suites.shifts.distracting_color import DistractingColor

    return DistractingColor(value)


def _camera_roll(value: float) -> Shift:
    from suites.shifts.camera_turn import CameraRoll

    return CameraRoll(value)


def _light_brightness(value: float) -> Shift:
    from suites.shifts.lamps import Lamps

    return Lamps(brightness=value)


def _light_offset(value: float) -> Shift:
    from suites.shifts.lamps import Lamps

    return Lamps(offset=value)


def _arm_thickness(value: float) -> Shift:
    from suites.shifts.deformed_shapes import DeformedArm

    return DeformedArm(amount=value)


def _target_scale(value: float) -> Shift:
    from suites.shifts.deformed_shapes import DeformedTarget

    return DeformedTarget(scale=value)


def _axes(*axes: Axis) -> dict[str, Axis]:
    return {axis.name: axis for axis in axes}


AXES: dict[str, Axis] = _axes(
    Axis(
        "distracting_background",
        0.0,
        1.0,
        0.0,
        "intensity",
        "Videos on the sky; the intensity says from how many one is drawn (2 to 60).",
        STONE,
        (DMCONTROL,),
        _distracting_background,
    ),
    Axis(
        "distracting_camera",
        0.0,
        1.0,
        0.0,
        "intensity",
        "A camera that starts off its place, rolled and zoomed, and wanders.",
        STONE,
        (DMCONTROL,),
        _distracting_camera,
    ),
    Axis(
        "distracting_color",
        0.0,
        1.0,
        0.0,
        "intensity",
        "Colours of all materials that start off stock and wander.",
        STONE,
        (DMCONTROL,),
        _distracting_color,
    ),
    Axis(
        "camera_roll",
        -180.0,
        180.0,
        0.0,
        "degrees",
        "The camera turned about its view axis, the same in every episode.",
        OWN,
        (DMCONTROL, JACO),
        _camera_roll,
    ),
    Axis(
        "light",
        0.0,
        4.0,
        1.0,
        "factor",
        "Brightness of all lights, the one at the camera included, the same in every episode.",
        OWN,
        (DMCONTROL, JACO),
        _light_brightness,
    ),
    Axis(
        "light_offset",
        0.0,
        2.0,
        0.0,
        "metres",
        "Every lamp moved sideways by this much, in a direction drawn for each episode.",
        OWN,
        (DMCONTROL, JACO),
        _light_offset,
    ),
    Axis(
        "arm_thickness",
        0.0,
        1.5,
        0.0,
        "intensity",
        "Thickness of the Jaco arm and hand; 1 is the suite jaco_deformed's. Changes shapes.",
        OWN,
        (JACO,),
        _arm_thickness,
    ),
    Axis(
        "target_scale",
        0.5,
        2.5,
        1.0,
        "factor",
        "Size of the brick; 1.8 is the suite jaco_deformed's. Changes shapes.",
        OWN,
        (JACO,),
        _target_scale,
    ),
)


def find_axis(name: str, domain: str) -> Axis:
    """Looks an axis up for a suite's domain.

    Raises:
      UsageError: if there is none of this name, or it does not work there.
    """
    if name not in AXES:
        raise unknown("shift", name, AXES)
    axis = AXES[name]
    if domain not in axis.domains:
        there = [other for other, candidate in AXES.items() if domain in candidate.domains]
        raise UsageError(f"Shift '{name}' does not work on this suite; these do: {', '.join(there) or 'none'}.")
    return axis
