"""A continuous shift: one number that goes from no change to a lot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from harness.errors import UsageError
from harness.spec import Setting, Shift

Make = Callable[[float], Shift]


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
      makers: builds the shift from the value, by the module of the simulations, as in `Suite.domain`.
    """

    name: str
    low: float
    high: float
    neutral: float
    unit: str
    description: str
    source: str
    makers: Mapping[str, Make]

    @property
    def domains(self) -> tuple[str, ...]:
        """Modules of the simulations it works on."""
        return tuple(self.makers)

    def setting(self, value: float, domain: str) -> Setting:
        """The setting `name=value` of one of `domains`; without a shift at the neutral value.

        Raises:
          UsageError: if the value is outside the interval.
        """
        if not self.low <= value <= self.high:
            raise UsageError(
                f"Shift '{self.name}' goes from {self.low:g} to {self.high:g} ({self.unit}), not {value:g}."
            )
        # The shortest text that is this number and no other: two values never share a setting, nor their rows a cell.
        text = repr(float(value)).removesuffix(".0")
        return Setting(f"{self.name}={text}", () if value == self.neutral else (self.makers[domain](value),))
