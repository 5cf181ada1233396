"""Third-party files (videos, colour tables, weights, pictures): looked up, verified, fetched, or stood in for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class FoundAsset:
    """What a look-up gave.

    `identity` goes into every row: `sha256:<16 hex digits>` over names and contents of the files, or
    `stand-in:<name>-v<version>` for a procedural replacement (then `files` is empty).
    """

    name: str
    files: tuple[Path, ...]
    identity: str
    note: str = ""  # what a reader of the row must know, such as "6 of 10 videos: 0, 1, 2, 6, 8, 9"

    @property
    def stand_in(self) -> bool:
        return self.identity.startswith("stand-in:")


class AssetStore:
    """Finds assets in a list of folders; picklable, so that workers look up the same files."""

    def __init__(self, folders: Sequence[Path], *, allow_stand_ins: bool) -> None:
        self.folders = tuple(folders)
        self.allow_stand_ins = allow_stand_ins

    def find(self, name: str) -> FoundAsset:
        """Looks one asset up, verifying what it finds."""
        raise NotImplementedError
