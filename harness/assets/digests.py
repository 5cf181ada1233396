"""Digests of files, compared with what the manifest says, and the short ones that go into rows."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from harness.assets.manifest import Asset, AssetFile
from harness.errors import CorruptAssetError


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
        if file.sha256 is None and file.git_blob is None and not digest.startswith(digest_in_name(file)):
            raise CorruptAssetError(_damaged(asset, path, "its SHA-256 does not begin as its name tells"))
    except OSError as error:
        raise CorruptAssetError(_damaged(asset, path, f"it cannot be read, {error.strerror}")) from error
    return digest


def digest_in_name(file: AssetFile) -> str:
    """The first digits of the SHA-256 that a file of PyTorch's tells in its name (`resnet34-b627a593.pth`); else ""."""
    found = re.search(r"-([0-9a-f]{8,64})\.pth$", file.path)
    return found[1] if found else ""


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


def short_digest(facts: Iterable[tuple[str, str]]) -> str:
    """First 16 hex digits of the SHA-256 over lines `name fact`."""
    text = "".join(f"{name}\0{fact}\n" for name, fact in facts)
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]


def _damaged(asset: Asset, path: Path, how: str) -> str:
    remedy = f"delete it and run: harness assets fetch {asset.name}" if asset.fetchable else "replace it"
    return f"Damaged file of '{asset.name}': {path} ({how}); {remedy}"
