"""DMC-GB's random colours: one of a hundred colourings of ground, robot and sky per episode."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from harness.lazy import np
from harness.spec import BoundShift, Shift
from harness.suites.shifts.color_table import NUM_COLORS, ColorTable, load_table, stand_in_table
from harness.suites.shifts.scene import Restoring

if TYPE_CHECKING:
    from harness.assets.store import AssetStore
    from harness.suites.domains.dmcontrol import DMControlSimulation


@dataclass(frozen=True)
class RandomColor(Shift):
    """Colours of ground, robot and sky drawn anew at each reset (DMC-GB, Hansen & Wang 2021).

    Episode i of seed s shows entry number i of the stream `RandomState(s).randint(100)`, with replacement. "Robot"
    means the material `self` only: the ball of the cup, fingertips, rails and decorations keep their colours.
    """

    sets: ClassVar[tuple[str, ...]] = ("sky", "mat_rgba")

    level: Literal["easy", "hard"]

    @property
    def assets(self) -> tuple[str, ...]:
        return (f"color_{self.level}",)

    def bind(self, simulation: DMControlSimulation, assets: AssetStore) -> BoundShift:  # type: ignore[override]
        found = assets.find(f"color_{self.level}")
        table = stand_in_table(self.level) if found.stand_in else load_table(found.files[0])
        return _BoundColor(simulation, table, self.choose)

    def choose(self, seed: int, episode: int) -> int:
        """The entry shown in an episode."""
        return color_index(seed, episode)


@dataclass(frozen=True)
class SequentialColor(RandomColor):
    """The same colours one after the other, from an entry that the seed chooses (DMC-GB2, Almuzairee et al. 2024)."""

    def choose(self, seed: int, episode: int) -> int:
        return (first_entry(seed) + episode) % NUM_COLORS


class _BoundColor(Restoring):
    def __init__(self, simulation: DMControlSimulation, table: ColorTable, choose: Callable[[int, int], int]) -> None:
        super().__init__(simulation, simulation.model.mat_rgba, simulation.model.tex_data)  # what `recolor` writes
        self._simulation = simulation
        self._table = table
        self._choose = choose

    def begin_episode(self, seed: int, episode: int) -> Mapping[str, Any]:
        color = self._choose(seed, episode)
        self._simulation.recolor(self._table[color])
        return {"color": color}


def color_index(seed: int, episode: int) -> int:
    """The entry shown in an episode: one draw per reset of a generator made once per environment."""
    return int(np.random.RandomState(seed).randint(NUM_COLORS, size=episode + 1)[-1])


def first_entry(seed: int) -> int:
    """Where DMC-GB2's counters of colours and videos start."""
    return int(np.random.RandomState(seed).randint(100))
