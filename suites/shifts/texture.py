"""Another picture on one material of the scene, such as the table."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from harness.errors import UsageError
from harness.lazy import np
from harness.spec import BoundShift, Shift
from harness.suites.shifts.scene import Restoring, Scene, draws

if TYPE_CHECKING:
    from harness.assets.found import FoundAsset
    from harness.assets.store import AssetStore

ASSET = "drawerworld"
ASSET_SIZES = {"blanket": 199, "fabric": 200}  # pixels; pictures that no package brings
# Of the metaworld package itself; none of them is the table that Metaworld's tasks train with (wood2).
METAWORLD_TABLES = (
    "brick1",
    "darkwood",
    "floor1",
    "granite",
    "light_wood_v2",
    "marble",
    "metal1",
    "navy_blue",
    "plaster1",
    "tennis",
)
BLACK = "black"
BLACK_SIZE = 8  # pixels

# Weaves that stand in for the two pictures: colour of the yarn, its thickness in pixels, contrast.
STAND_INS = {"blanket": ((128, 18, 44), 9, 0.55), "fabric": ((158, 155, 150), 5, 0.25)}


@dataclass(frozen=True)
class Texture(Shift):
    """Every geom of one material shows another picture, one of several drawn per episode.

    All else about the material (how often the picture repeats, shine, tint) stays, and the picture is wrapped in the
    same way (flat or as the six sides of a cube). The pictures are compiled into the model beforehand; an episode
    only chooses among materials.

    Args:
      material: the name of the material in the training scene.
      names: pictures: "black", "blanket", "fabric" (third-party files), or the name of a square one in the metaworld
        package (`assets/textures`), such as "marble".
      intensity: 0 shows the training picture, 1 the new one, and values between blend them.
    Raises:
      UsageError: if the intensity is not in [0, 1] or there is no name.
    """

    material: str
    names: tuple[str, ...]
    intensity: float = 1.0
    sets: ClassVar[tuple[str, ...]] = ("geom_matid",)

    def __post_init__(self) -> None:
        if not self.names:
            raise UsageError("A texture shift needs the name of at least one picture.")
        if not 0.0 <= self.intensity <= 1.0:
            raise UsageError(f"The intensity of a texture lies from 0 to 1, not at {self.intensity}.")

    @property
    def assets(self) -> tuple[str, ...]:
        return (ASSET,) if any(name in ASSET_SIZES for name in self.names) else ()

    def edit_spec(self, spec: Any) -> None:
        """Adds a copy of the material for every picture, as yet without its pixels: those may be third-party files."""
        import mujoco

        role = mujoco.mjtTextureRole.mjTEXROLE_RGB
        base = spec.material(self.material)
        kind = spec.texture(base.textures[role]).type
        for name in self.names:
            size = picture_size(name)
            texture = spec.add_texture(name=self._compiled(name), type=kind, width=size, height=size, nchannel=3)
            texture.data = bytes(3 * size * size)
            material = spec.add_material(
                name=self._compiled(name),
                texrepeat=base.texrepeat,
                texuniform=base.texuniform,
                rgba=base.rgba,
                shininess=base.shininess,
                specular=base.specular,
                reflectance=base.reflectance,
                emission=base.emission,
            )
            material.textures[role] = self._compiled(name)

    def bind(self, simulation: Scene, assets: AssetStore) -> BoundShift:  # type: ignore[override]
        found = assets.find(ASSET) if self.assets else None
        model = simulation.model
        base = training_picture(model, self.material)
        for name in self.names:
            picture = blend(base, load_picture(name, found), self.intensity)
            texture = model.texture(self._compiled(name)).id
            start = model.tex_adr[texture]
            model.tex_data[start : start + picture.size] = picture.ravel()
        materials = {name: model.material(self._compiled(name)).id for name in self.names}
        return _BoundTexture(simulation, self.material, materials)

    def _compiled(self, name: str) -> str:
        return f"{self.material}:{name}"


class _BoundTexture(Restoring):
    def __init__(self, scene: Scene, material: str, materials: Mapping[str, int]) -> None:
        model = scene.model
        super().__init__(scene, model.geom_matid)
        self._model, self._material = model, material
        self._geoms = np.flatnonzero(model.geom_matid == model.material(material).id)
        self._materials = materials

    def begin_episode(self, seed: int, episode: int) -> Mapping[str, Any]:
        names = list(self._materials)
        name = names[draws(f"texture of {self._material}", seed, episode).integers(len(names))]
        self._model.geom_matid[self._geoms] = self._materials[name]
        return {"texture": name}


def package_texture(name: str) -> Path:
    """Where a picture of the metaworld package is.

    Raises:
      UsageError: if the package has none of this name.
    """
    (folder,) = importlib.util.find_spec("metaworld").submodule_search_locations  # type: ignore[union-attr, misc]
    path = Path(folder) / "assets" / "textures" / f"{name}.png"
    if not path.is_file():
        raise UsageError(f"There is no texture '{name}': metaworld has no {path.name}.")
    return path


def picture_size(name: str) -> int:
    """Height and width of a picture, pixels.

    Raises:
      UsageError: if there is none of this name.
    """
    if name == BLACK:
        return BLACK_SIZE
    return ASSET_SIZES.get(name) or len(_package_picture(name))


def load_picture(name: str, found: FoundAsset | None = None) -> np.ndarray:
    """The pixels of a picture, uint8 (size, size, 3).

    Args:
      name: see `Texture`.
      found: the third-party files, for a picture that is one of them; if they are stood in for, so is the picture.
    Raises:
      UsageError: if there is none of this name.
    """
    if name == BLACK:
        return np.zeros((BLACK_SIZE, BLACK_SIZE, 3), np.uint8)
    if name not in ASSET_SIZES:
        return _package_picture(name)
    if found is None or found.stand_in:
        return stand_in_picture(name)
    (path,) = (path for path in found.files if path.stem == name)
    return _decode(path)


def stand_in_picture(name: str) -> np.ndarray:
    """A seeded weave in the colours of "blanket" or "fabric", uint8 (size, size, 3)."""
    color, yarn, contrast = STAND_INS[name]
    size = ASSET_SIZES[name]
    rows, columns = np.indices((size, size))
    over = (rows // yarn + columns // yarn) % 2 == 0  # whether the warp lies over the weft
    across = np.where(over, columns, rows) % yarn
    height = 1.0 - np.abs(across - (yarn - 1) / 2) / (yarn / 2)  # 0 at the edge of a yarn, 1 in its middle
    light = 1.0 + contrast * (height - 0.5) + np.random.RandomState(size).normal(0.0, 0.06, (size, size))
    return np.clip(light[..., None] * np.array(color), 0, 255).astype(np.uint8)


def training_picture(model: Any, material: str) -> np.ndarray:
    """The picture that a material shows in training, uint8 (size, size, 3)."""
    import mujoco

    texture = model.mat_texid[model.material(material).id, mujoco.mjtTextureRole.mjTEXROLE_RGB]
    start, height, width = model.tex_adr[texture], model.tex_height[texture], model.tex_width[texture]
    return model.tex_data[start : start + 3 * height * width].reshape(height, width, 3)


def blend(base: np.ndarray, picture: np.ndarray, intensity: float) -> np.ndarray:
    """Mixes two pictures, the first resized to the second; uint8, at intensity 1 the second byte for byte."""
    if intensity == 1.0:
        return picture
    from PIL import Image

    resized = np.asarray(Image.fromarray(base).resize(picture.shape[1::-1], Image.Resampling.BILINEAR))
    return np.rint((1.0 - intensity) * resized + intensity * picture).astype(np.uint8)


@lru_cache(maxsize=32)
def _package_picture(name: str) -> np.ndarray:
    picture = _decode(package_texture(name))
    if picture.shape[0] != picture.shape[1]:
        raise UsageError(f"The texture '{name}' is not square, so it cannot be wrapped around things.")
    return picture


def _decode(path: Path) -> np.ndarray:
    from PIL import Image

    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))
