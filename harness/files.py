"""Writing so that a kill at any moment leaves either the old or the new, never a half."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.errors import HarnessError, UsageError, WorkError
from harness.results.replacing import replace_file
from harness.results.text import json_escaped

_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the quota is used up",
    errno.EROFS: "the disk is read-only",
}


@contextmanager
def disk_errors(what: str) -> Iterator[None]:
    """Turns a full or read-only disk into one sentence.

    Raises:
      WorkError: instead of the OSError of a write, and of what libraries in Rust (safetensors) raise for one.
    """
    try:
        yield
    except Exception as error:
        # safetensors.SafetensorError, which is not imported for its name alone: "... (os error 28)"
        told = re.search(r"\(os error (\d+)\)", str(error))
        if not isinstance(error, OSError) and (isinstance(error, HarnessError) or not told):
            raise
        number = error.errno if isinstance(error, OSError) else int(told[1]) if told else 0
        reason = _REASONS.get(number or 0) or getattr(error, "strerror", None) or str(error)
        raise WorkError(f"Cannot write {what}: {reason}. What was finished before is kept.") from error


def check_target(path: Path) -> None:
    """Checks before any work that a file can be written, by opening it; leaves what is there as it is.

    A pipe stays open, as whoever reads it would take the closing for the end; one that nobody reads is refused.

    Raises:
      UsageError: if it cannot.
    """
    is_new = not path.exists()
    try:  # without blocking: a pipe that nobody reads would be waited for
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK, 0o666)
        if not path.is_fifo():
            os.close(descriptor)
        if is_new:
            path.unlink()
    except OSError as error:
        raise UsageError(f"Cannot write '{path}' ({error.strerror or error}).") from error


def check_writable(folder: Path) -> None:
    """Checks before any work that a folder exists or can be made, and can be written; makes nothing.

    Raises:
      UsageError: otherwise.
    """
    existing = folder.absolute()
    while not existing.exists():
        if existing.is_symlink():
            raise UsageError(f"Cannot write into {folder}: {existing} is a link that leads nowhere.")
        existing = existing.parent
    if not existing.is_dir():
        raise UsageError(f"Cannot write into {folder}: {existing} is not a folder.")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise UsageError(f"Cannot write into {folder}: {existing} cannot be written. Choose another place.")


def write_json(path: Path, value: Any) -> None:
    """Replaces a JSON file as one step."""
    write_text(path, json_escaped(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)) + "\n")


def write_text(path: Path, text: str) -> None:
    """Replaces a text file as `write_bytes` does."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Replaces a file as `replace_file` does; an error is told in one sentence."""
    with disk_errors(str(path)):
        replace_file(path, data)


@contextmanager
def new_folder(final: Path) -> Iterator[Path]:
    """A folder to fill, that then appears as `final` as one step and replaces what was there; else nothing is left."""
    temporary = final.with_name(f".{final.name}.tmp")
    with disk_errors(str(final)):
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
    try:
        yield temporary
        commit_folder(temporary, final)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def commit_folder(temporary: Path, final: Path) -> None:
    """Makes a fully written folder appear under its final name as one step, replacing what was there."""
    with disk_errors(str(final)):
        # The folder was made under the user's umask; safetensors keeps its files from everybody else whatever that is.
        readable = temporary.stat().st_mode & 0o666
        for path in temporary.rglob("*"):
            if path.is_file():
                path.chmod(readable)
                _sync(path)
        _sync(temporary)
        if final.exists():
            shutil.rmtree(final)
        temporary.rename(final)
        _sync(final.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def contents_digest(folder: Path, *, leave_out: str) -> str:
    """SHA-256 over all files of a folder but those called `leave_out`, in the order of their names, as hex digits."""
    return sha256_of(*sorted(path for path in folder.rglob("*") if path.is_file() and path.name != leave_out))


def sha256_of(*paths: Path) -> str:
    """SHA-256 over the contents of files, in the order given, as hex digits."""
    digest = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
