"""Other shapes of the Jaco arm and of the brick it handles.

The PIE-G paper reports a test with deformed arm and target but no amounts, and its code holds the stock shapes only.
The numbers here are this project's own definition, frozen: change one and the suite's version goes up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from harness.lazy import np
from harness.spec import BoundShift, Shift

if TYPE_CHECKING:
    from harness.assets.store import AssetStore
    from harness.simulation import Simulation

# Factors along the axes of each mesh, which lie in its link's frame: thicker, not longer, so no joint moves.
ARM_SCALES = {
    "shoulder": (1.35, 1.0, 1.35),
    "arm": (1.5, 1.0, 1.5),
    "forearm": (1.5, 1.0, 1.5),
    "wrist": (1.3, 1.3, 1.3),
}
HAND_SCALES = {
    "hand_3finger_main": (1.3, 1.3, 1.0),
    "hand_3finger_insert": (1.3, 1.3, 1.0),
    "finger_proximal": (1.0, 1.4, 1.4),
    "finger_distal": (1.0, 1.4, 1.4),
}
BRICK_SCALE = 1.8
SIZES = {"box": 3, "cylinder": 2, "capsule": 2}  # how many numbers say the size of a geom


@dataclass(frozen=True)
class Deformation(Shift):
    """A change of shapes, made while the task is still uncompiled; contacts change with it, and so may the rewards.

    Closing the shift does not undo it.
    """

    changes_shapes: ClassVar[bool] = True

    def edit_task(self, task: Any) -> None:
        """Changes the MJCF trees of a `dm_control.manipulation` task."""
        raise NotImplementedError

    def bind(self, simulation: Simulation, assets: AssetStore) -> BoundShift:
        return BoundShift()


@dataclass(frozen=True)
class DeformedArm(Deformation):
    """Thicker links, palm and fingers; joints, tool centre and masses stay, inertias and hulls follow the meshes.

    Args:
      amount: share of the frozen deformation; 1 is the suite's, 0 the stock arm.
    """

    amount: float = 1.0

    def edit_task(self, task: Any) -> None:
        for model, scales in ((task.arm.mjcf_model, ARM_SCALES), (task.hand.mjcf_model, HAND_SCALES)):
            for name, scale in scales.items():
                model.find("mesh", name).scale = 1.0 + self.amount * (np.array(scale) - 1.0)


@dataclass(frozen=True)
class DeformedTarget(Deformation):
    """A larger brick; the reward's distances stay, the mass grows with the volume.

    Args:
      scale: factor of all lengths.
    """

    scale: float = BRICK_SCALE

    def edit_task(self, task: Any) -> None:
        scale_brick(loose_brick(task), self.scale)


def loose_brick(task: Any) -> Any:
    """The Duplo brick that is free to move."""
    from dm_control.entities.props import Duplo

    (brick,) = (e for e in task.root_entity.iter_entities() if isinstance(e, Duplo) and e.parent is task.root_entity)
    return brick


def scale_brick(brick: Any, scale: float) -> None:
    """Scales geoms and sites of an uncompiled Duplo brick about its origin, default classes included."""
    model = brick.mjcf_model
    for default in (model.default, *model.default.find_all("default")):
        if default.geom is not None:
            _scale_element(default.geom, scale)
    for element in (*model.find_all("geom"), *model.find_all("site")):
        _scale_element(element, scale)
    # The brick draws the radius of its studs between these two at the start of an episode.
    brick._lower, brick._upper = scale * brick._lower, scale * brick._upper


def _scale_element(element: Any, scale: float) -> None:
    for attribute in ("pos", "size"):
        value = getattr(element, attribute)
        if value is not None:
            setattr(element, attribute, scale * np.asarray(value))
