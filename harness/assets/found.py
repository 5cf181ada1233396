"""What a look-up gives: the files, and the identity that goes into every row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

from harness.results.text import escaped


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
        return escaped(f"STAND-IN: '{self.name}' is absent, {self.identity} takes its place (harness assets list).")

    @property
    def stand_in(self) -> bool:
        return self.identity.startswith("stand-in:")
