"""Folders of pictures as assets: found recursively, told apart by names, sizes and, where small, contents."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from harness.assets.digests import check_file, sha256_of, short_digest
from harness.assets.found import FoundAsset, PathList
from harness.assets.manifest import AssetFile, asset_named
from harness.errors import UsageError
from harness.results.text import escaped

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})
HASH_CONTENTS_BELOW = 200_000_000  # bytes; larger picture folders are told apart by names and sizes alone


def picture_folder(folder: Path, *, label: str, note: str = "") -> FoundAsset:
    """All pictures below a folder; identity over their names and sizes, and contents where they are small together.

    What a large folder gave is remembered within the process while nothing is added, renamed or removed there: walking
    Places365 takes a quarter of a minute.

    Raises:
      UsageError: if there is none.
    """
    remembered = _LARGE_FOLDERS.get((folder, label, note))
    if remembered and all(_change_time(Path(path)) == time for path, time in remembered[0].items()):
        return remembered[1]
    times: dict[str, int | None] = {}
    found, small = _picture_folder(folder, label, note, times)
    if not small:
        _LARGE_FOLDERS[folder, label, note] = (times, found)
    return found


# (folder, label, note) -> the times of change of all folders in it, and what was found
_LARGE_FOLDERS: dict[tuple[Path, str, str], tuple[dict[str, int | None], FoundAsset]] = {}


def _picture_folder(folder: Path, label: str, note: str, times: dict[str, int | None]) -> tuple[FoundAsset, bool]:
    """`picture_folder` from the disk, and whether contents were read; fills `times`."""
    sizes = sorted(_walk_pictures(folder, times))
    if not sizes:
        raise UsageError(f"No pictures in folder {folder} ({', '.join(sorted(PICTURE_SUFFIXES))}).")
    small = sum(size for _, size in sizes) < HASH_CONTENTS_BELOW
    facts = [(name, f"{size} {sha256_of(folder / name) if small else ''}") for name, size in sizes]
    files = PathList(folder, tuple(name for name, _ in sizes))
    return FoundAsset(label, files, f"pictures:{label}-{short_digest(facts)}", note), small


def _change_time(folder: Path) -> int | None:
    """When a name in the folder was last added, renamed or removed, nanoseconds; None if there is no such folder."""
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return None


def _walk_pictures(folder: Path, times: dict[str, int | None], prefix: str = "") -> Iterator[tuple[str, int]]:
    """(name relative to the folder, bytes) of every picture, in no order; fills in each folder's time of change."""
    times[str(folder)] = _change_time(folder)
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from _walk_pictures(Path(entry.path), times, f"{prefix}{entry.name}/")
            elif os.path.splitext(entry.name)[1].lower() in PICTURE_SUFFIXES:
                yield prefix + entry.name, entry.stat().st_size


def user_pictures(folder: Path) -> FoundAsset:
    if not folder.is_dir():
        raise UsageError(f"No such folder of overlay pictures: {folder}. Give a folder, 'auto' or 'places365'.")
    found = picture_folder(folder, label=escaped(folder.resolve().name))
    note = f"overlay pictures: {found.name} ({len(found.files)} pictures), where the paper used Places365"
    return FoundAsset(found.name, found.files, found.identity, note)


def drawerworld_pictures(textures: dict[AssetFile, Path]) -> FoundAsset:
    asset = asset_named("drawerworld")
    digests = [(file.path, check_file(asset, file, path)) for file, path in textures.items()]
    note = f"overlay pictures: drawerworld ({len(textures)} pictures), where the paper used Places365"
    return FoundAsset("drawerworld", tuple(textures.values()), f"pictures:drawerworld-{short_digest(digests)}", note)
