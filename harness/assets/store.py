"""Third-party files (videos, colour tables, weights, pictures): looked up, verified, or stood in for.

What exists, where it comes from and what its digest is stands in `manifest.json`; `download.py` gets it.
Nothing here imports more than the standard library.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

from harness.errors import CorruptAssetError, MissingAssetError, UsageError, unknown

MANIFEST = Path(__file__).with_name("manifest.json")
PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})
HASH_CONTENTS_BELOW = 200_000_000  # bytes; larger picture folders are told apart by names and sizes alone
OVERLAY_STAND_IN = "stand-in:dead-leaves-v1"


@dataclass(frozen=True)
class AssetFile:
    """One file of the manifest; `path` is relative, with `/`."""

    path: str
    bytes: int | None = None
    sha256: str | None = None  # None where only the git blob id is known
    git_blob: str | None = None
    url: str | None = None
    convert: str | None = None  # how the file behind `url` becomes this one; None if it is this one
    original_sha256: str | None = None  # of the file behind `url`, where it is converted

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


@dataclass(frozen=True)
class Asset:
    """One entry of the manifest: files (any one complete choice will do), or a folder tree the user supplies."""

    name: str
    purpose: str
    source: str  # owner/name@commit, or the project's address
    licence: str
    unit: str  # what one file is, singular: "video"
    choices: tuple[tuple[AssetFile, ...], ...] = ()
    tree: str | None = None
    partial: bool = False  # whether some of the files are of use without the others
    how_to_get: str | None = None  # for what cannot be fetched
    stand_in: str | None = None  # name of the procedural replacement, where it is not the asset's own

    @property
    def fetchable(self) -> bool:
        return bool(self.choices) and all(file.url for file in self.choices[0])

    @property
    def remedy(self) -> str:
        """What the user does to get it, a sentence without its full stop."""
        if self.fetchable:
            return f"Run: harness assets fetch {self.name}"
        files = " and ".join(file.path for file in self.choices[0]) if self.choices else "its files"
        where = self.how_to_get or f"it comes from {self.source}; put {files} below a folder DIR and pass --assets DIR"
        return where[0].upper() + where[1:]


@functools.cache
def manifest() -> dict[str, Asset]:
    """Every asset by name, in the manifest's order."""
    entries: dict[str, dict[str, Any]] = json.loads(MANIFEST.read_text(encoding="utf-8"))["assets"]
    return {name: _asset(name, entry) for name, entry in entries.items()}


def _asset(name: str, entry: dict[str, Any]) -> Asset:
    choices = tuple(tuple(AssetFile(**file) for file in files) for files in entry.pop("choices", ()))
    return Asset(name=name, choices=choices, **entry)


def asset_named(name: str) -> Asset:
    """The manifest's entry.

    Raises:
      UsageError: if there is none of this name.
    """
    if name not in manifest():
        raise unknown("asset", name, manifest())
    return manifest()[name]


@dataclass(frozen=True)
class PathList(Sequence[Path]):
    """Paths below one folder, kept as text: Places365 has 1.8 million, which as `Path` objects take a gigabyte."""

    root: Path
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, index: int) -> Path: ...
    @overload
    def __getitem__(self, index: slice) -> PathList: ...
    def __getitem__(self, index: int | slice) -> Path | PathList:
        if isinstance(index, slice):
            return PathList(self.root, self.names[index])
        return self.root / self.names[index]


@dataclass(frozen=True)
class FoundAsset:
    """What a look-up gave.

    `identity` goes into every row: `sha256:<16 hex digits>` over names and contents of the files,
    `pictures:<folder>-<16 hex digits>` for a folder of pictures, or `stand-in:<name>-v<version>` for a procedural
    replacement (then `files` is empty). It does not depend on where the files lie.
    """

    name: str
    files: Sequence[Path]  # in the manifest's order (numeric); pictures sorted by name
    identity: str
    note: str = ""  # what a reader of the row must know, such as "6 of 10 videos: 0, 1, 2, 6, 8, 9"

    def stand_in_sentence(self) -> str:
        """What a user is told before a stand-in is used."""
        return f"STAND-IN: '{self.name}' is absent, {self.identity} takes its place (harness assets list)."

    @property
    def stand_in(self) -> bool:
        return self.identity.startswith("stand-in:")


