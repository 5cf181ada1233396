"""What a safetensors file says of itself: names, types and shapes of its tensors, without reading them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt

from harness.errors import CheckpointError
from harness.reading import Record, parse_json

MAX_HEADER = 100_000_000  # bytes, as the format's own readers have it
BITS = {"BOOL": 8, "U8": 8, "I8": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32}
BITS |= {"F64": 64, "I64": 64, "U64": 64, "C64": 64, "F8_E4M3": 8, "F8_E5M2": 8}

Shapes = Mapping[str, tuple[str, tuple[int, ...]]]  # tensor -> (type as in `BITS`, shape)


class Entry(Record):
    """One tensor of a header."""

    dtype: str
    shape: tuple[NonNegativeInt, ...]
    data_offsets: tuple[NonNegativeInt, NonNegativeInt]

    def problem(self) -> str | None:
        """What in the entry contradicts itself, as a clause."""
        first, end = self.data_offsets
        bits = BITS.get(self.dtype)
        if end < first or (bits is not None and (end - first) * 8 != math.prod(self.shape) * bits):
            return f"{end - first:,} bytes do not hold {self.dtype} {list(self.shape)}"
        return None


class Header(BaseModel):
    """A file's header: `__metadata__`, and an `Entry` under each tensor's name."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True)

    metadata: dict[str, str] = Field(default={}, alias="__metadata__")
    __pydantic_extra__: dict[str, Entry]


def read_shapes(path: Path) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Type and shape of every tensor of a file, whose length is compared with what its header tells.

    Raises:
      CheckpointError: if it cannot be read, is cut short, or is no safetensors file.
    """
    header, length, size = _read_header(path)
    entries = header.__pydantic_extra__
    for name, entry in entries.items():
        if problem := entry.problem():
            raise CheckpointError(f"{path} is damaged: '{name}', {problem}.")
    told = 8 + length + max((entry.data_offsets[1] for entry in entries.values()), default=0)
    if told != size:
        raise CheckpointError(f"{path} is damaged: it has {size:,} bytes, not the {told:,} that its header tells.")
    return {name: (entry.dtype, entry.shape) for name, entry in sorted(entries.items())}


def read_metadata(path: Path) -> dict[str, str]:
    """What the file's writer added to its header.

    Raises:
      CheckpointError: if it cannot be read, or is no safetensors file.
    """
    return _read_header(path)[0].metadata


def _read_header(path: Path) -> tuple[Header, int, int]:
    """The header, its length and the file's, bytes."""
    try:
        with open(path, "rb") as file:
            size = path.stat().st_size
            length = int.from_bytes(file.read(8), "little")
            if length > min(size - 8, MAX_HEADER):
                raise CheckpointError(f"{path} is not a safetensors file, or damaged: it has no header.")
            text = file.read(length)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror or error}).") from error
    what = f"{path} is not a safetensors file, or its header"
    return parse_json(text, Header, what, error=CheckpointError), length, size


def shapes_in(folder: Path) -> dict[str, dict[str, tuple[str, tuple[int, ...]]]]:
    """`read_shapes` of every safetensors file of a folder, by the file's name."""
    return {path.name: read_shapes(path) for path in sorted(folder.glob("*.safetensors"))}


def misfit(found: Shapes, wanted: Shapes) -> str | None:
    """The first tensor that is not as wanted, as a clause; None if all are."""
    for name in sorted({*found, *wanted}):
        if name not in wanted:
            return f"it holds '{name}', which has no place there"
        if name not in found:
            return f"it lacks '{name}', {_told(wanted[name])}"
        if found[name] != wanted[name]:
            return f"'{name}' is {_told(found[name])}, not {_told(wanted[name])}"
    return None


def _told(tensor: tuple[str, tuple[int, ...]]) -> str:
    return f"{tensor[0]} {list(tensor[1])}"
