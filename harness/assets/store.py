"""Third-party files (videos, colour tables, weights, pictures): looked up, verified, or stood in for.

What exists stands in `manifest.py`; `download.py` gets it. Nothing here imports more than the standard library.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from harness.assets.digests import check_file, sha256_of, short_digest
from harness.assets.encoder_files import find_encoder, is_encoder_file
from harness.assets.found import FoundAsset
from harness.assets.manifest import Asset, AssetFile, asset_named, names_of
from harness.assets.pictures import drawerworld_pictures, picture_folder, user_pictures
from harness.errors import MissingAssetError, UsageError

OVERLAY_STAND_IN = "stand-in:dead-leaves-v1"


def cache_folder() -> Path:
    """Where fetched assets go: `$XDG_CACHE_HOME/visual-rl-harness/assets`, by default below `~/.cache`.

    Raises:
      UsageError: if the user has no home folder, as in some containers.
    """
    given = os.environ.get("XDG_CACHE_HOME")
    try:
        base = Path(given) if given else Path.home() / ".cache"
    except RuntimeError:
        raise UsageError("There is no home folder to keep files in: set HOME, or XDG_CACHE_HOME.") from None
    return base / "visual-rl-harness" / "assets"


def user_path(text: str) -> Path:
    """A path as a user writes it, `~` for a home folder included, from the root.

    Raises:
      UsageError: if it starts in the home folder of nobody.
    """
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError:
        raise UsageError(f"'{text}' starts in a home folder that does not exist: write the path out.") from None


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
        self.may_be_absent: tuple[Path, ...] = ()  # the cache, before anything was fetched

    @classmethod
    def from_environment(
        cls, extra: str | None = None, *, allow_stand_ins: bool, held_out: Iterable[str] = ()
    ) -> AssetStore:
        """The store of `--assets` (`extra`), then `$HARNESS_ASSETS`, then the user cache folder.

        Both take several folders, with `:` (`os.pathsep`) between.

        Raises:
          UsageError: if a folder of `extra` does not exist.
        """
        cache = []
        with contextlib.suppress(UsageError):  # without a home folder nothing was ever fetched into it
            cache.append(cache_folder())
        asked = _split_folders(extra)
        for folder in asked:
            if not folder.is_dir():
                raise UsageError(f"No such folder: {folder} (given by --assets).")
        folders = [*asked, *_split_folders(os.environ.get("HARNESS_ASSETS")), *cache]
        store = cls(list(dict.fromkeys(folders)), allow_stand_ins=allow_stand_ins, held_out=held_out)
        store.may_be_absent = tuple(cache)
        return store

    def find(self, name: str) -> FoundAsset:
        """Looks one asset up and verifies size and digest of every file it returns.

        Digests are remembered within the process for as long as a file's size and time of change stay.

        Raises:
          UsageError: if no asset has this name.
          CorruptAssetError: if a file is there and is not what the manifest says.
          MissingAssetError: if it is absent and stand-ins are not allowed; the message says how to get it.
        """
        if is_encoder_file(name):
            return find_encoder(self.folders, name)
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
        return FoundAsset(name, tuple(located.values()), f"sha256:{short_digest(digests)}", note)

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
            found = user_pictures(user_path(choice))
            self._check_not_held_out(found)
            return found
        places = self.locate_tree(asset_named("places365").tree or "")
        if places is not None:
            return picture_folder(places, label="places365")
        textures = self.locate(asset_named("drawerworld").choices[0]) if choice == "auto" else {}
        passed_over = bool(textures) and "drawerworld" in self.held_out
        if textures and not passed_over:
            return drawerworld_pictures(textures)
        if self.allow_stand_ins:
            note = "overlay pictures: dead leaves, as this suite tests with the DrawerWorld textures"
            return FoundAsset("places365", (), OVERLAY_STAND_IN, note if passed_over else "")
        how = asset_named("places365").how_to_get
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
        candidates = (folder / name for folder in self.folders for name in names_of(file.path))
        return next((path for path in candidates if path.is_file()), None)

    def _absent(self, asset: Asset, located: dict[AssetFile, Path]) -> FoundAsset:
        if self.allow_stand_ins:
            return FoundAsset(asset.name, (), f"stand-in:{asset.stand_in or asset.name}-v1")
        raise MissingAssetError(f"{_what_is_missing(asset, located)} {asset.remedy}")


def _split_folders(text: str | None) -> list[Path]:
    return [user_path(part) for part in (text or "").split(os.pathsep) if part]


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
