"""Encoders that users make themselves: safetensors files in the folders of assets, named by their own digest."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from harness.assets.found import FoundAsset
from harness.errors import CorruptAssetError, MissingAssetError
from harness.files import disk_errors, sha256_of, write_bytes
from harness.results.text import escaped

NAME = re.compile(r"(vae|rad)-[0-9a-f]{16}")

MADE_BY = {"vae": "train vae", "rad": "take"}


def is_encoder_file(name: str) -> bool:
    """Whether a name is one of a file that `harness encoder` wrote."""
    return NAME.fullmatch(name) is not None


def find_encoder(folders: Sequence[Path], name: str) -> FoundAsset:
    """Looks for `<name>.safetensors` and compares it with its name; nothing stands in for what users train.

    Raises:
      MissingAssetError: if no folder has it.
      CorruptAssetError: if it is not what its name says, or cannot be read.
    """
    candidates = (folder / f"{name}.safetensors" for folder in folders)
    path = next((path for path in candidates if path.is_file()), None)
    if path is None:
        raise MissingAssetError(
            f"Missing encoder '{name}': no folder of assets holds {name}.safetensors; name its folder "
            f"with --assets, or make one: harness encoder {MADE_BY[name[:3]]}."
        )
    try:
        digest = sha256_of(path)[:16]
    except OSError as error:
        raise CorruptAssetError(f"{path} cannot be read ({error.strerror or error}).") from error
    if not name.endswith(digest):
        raise CorruptAssetError(escaped(f"{path} is damaged or renamed: its digest is {digest}, not that of its name."))
    return FoundAsset(name, (path,), f"sha256:{digest}")


def write_encoder(kind: str, data: bytes, folder: Path) -> Path:
    """Writes a file under the name that its contents give it, in one step.

    Raises:
      WorkError: if the disk is full or cannot be written.
    """
    path = folder / f"{kind}-{hashlib.sha256(data).hexdigest()[:16]}.safetensors"
    with disk_errors(str(path)):
        folder.mkdir(parents=True, exist_ok=True)
        write_bytes(path, data)
    return path
