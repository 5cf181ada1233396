"""One more object in the scene, which has nothing to do with the task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from harness.lazy import np
from harness.spec import BoundShift, Shift
from harness.suites.shifts.scene import Restoring, Scene, draws, facts

if TYPE_CHECKING:
    from harness.assets.store import AssetStore

NAME = "new_object"
SHAPES = ("sphere", "capsule", "ellipsoid", "cylinder", "box")  # MuJoCo's geom types 2 to 6, in this order
FIRST_TYPE = 2
RED = (1.0, 0.0, 0.0)
HEIGHT = 0.04  # m above the table, mode "paper"


@dataclass(frozen=True)
class NewObject(Shift):
    """A small static object, drawn anew at each reset (RRL section 7.8).

    Attributes:
      mode: "code" is the published law (ShahRutav/mj_envs@0729354): sphere, capsule, ellipsoid or cylinder, pure red,
        at the world's origin, half sunk into the table; and it is solid, so the hand can hit it: not only what is seen
        changes. "paper" follows the text (colour, position, size and shape vary, boxes included), with ranges of this
        project's choice, as it gives none; the object cannot be touched. Closed, it is not seen; in mode "code" it can
        still be hit.
      size: bounds of each of the three sizes, metres.
      x, y: bounds of the position in mode "paper", metres.
    """

    mode: Literal["paper", "code"] = "paper"
    size: tuple[float, float] = (0.03, 0.04)
    x: tuple[float, float] = (-0.3, 0.3)
    y: tuple[float, float] = (-0.3, 0.1)

    @property
    def changes_shapes(self) -> bool:
        """Whether the hand can hit it."""
        return self.mode == "code"

    def edit_spec(self, spec: Any) -> None:
        """Adds the object, unseen until an episode begins, on a body of its own."""
        import mujoco

        solid = int(self.changes_shapes)
        size = [self.size[1], self.size[1], 2 * self.size[1]]  # the largest any shape becomes
        body = spec.worldbody.add_body(name=NAME)
        geom = body.add_geom(name=NAME, type=mujoco.mjtGeom.mjGEOM_BOX, size=size, rgba=(*RED, 0.0), mass=0.0)
        geom.contype, geom.conaffinity, geom.condim = solid, solid, 4

    def bind(self, simulation: Scene, assets: AssetStore) -> BoundShift:  # type: ignore[override]
        return _BoundNewObject(simulation, self)

    def draw(self, seed: int, episode: int) -> Drawing:
        """What the object is in one episode."""
        rng = draws("object", seed, episode)
        paper = self.mode == "paper"
        shape = int(rng.integers(len(SHAPES) if paper else len(SHAPES) - 1))
        size = rng.uniform(*self.size, 3)
        if not paper:
            return Drawing(shape, size, np.array(RED), np.zeros(3))
        position = np.array([rng.uniform(*self.x), rng.uniform(*self.y), HEIGHT])
        return Drawing(shape, size, rng.uniform(0.0, 1.0, 3), position)


@dataclass(frozen=True)
class Drawing:
    """An object: index of its shape in `SHAPES`, MuJoCo's sizes (3,), colour (3,) and centre (3,), metres."""

    shape: int
    size: np.ndarray
    rgb: np.ndarray
    position: np.ndarray

    def half_sides(self) -> np.ndarray:
        """Of the box around the shape, metres."""
        a, b, _ = self.size
        boxes = {"sphere": (a, a, a), "capsule": (a, a, a + b), "cylinder": (a, a, b)}
        return np.array(boxes.get(SHAPES[self.shape], self.size))

    def radius(self) -> float:
        """Of the ball around the shape, metres."""
        a, b, _ = self.size
        name = SHAPES[self.shape]
        if name == "box":
            return float(np.linalg.norm(self.size))
        return float(np.hypot(a, b)) if name == "cylinder" else float(self.half_sides().max())


class _BoundNewObject(Restoring):
    def __init__(self, scene: Scene, shift: NewObject) -> None:
        super().__init__(scene, scene.model.geom_rgba)  # unseen as yet
        self._model, self._shift = scene.model, shift
        self._geom, self._body = scene.model.geom(NAME), scene.model.body(NAME).id
        self._boxes = self._collision_boxes()

    def begin_episode(self, seed: int, episode: int) -> Mapping[str, Any]:
        drawn = self._shift.draw(seed, episode)
        geom = self._geom
        geom.type[:] = FIRST_TYPE + drawn.shape
        geom.size[:], geom.rgba[:] = drawn.size, (*drawn.rgb, 1.0)
        self._model.body_pos[self._body] = drawn.position  # the geom sits at its origin, known to MuJoCo as such
        geom.rbound[:] = drawn.radius()
        self._model.geom_aabb[geom.id] = self._boxes[:] = (0.0, 0.0, 0.0, *drawn.half_sides())
        return {"object": SHAPES[drawn.shape], "object_size": facts(drawn.size), "object_pos": facts(drawn.position)}

    def _collision_boxes(self) -> np.ndarray:
        """The object's boxes in the tree that collision detection walks, a view (N, 6)."""
        start = self._model.body_bvhadr[self._body]
        return self._model.bvh_aabb[start : start + self._model.body_bvhnum[self._body]]
