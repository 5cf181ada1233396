"""Objects, or everything that has no colour of its own, painted in other colours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from harness.lazy import np
from harness.spec import BoundShift, Shift
from harness.suites.shifts.color_table import NUM_COLORS, ColorTable, load_table, stand_in_table
from harness.suites.shifts.scene import Restoring, Scene, blend, draws, facts

if TYPE_CHECKING:
    from harness.assets.store import AssetStore

REPAINTED = ("neck", "head", "pen", "target")  # geoms whose own colours RL-ViGen's models leave to materials
UNCOLORED = (0.5, 0.5, 0.5, 1.0)  # MuJoCo's default rgba of a geom; a material shows only under it


class SceneWithObjects(Scene, Protocol):
    """A scene that names its task's objects."""

    @property
    def object_bodies(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class ObjectColor(Shift):
    """The task's objects painted by RRL's law: rgb <- factor x rgb + offset, one draw shared by all of them.

    Source: ShahRutav/mj_envs@0729354. A geom that showed its material's tint shows the painted grey instead (times the
    material's texture), as in the published code.

    Attributes:
      mode: "paper" paints the nominal colours and clips to [0, 1]. "code" does what the published code does: it paints
        what the previous episode left and clips nothing, so colours wander off, episode by episode.
      offset: the largest offset of a channel, either way.
      factor: the largest deviation of the factor from 1.
      intensity: multiplies both. Below 1 the grey that replaces a material's tint is mixed with the tint, so 0 is the
        nominal look.
    """

    mode: Literal["paper", "code"] = "paper"
    offset: float = 0.52
    factor: float = 0.2
    intensity: float = 1.0
    sets: ClassVar[tuple[str, ...]] = ("geom_rgba",)

    def bind(self, simulation: SceneWithObjects, assets: AssetStore) -> BoundShift:  # type: ignore[override]
        return _BoundObjectColor(simulation, self)

    def draw(self, seed: int, episode: int) -> tuple[float, np.ndarray]:
        """Factor and offset (3,) of one episode."""
        rng = draws("objects' colour", seed, episode)
        offset = self.intensity * rng.uniform(-self.offset, self.offset, 3)
        return float(1.0 + self.intensity * rng.uniform(-self.factor, self.factor)), offset

    def paint(self, nominal: np.ndarray, seed: int, episode: int) -> np.ndarray:
        """The colours of an episode.

        Args:
          nominal: (N, 3), as compiled.
          seed, episode: which episode.
        Returns:
          (N, 3); within [0, 1] in mode "paper" only.
        """
        rgb = nominal
        for number in range(episode + 1) if self.mode == "code" else (episode,):
            factor, offset = self.draw(seed, number)
            rgb = factor * rgb + offset
        return np.clip(rgb, 0.0, 1.0) if self.mode == "paper" else rgb


class _BoundObjectColor(Restoring):
    def __init__(self, scene: SceneWithObjects, shift: ObjectColor) -> None:
        model = scene.model
        super().__init__(scene, model.geom_rgba)
        bodies = [model.body(name).id for name in scene.object_bodies]
        self._shift, self._rgba = shift, model.geom_rgba
        self._geoms = np.flatnonzero(np.isin(model.geom_bodyid, bodies))
        nominal = model.geom_rgba[self._geoms, :3].astype(np.float64)
        self._nominal = blend(shown_colors(model)[self._geoms], nominal, shift.intensity)

    def begin_episode(self, seed: int, episode: int) -> Mapping[str, Any]:
        self._rgba[self._geoms, :3] = self._shift.paint(self._nominal, seed, episode)
        factor, offset = self._shift.draw(seed, episode)
        return {"color_factor": round(factor, 4), "color_offset": facts(offset)}


def shown_colors(model: Any) -> np.ndarray:
    """What each geom is tinted with, float64 (N, 3): its material's colour unless it has one of its own."""
    tinted = (model.geom_matid >= 0) & (model.geom_rgba == UNCOLORED).all(axis=1)
    colors = model.geom_rgba[:, :3].astype(np.float64)
    colors[tinted] = model.mat_rgba[model.geom_matid[tinted], :3]
    return colors


@dataclass(frozen=True)
class SceneColor(Shift):
    """One colour for every geom without a colour of its own, robot and table too (RL-ViGen's object colour).

    The hammer's neck and head, the pen and its target are among them, as they are in RL-ViGen's models.

    Each episode shows an entry of DMC-GB's `self_rgb`, chosen by `drawn_color`.

    Attributes:
      level: of the table.
      with_sky: whether the setting draws a sky's colour, too. It does not share the entry, but the generator.
    """

    level: Literal["easy", "hard"]
    with_sky: bool = False
    sets: ClassVar[tuple[str, ...]] = ("geom_rgba",)

    @property
    def assets(self) -> tuple[str, ...]:
        return (f"color_{self.level}",)

    def bind(self, simulation: Scene, assets: AssetStore) -> BoundShift:  # type: ignore[override]
        return _BoundSceneColor(simulation, color_table(self.level, assets), self.with_sky)


def drawn_color(whose: Literal["objects", "sky"], seed: int, episode: int, *, both: bool) -> int:
    """An episode's entry in the table of colours, 0 to 99, from RL-ViGen's own stream.

    One generator is made from the environment's seed. At each reset it draws the objects' entry; then a factor and
    three offsets for the light, even if no light changes; then the sky's entry, whatever the objects' was.
    Source: gemcollector/RL-ViGen@7286460:DHM/dhm/make_env_RRL.py, `BasicDHMEnv.reset`.

    Args:
      whose: entry is asked for.
      seed: of the environment.
      episode: its number, from 0.
      both: whether the setting draws objects and sky; else only what is asked for.
    """
    generator, entries = np.random.RandomState(seed), {}
    for _ in range(episode + 1):
        if both or whose == "objects":
            entries["objects"] = int(generator.randint(NUM_COLORS))
        generator.uniform(size=4)
        if both or whose == "sky":
            entries["sky"] = int(generator.randint(NUM_COLORS))
    return entries[whose]


def color_table(level: str, assets: AssetStore) -> ColorTable:
    """DMC-GB's colours of a level, or what stands in for them."""
    found = assets.find(f"color_{level}")
    return stand_in_table(level) if found.stand_in else load_table(found.files[0])


class _BoundSceneColor(Restoring):
    def __init__(self, scene: Scene, table: ColorTable, with_sky: bool) -> None:
        super().__init__(scene, scene.model.geom_rgba)
        self._rgba, self._table, self._with_sky = scene.model.geom_rgba, table, with_sky
        repainted = [scene.model.geom(number).name in REPAINTED for number in range(scene.model.ngeom)]
        self._geoms = np.flatnonzero((self._rgba == UNCOLORED).all(axis=1) | repainted)

    def begin_episode(self, seed: int, episode: int) -> Mapping[str, Any]:
        entry = drawn_color("objects", seed, episode, both=self._with_sky)
        self._rgba[self._geoms, :3] = self._table[entry]["self_rgb"]
        return {"object_color": entry}