def cache_folder() -> Path:
    """Where fetched assets go: `$XDG_CACHE_HOME/visual-rl-harness/assets`, by default below `~/.cache`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "visual-rl-harness" / "assets"


class AssetStore:
    """Finds assets in a list of folders; picklable, so that workers look up the same files.

    Args:
      folders: searched in this order; those that do not exist are passed over.
      allow_stand_ins: whether an absent asset may be stood in for (`--preset quick` only).
      held_out: assets whose pictures the suite tests with: no pictures for overlay augmentation.
    """

    def __init__(self, folders: Sequence[Path], *, allow_stand_ins: bool, held_out: Iterable[str] = ()) -> None:
        self.folders = tuple(Path(folder) for folder in folders)
        self.allow_stand_ins = allow_stand_ins
        self.held_out = tuple(held_out)

    @classmethod
    def from_environment(
        cls, extra: str | None = None, *, allow_stand_ins: bool, held_out: Iterable[str] = ()
    ) -> AssetStore:
        """The store of `--assets` (`extra`), then `$HARNESS_ASSETS`, then the user cache folder.

        Both take several folders, with `:` (`os.pathsep`) between.

        Raises:
          UsageError: if a folder of `extra` does not exist.
        """
        asked = _split_folders(extra)
        for folder in asked:
            if not folder.is_dir():
                raise UsageError(f"No such folder: {folder} (given by --assets).")
        folders = [*asked, *_split_folders(os.environ.get("HARNESS_ASSETS")), cache_folder()]
        return cls(list(dict.fromkeys(folders)), allow_stand_ins=allow_stand_ins, held_out=held_out)

    def find(self, name: str) -> FoundAsset:
        """Looks one asset up and verifies size and digest of every file it returns.

        Digests are remembered within the process for as long as a file's size and time of change stay.

        Raises:
          UsageError: if no asset has this name.
          CorruptAssetError: if a file is there and is not what the manifest says.
          MissingAssetError: if it is absent and stand-ins are not allowed; the message says how to get it.
        """
        asset = asset_named(name)
        if asset.tree:
            folder = self.locate_tree(asset.tree)
            return self._absent(asset, {}) if folder is None else picture_folder(folder, label=name)
        choice = self.best_choice(asset)
        located = self.locate(choice)
        if not located or (len(located) < len(choice) and not asset.partial):
            return self._absent(asset, located)
        digests = [(file.path, check_file(asset, file, path)) for file, path in located.items()]
        note = _partial_note(asset, choice, located) if len(located) < len(choice) else ""
        return FoundAsset(name, tuple(located.values()), f"sha256:{_digest(digests)}", note)

    def find_pictures(self, choice: str = "auto") -> FoundAsset:
        """Finds pictures for overlay augmentation.

        Args:
          choice: `"auto"` (Places365, else the DrawerWorld textures where they are not held out, else the stand-in),
            `"places365"`, or a folder, searched recursively for jpg, jpeg, png, bmp and webp.
        Raises:
          UsageError: if the folder does not exist, holds no picture, or holds one that is held out.
          MissingAssetError: if there are none and stand-ins are not allowed.
        """
        if choice not in ("auto", "places365"):
            found = _user_pictures(Path(choice).expanduser().absolute())
            self._check_not_held_out(found)
            return found
        places = self.locate_tree(manifest()["places365"].tree or "")
        if places is not None:
            return picture_folder(places, label="places365")
        textures = self.locate(manifest()["drawerworld"].choices[0]) if choice == "auto" else {}
        passed_over = bool(textures) and "drawerworld" in self.held_out
        if textures and not passed_over:
            return _drawerworld_pictures(textures)
        if self.allow_stand_ins:
            note = "overlay pictures: dead leaves, as this suite tests with the DrawerWorld textures"
            return FoundAsset("places365", (), OVERLAY_STAND_IN, note if passed_over else "")
        how = manifest()["places365"].how_to_get
        why = " (the DrawerWorld textures are here, but this suite tests with them)" if passed_over else ""
        raise MissingAssetError(
            f"Missing pictures for overlay augmentation{why}: {how}, or use your own with --set overlay_images=FOLDER."
        )

    def _check_not_held_out(self, found: FoundAsset) -> None:
        """Refuses pictures that the suite tests with, byte for byte."""
        files = [file for name in self.held_out for choice in asset_named(name).choices for file in choice]
        digests = {file.sha256: file for file in files}
        sizes = {file.bytes for file in files}
        for path in found.files if files else ():
            if path.stat().st_size in sizes and (file := digests.get(sha256_of(path))):
                raise UsageError(
                    f"{path} is '{file.path}', which this suite tests with: give other pictures as overlay_images."
                )

    def best_choice(self, asset: Asset) -> tuple[AssetFile, ...]:
        """The first of the asset's file sets that is complete here, else the first."""
        complete = (files for files in asset.choices if len(self.locate(files)) == len(files))
        return next(complete, asset.choices[0])

    def locate(self, files: Iterable[AssetFile]) -> dict[AssetFile, Path]:
        """Where each file lies, in the order given, unverified; absent ones are left out."""
        pairs = ((file, self._locate_one(file)) for file in files)
        return {file: path for file, path in pairs if path is not None}

    def locate_tree(self, tree: str) -> Path | None:
        """The first folder `DIR/<tree>`, or the folder itself where the asset folder names part of the tree."""
        parts = Path(tree).parts
        for folder in self.folders:
            for known in range(len(parts) + 1):
                if folder.parts[len(folder.parts) - known :] == parts[:known]:
                    candidate = folder.joinpath(*parts[known:])
                    if candidate.is_dir():
                        return candidate
        return None

    def _locate_one(self, file: AssetFile) -> Path | None:
        candidates = (folder / name for folder in self.folders for name in _names_of(file.path))
        return next((path for path in candidates if path.is_file()), None)

    def _absent(self, asset: Asset, located: dict[AssetFile, Path]) -> FoundAsset:
        if self.allow_stand_ins:
            return FoundAsset(asset.name, (), f"stand-in:{asset.stand_in or asset.name}-v1")
        raise MissingAssetError(f"{_what_is_missing(asset, located)} {asset.remedy}")


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
    return FoundAsset(label, files, f"pictures:{label}-{_digest(facts)}", note), small


