"""A table of another material."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from harness.errors import UsageError
from harness.lazy import np
from harness.spec import BoundShift, Shift
from harness.suites.shifts.scene import Restoring, Scene

if TYPE_CHECKING:
    from harness.assets.store import AssetStore

TABLE = "tablecube"  # the Adroit table's material
FOLDERS = {
    "adroit": ("gymnasium_robotics", "envs/assets/adroit_hand/resources/textures"),
    "metaworld": ("metaworld", "assets/textures"),
}


@dataclass(frozen=True)
class TableTexture(Shift):
    """The table shows one picture after another, a new one at each reset (RL-ViGen's table texture).

    Episode i shows picture (i + 1) mod N, whatever the seed. The pictures come with the simulators' own packages.

    Attributes:
      pictures: such as "metaworld/metal2": a folder of `FOLDERS` and the name of a picture there.
    """

    pictures: tuple[str, ...]
    sets: ClassVar[tuple[str, ...]] = ("geom_matid",)

    def edit_spec(self, spec: Any) -> None:
        """Adds one copy of the table's material for each picture."""
        import mujoco

        for name in self.pictures:
            spec.add_texture(name=name, type=mujoco.mjtTexture.mjTEXTURE_CUBE, file=str(picture_path(name)))
            material = spec.add_material(name=name, rgba=spec.material(TABLE).rgba)
            material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = name

    def bind(self, simulation: Scene, assets: AssetStore) -> BoundShift:  # type: ignore[override]
        return _BoundTableTexture(simulation, self.pictures)


class _BoundTableTexture(Restoring):
    def __init__(self, scene: Scene, pictures: tuple[str, ...]) -> None:
        model = scene.model
        super().__init__(scene, model.geom_matid)
        self._pictures, self._shown = pictures, model.geom_matid
        self._geoms = np.flatnonzero(model.geom_matid == model.material(TABLE).id)
        self._materials = [model.material(name).id for name in pictures]

    def begin_episode(self, seed: int, episode: int) -> Mapping[str, Any]:
        index = (episode + 1) % len(self._pictures)
        self._shown[self._geoms] = self._materials[index]
        return {"texture": self._pictures[index]}


def picture_path(name: str) -> Path:
    """Where a picture lies.

    Raises:
      UsageError: if the package does not have it.
    """
    folder, _, picture = name.partition("/")
    if folder not in FOLDERS:
        raise UsageError(f"There is no texture '{name}': the folders are {' and '.join(FOLDERS)}.")
    package, inside = FOLDERS[folder]
    found = importlib.util.find_spec(package)
    path = Path(found.submodule_search_locations[0] if found and found.submodule_search_locations else ".")
    path = path / inside / f"{picture}.png"
    if not path.is_file():
        raise UsageError(f"There is no texture '{name}': {package} has no {path.name}.")
    return path
