"""The dot suite with two continuous shifts: haze hides the dots, dark makes them fainter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.axis import Axis
from harness.simulation import Simulation
from harness.spec import BoundShift, Shift
from harness.testing import SUITE as DOTS


@dataclass(frozen=True)
class Haze(Shift):
    """Mixes every picture with one grey."""

    amount: float
    grey: float

    def bind(self, simulation: Simulation, assets: Any) -> BoundShift:
        return _Bound(self.amount, self.grey)


class _Bound(BoundShift):
    def __init__(self, amount: float, grey: float) -> None:
        self._amount, self._grey = amount, grey

    def begin_episode(self, seed: int, episode: int) -> Mapping[str, Any]:
        return {}

    def after_render(self, pixels: np.ndarray, step: int) -> np.ndarray:
        return (pixels * (1 - self._amount) + self._grey * self._amount).astype(np.uint8)


def _axis(name: str, grey: float, neutral: float) -> Axis:
    def make(value: float) -> Shift:
        return Haze(abs(value - neutral), grey)

    return Axis(name, 0.0, 1.0, neutral, "intensity", "mixes with grey", "tests", {"harness.testing": make})


AXES = {"haze": _axis("haze", 128.0, 0.0), "glow": _axis("glow", 0.0, 1.0)}
SUITE = replace(DOTS, axes="tests.harness.hazy")
