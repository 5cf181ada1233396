"""Which third-party files there are: what each is for, its licence, where it comes from, what its digest is.

The facts stand in `manifest.json`. Nothing here imports more than the standard library.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import UsageError, unknown

MANIFEST = Path(__file__).with_name("manifest.json")
FORMAT = 1
STRICT = {"strict": True, "extra": "forbid"}  # how pydantic reads the classes below


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

    __pydantic_config__ = STRICT

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

    __pydantic_config__ = STRICT

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


@dataclass(frozen=True)
class _Manifest:
    """The file as a whole."""

    format: int
    assets: dict[str, dict[str, Any]]

    __pydantic_config__ = STRICT


@functools.cache
def manifest() -> dict[str, Asset]:
    """Every asset by name, in the manifest's order.

    Raises:
      UsageError: if the file is damaged.
    """
    from harness.reading import parse_json, read_json  # here: it loads pydantic, which lists of suites do not need

    file = read_json(MANIFEST, _Manifest)
    if file.format != FORMAT:
        raise UsageError(f"{MANIFEST} is of another version: its 'format' is {file.format}, not {FORMAT}.")
    texts = {name: json.dumps({**entry, "name": name}) for name, entry in file.assets.items()}
    return {name: parse_json(text, Asset, f"{MANIFEST}, asset '{name}'") for name, text in texts.items()}


def all_assets() -> list[Asset]:
    """Every asset, in the manifest's order."""
    return list(manifest().values())


def asset_named(name: str) -> Asset:
    """The manifest's entry.

    Raises:
      UsageError: if there is none of this name.
    """
    if name not in manifest():
        raise unknown("asset", name, manifest())
    return manifest()[name]


@functools.cache
def _shared_names() -> frozenset[str]:
    """File names the manifest uses in more than one folder, such as `video0.mp4`: these need their folder."""
    paths = {file.path for asset in manifest().values() for files in asset.choices for file in files}
    names = [path.rpartition("/")[2] for path in paths]
    return frozenset(name for name in names if names.count(name) > 1)


@functools.cache
def names_of(path: str) -> tuple[str, ...]:
    """The manifest path, then the same with leading folders stripped while it stays unmistakable."""
    parts = path.split("/")
    tails = ["/".join(parts[start:]) for start in range(len(parts))]
    return tuple(tail for tail in tails if tail not in _shared_names())