def _change_time(folder: Path) -> int | None:
    """When a name in the folder was last added, renamed or removed, nanoseconds; None if there is no such folder."""
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return None


def check_file(asset: Asset, file: AssetFile, path: Path) -> str:
    """Verifies one file against the manifest and returns its SHA-256.

    Raises:
      CorruptAssetError: if size or digest differ, or the file cannot be read.
    """
    try:
        size = path.stat().st_size
        if file.bytes is not None and size != file.bytes:
            raise CorruptAssetError(_damaged(asset, path, f"it has {size:,} bytes instead of {file.bytes:,}"))
        digest = sha256_of(path)
        if file.sha256 is not None and digest != file.sha256:
            raise CorruptAssetError(_damaged(asset, path, "its SHA-256 differs"))
        if file.sha256 is None and file.git_blob is not None and git_blob_of(path) != file.git_blob:
            raise CorruptAssetError(_damaged(asset, path, "its git blob id differs"))
    except OSError as error:
        raise CorruptAssetError(_damaged(asset, path, f"it cannot be read, {error.strerror}")) from error
    return digest


def list_assets(store: AssetStore) -> list[dict[str, Any]]:
    """One row per asset of the manifest, from what lies on disk, unverified.

    Returns:
      Rows of name, present and total (files; total None for a tree), bytes (None where unknown), state ("present",
      "partial", "absent"), where (a folder, None if absent), fetchable, purpose, licence, source.
    """
    return [_list_row(store, asset) for asset in manifest().values()]


def _list_row(store: AssetStore, asset: Asset) -> dict[str, Any]:
    if asset.tree:
        folder = store.locate_tree(asset.tree)
        counts = {"present": int(folder is not None), "total": None, "bytes": None}
        state, where = "absent" if folder is None else "present", folder
    else:
        choice = store.best_choice(asset)
        located = store.locate(choice)
        known = all(file.bytes is not None for file in choice)
        size = sum(file.bytes or 0 for file in choice) if known else None
        counts = {"present": len(located), "total": len(choice), "bytes": size}
        state = "absent" if not located else "present" if len(located) == len(choice) else "partial"
        where = next((path.parent for path in located.values()), None)
    facts = {"fetchable": asset.fetchable, "purpose": asset.purpose, "licence": asset.licence, "source": asset.source}
    return {"name": asset.name, **counts, "state": state, "where": str(where) if where else None, **facts}


