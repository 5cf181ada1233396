"""Reading and writing checkpoints: safetensors for tensors, JSON for the rest; nothing that is read runs code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from harness.errors import CheckpointError, WorkError

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


def read_meta(folder: Path, stem: str, expected: Mapping[str, Any]) -> dict[str, Any]:
    """Reads `<stem>.json` and compares what has to agree.

    Raises:
      CheckpointError: if it is missing or damaged, or differs from `expected` in any of its keys.
    """
    path = folder / META_FILE.format(stem)
    try:
        meta = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(f"There is no checkpoint in {folder}: {path.name} is missing.") from error
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged: it is not JSON.") from error
    if not isinstance(meta, dict):
        raise CheckpointError(f"{path} is damaged: it is not a checkpoint's record.")
    for key, value in {"format": FORMAT, **expected}.items():
        check_equal(folder, key, meta.get(key), value)
    return meta


def check_equal(folder: Path, key: str, found: Any, wanted: Any) -> None:
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        for name in sorted({*wanted, *found}):
            check_equal(folder, f"{key}.{name}", found.get(name), wanted.get(name))
    elif found != wanted:
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
