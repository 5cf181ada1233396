"""What the three shifts of the Distracting Control Suite share."""

from __future__ import annotations

from harness.errors import UsageError

PERIOD = 2  # control steps between two moves of background, camera and colours


def check_intensity(value: float) -> float:
    """Returns the intensity if it lies in [0, 1].

    Raises:
      UsageError: otherwise.
    """
    if not 0.0 <= value <= 1.0:
        raise UsageError(f"An intensity lies from 0 to 1, not at {value}.")
    return value
