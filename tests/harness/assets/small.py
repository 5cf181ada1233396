"""Small manifests and the files that go with them."""

from __future__ import annotations

import hashlib
from pathlib import Path

from harness.assets import manifest
from harness.assets.manifest import Asset, AssetFile
from harness.assets.store import AssetStore

VIDEOS = {f"clips/easy/clip{i}.mp4": f"film {i}".encode() for i in (0, 1, 2, 10)}
OTHERS = {f"clips/hard/clip{i}.mp4": f"other {i}".encode() for i in (0, 1)}
WEIGHTS = {"weights/small.pt": b"small weights"}
PUBLISHED = {"weights/full.pth": b"full weights"}
TEXTURES = {"drawerworld/wood.png": b"wood", "drawerworld/metal.png": b"metal"}


def describe(contents: dict[str, bytes]) -> tuple[AssetFile, ...]:
    return tuple(
        AssetFile(path, len(data), hashlib.sha256(data).hexdigest(), url=f"https://example.org/x/{path}")
        for path, data in contents.items()
    )


def make_asset(name: str, *choices: dict[str, bytes], partial: bool = False, tree: str | None = None) -> Asset:
    return Asset(
        name,
        "for the test",
        "owner/name",
        "none",
        "video",
        tuple(describe(choice) for choice in choices),
        tree=tree,
        partial=partial,
        how_to_get="get it elsewhere" if tree else None,
    )


ENTRIES = (
    make_asset("easy", VIDEOS, partial=True),
    make_asset("hard", OTHERS, partial=True),
    make_asset("net", PUBLISHED, WEIGHTS),
    make_asset("drawerworld", TEXTURES),
    make_asset("places365", tree="places365_standard/train"),
)


def forget_names() -> None:
    """Forgets what is remembered of a manifest."""
    manifest._shared_names.cache_clear()
    manifest.names_of.cache_clear()


def lay(folder: Path, contents: dict[str, bytes]) -> Path:
    for name, data in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def store_of(*folders: Path, stand_ins: bool = False) -> AssetStore:
    return AssetStore(folders, allow_stand_ins=stand_ins)
