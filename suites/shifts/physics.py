"""A heavier hammer or door frame, a lighter pen: what is seen stays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from harness.spec import BoundShift, Shift

if TYPE_CHECKING:
    from harness.assets.store import AssetStore
    from harness.simulation import Simulation

HAMMER_MASS = {"easy": 0.3, "hard": 0.35}  # kg; in training 0.253442
FRAME_MASS = {"easy": 8.85398, "hard": 10.85398}  # kg, of the door's frame; in training 7.85398
PEN_DENSITY = {"easy": 1400.0, "hard": 1200.0}  # kg/m^3, of the shaft; in training 1500


@dataclass(frozen=True)
class Physics(Shift):
    """RL-ViGen's `physical_properties`, with the numbers of its DHM/dhm/modify_mjcf.py.

    Hammer and frame keep their moments of inertia, as given in the file; the pen's follow its density. The door's frame
    cannot move, so its mass is of no consequence. Masses are compiled in: closing the shift does not bring the first
    ones back.
    """

    level: Literal["easy", "hard"]
    changes_physics: ClassVar[bool] = True

    def edit_spec(self, spec: Any) -> None:
        if spec.body("nail_board"):
            spec.body("Object").mass = HAMMER_MASS[self.level]
        elif spec.body("latch"):
            spec.body("frame").mass = FRAME_MASS[self.level]
        else:
            spec.geom("pen").density = PEN_DENSITY[self.level]

    def bind(self, simulation: Simulation, assets: AssetStore) -> BoundShift:
        return BoundShift()
