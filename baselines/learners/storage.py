"""Reading and writing checkpoints: safetensors for tensors, JSON for the rest; nothing that is read runs code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from harness.errors import CheckpointError, WorkError
from harness.reading import parse_json, read_bytes

FORMAT = 1  # raised when the layout of the files changes
META_FILE, TENSOR_FILE = "{}.json", "{}.safetensors"


def write(folder: Path, stem: str, meta: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Writes `<stem>.json` and `<stem>.safetensors`.

    Raises:
      WorkError: if the disk is full or cannot be written.
    """
    # Shared and strided tensors (channels_last, targets that alias) are not what safetensors takes.
    plain = {name: tensor.detach().to("cpu").contiguous() for name, tensor in tensors.items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_file(plain, folder / TENSOR_FILE.format(stem))
        text = json.dumps({"format": FORMAT, **meta}, indent=1, sort_keys=True)
        (folder / META_FILE.format(stem)).write_text(text, encoding="utf-8")
    except (OSError, SafetensorError) as error:
        raise WorkError(f"Cannot write the checkpoint in {folder}: {error}.") from error


class Meta(BaseModel):
    """A part of what `<stem>.json` holds: an agent says which parts it needs, and others may stand beside them."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, allow_inf_nan=False)


class GeneratorState(Meta):
    """Where one of numpy's generators stands."""

    bit_generator: Literal["PCG64"]
    state: dict[Literal["state", "inc"], Annotated[int, Field(ge=0, lt=2**128)]] = Field(min_length=2)
    has_uint32: int = Field(ge=0, le=1)
    uinteger: int = Field(ge=0, lt=2**32)


def read_meta(folder: Path, stem: str, expected: Mapping[str, Any], *parts: type[Meta]) -> dict[str, Any]:
    """Reads `<stem>.json`, checks that its parts are there, and compares what has to agree.

    Raises:
      CheckpointError: if it is missing or damaged, or differs from `expected` in any of its keys.
    """
    path = folder / META_FILE.format(stem)
    try:
        text = read_bytes(path, error=CheckpointError)
    except FileNotFoundError as error:
        raise CheckpointError(f"There is no checkpoint in {folder}: {path.name} is missing.") from error
    meta = parse_json(text, dict[str, Any], str(path), error=CheckpointError)
    for key, value in {"format": FORMAT, **expected}.items():
        check_equal(folder, key, meta.get(key), value)
    for part in parts:
        parse_json(text, part, str(path), error=CheckpointError)
    return meta


def check_equal(folder: Path, key: str, found: Any, wanted: Any) -> None:
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        for name in sorted({*wanted, *found}):
            check_equal(folder, f"{key}.{name}", found.get(name), wanted.get(name))
    elif type(found) is not type(wanted) or found != wanted:
        raise CheckpointError(
            f"The checkpoint in {folder} was made for something else: its {key} is {found!r}, not {wanted!r}."
        )


def read_tensors(folder: Path, stem: str) -> dict[str, Tensor]:
    """Reads `<stem>.safetensors`.

    Raises:
      CheckpointError: if it is missing, cut short, or not of that format (a renamed pickle, say).
    """
    path = folder / TENSOR_FILE.format(stem)
    try:
        return load_file(path)
    except FileNotFoundError as error:
        raise CheckpointError(f"There is no checkpoint in {folder}: {path.name} is missing.") from error
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        raise CheckpointError(f"{path} is damaged or not a safetensors file ({error}).") from error


def fill(target: Mapping[str, Tensor], source: Mapping[str, Tensor], folder: Path) -> None:
    """Copies every tensor of `source` into the one of the same name, after checking that all of them fit.

    Raises:
      CheckpointError: if names, shapes or types differ.
    """
    if set(target) != set(source):
        odd = sorted(set(target) ^ set(source))
        raise CheckpointError(
            f"The checkpoint in {folder} does not fit: {odd[0]} is on one side only ({len(odd)} such)."
        )
    for name, tensor in target.items():
        other = source[name]
        if tensor.shape != other.shape or tensor.dtype != other.dtype:
            raise CheckpointError(
                f"The checkpoint in {folder} does not fit: {name} is {other.dtype} {tuple(other.shape)}, "
                f"not {tensor.dtype} {tuple(tensor.shape)}."
            )
    with torch.no_grad():
        for name, tensor in target.items():
            tensor.copy_(source[name])