def verify_assets(store: AssetStore, names: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Checks size and digest of every file of the named assets, or of all.

    Returns:
      One row per file: asset, file, state ("ok", "absent", "damaged"), path (None if absent), detail (of damage). Of
      an asset with several choices, the one that would be used; of a tree, one row that says whether it is there.
    Raises:
      UsageError: for an unknown name.
    """
    assets = [asset_named(name) for name in dict.fromkeys(names)] or list(manifest().values())
    return [row for asset in assets for row in _verify_rows(store, asset)]


def verify_status(rows: Iterable[dict[str, Any]], names: Sequence[str] = ()) -> int:
    """Exit status for rows of `verify_assets`: 1 if a file is damaged, or absent although its asset was named."""
    faults = {"damaged", "absent"} if names else {"damaged"}
    return int(any(row["state"] in faults for row in rows))


def _verify_rows(store: AssetStore, asset: Asset) -> Iterator[dict[str, Any]]:
    if asset.tree:
        folder = store.locate_tree(asset.tree)
        yield _verify_row(asset, asset.tree, "absent" if folder is None else "ok", folder)
        return
    choice = store.best_choice(asset)
    located = store.locate(choice)
    for file in choice:
        path = located.get(file)
        if path is None:
            yield _verify_row(asset, file.path, "absent", None)
            continue
        try:
            check_file(asset, file, path)
        except CorruptAssetError as error:
            yield _verify_row(asset, file.path, "damaged", path, str(error))
        else:
            yield _verify_row(asset, file.path, "ok", path)


def _verify_row(asset: Asset, file: str, state: str, path: Path | None, detail: str = "") -> dict[str, Any]:
    return {"asset": asset.name, "file": file, "state": state, "path": str(path) if path else None, "detail": detail}


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, 64 hex digits, remembered while size and time of change stay."""
    state = path.stat()
    return _hash_file(path, state.st_size, state.st_mtime_ns, None)


def git_blob_of(path: Path) -> str:
    """git's id of a file's contents (SHA-1 over `blob <size>\\0` and the contents), 40 hex digits."""
    state = path.stat()
    return _hash_file(path, state.st_size, state.st_mtime_ns, f"blob {state.st_size}\0".encode())


@functools.lru_cache(maxsize=100_000)
def _hash_file(path: Path, size: int, mtime_ns: int, git_header: bytes | None) -> str:
    """SHA-256 of a file, or the git blob id with a header; size and time are there for the cache's key."""
    digest = hashlib.sha256() if git_header is None else hashlib.sha1(git_header, usedforsecurity=False)
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _digest(facts: Iterable[tuple[str, str]]) -> str:
    """First 16 hex digits of the SHA-256 over lines `name fact`."""
    text = "".join(f"{name}\0{fact}\n" for name, fact in facts)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _split_folders(text: str | None) -> list[Path]:
    return [Path(part).expanduser().absolute() for part in (text or "").split(os.pathsep) if part]


@functools.cache
def _shared_names() -> frozenset[str]:
    """File names the manifest uses in more than one folder, such as `video0.mp4`: these need their folder."""
    paths = {file.path for asset in manifest().values() for files in asset.choices for file in files}
    names = [path.rpartition("/")[2] for path in paths]
    return frozenset(name for name in names if names.count(name) > 1)


@functools.cache
def _names_of(path: str) -> tuple[str, ...]:
    """The manifest path, then the same with leading folders stripped while it stays unmistakable."""
    parts = path.split("/")
    tails = ["/".join(parts[start:]) for start in range(len(parts))]
    return tuple(tail for tail in tails if tail not in _shared_names())


def _walk_pictures(folder: Path, times: dict[str, int | None], prefix: str = "") -> Iterator[tuple[str, int]]:
    """(name relative to the folder, bytes) of every picture, in no order; fills in each folder's time of change."""
    times[str(folder)] = _change_time(folder)
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from _walk_pictures(Path(entry.path), times, f"{prefix}{entry.name}/")
            elif os.path.splitext(entry.name)[1].lower() in PICTURE_SUFFIXES:
                yield prefix + entry.name, entry.stat().st_size


def _user_pictures(folder: Path) -> FoundAsset:
    if not folder.is_dir():
        raise UsageError(f"No such folder of overlay pictures: {folder}. Give a folder, 'auto' or 'places365'.")
    found = picture_folder(folder, label=folder.resolve().name)
    note = f"overlay pictures: {found.name} ({len(found.files)} pictures), where the paper used Places365"
    return FoundAsset(found.name, found.files, found.identity, note)


def _drawerworld_pictures(textures: dict[AssetFile, Path]) -> FoundAsset:
    asset = manifest()["drawerworld"]
    digests = [(file.path, check_file(asset, file, path)) for file, path in textures.items()]
    note = f"overlay pictures: drawerworld ({len(textures)} pictures), where the paper used Places365"
    return FoundAsset("drawerworld", tuple(textures.values()), f"pictures:drawerworld-{_digest(digests)}", note)


def _number(file: AssetFile) -> str:
    """The number a file's name ends in (`video12.mp4`: 12), else the name itself."""
    match = re.search(r"(\d+)\.\w+$", file.name)
    return match.group(1) if match else file.name


def _partial_note(asset: Asset, choice: Sequence[AssetFile], located: Iterable[AssetFile]) -> str:
    numbers = [_number(file) for file in located]
    return f"{len(numbers)} of {len(choice)} {asset.unit}s: {', '.join(numbers)}"


def _what_is_missing(asset: Asset, located: dict[AssetFile, Path]) -> str:
    files = asset.choices[0] if asset.choices else ()
    absent = len(files) - len(located)
    if absent > 1:
        return f"Missing {absent} {asset.unit}s of '{asset.name}'."
    return f"Missing '{asset.name}' ({asset.purpose})."


def _damaged(asset: Asset, path: Path, how: str) -> str:
    remedy = f"delete it and run: harness assets fetch {asset.name}" if asset.fetchable else "replace it"
    return f"Damaged file of '{asset.name}': {path} ({how}); {remedy}"
