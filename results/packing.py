"""Some files as one, of which every byte is covered by a digest: a ZIP that any program opens.

The ZIP's comment holds the SHA-256 of all bytes before it, which is compared before anything else is read. Nothing is
compressed and no time is kept, so that the same files give the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field, ValidationError

MANIFEST = "manifest.json"
FORMAT = 1
_COMMENT = b"harness submission, sha256 "
_NUM_DIGITS = 64
_NAME = re.compile(r"[\w.%~+=-]+(/[\w.%~+=-]+){0,3}", re.ASCII)
_LIMIT = 2**31  # bytes: what a ZIP holds without its extension for large ones
_NO_TIME = (1980, 1, 1, 0, 0, 0)


class PackedError(ValueError):
    """What is no packed file, or was altered; the message is a clause for the end of a sentence."""


class PackedFile(BaseModel):
    """What the manifest says of one file."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    name: str
    size: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Manifest(BaseModel):
    """What `manifest.json` holds."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    format: int
    files: list[PackedFile]


def pack(files: Mapping[str, bytes]) -> bytes:
    """One file of several.

    Args:
      files: by name, at most four parts of letters, digits and `.%~+=-_`, between slashes.

    Raises:
      ValueError: for another name, or more than two gigabytes.
    """
    if wrong := [name for name in files if not is_name(name)]:
        raise ValueError(f"No name for a packed file: {wrong[0]!r}.")
    if sum(map(len, files.values())) > _LIMIT:
        raise ValueError("More than two gigabytes are too many for one file.")
    listed = [PackedFile(name=n, size=len(d), sha256=hashlib.sha256(d).hexdigest()) for n, d in sorted(files.items())]
    manifest = Manifest(format=FORMAT, files=listed).model_dump_json(indent=1).encode() + b"\n"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in ((MANIFEST, manifest), *sorted(files.items())):
            archive.writestr(_entry(name), data)
        archive.comment = _COMMENT + b"0" * _NUM_DIGITS
    body = buffer.getvalue()[:-_NUM_DIGITS]
    return body + hashlib.sha256(body).hexdigest().encode()


def unpack(data: bytes) -> dict[str, bytes]:
    """The files of what `pack` made, each with the digest that the manifest says.

    Raises:
      PackedError: if anything in it is not as it was packed.
    """
    body, stated = data[:-_NUM_DIGITS], data[-_NUM_DIGITS:]
    if not body.endswith(_COMMENT):
        raise PackedError("it is no submission, or was cut short")
    if stated != hashlib.sha256(body).hexdigest().encode():
        raise PackedError("it was altered: its bytes do not match its digest")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            files = {entry.filename: archive.read(entry) for entry in _checked(archive.infolist())}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, OSError, EOFError) as error:
        raise PackedError(str(error) or "it cannot be read") from error
    _compare(files, files.pop(MANIFEST, b""))
    return files


def is_name(name: str) -> bool:
    """Whether a packed file may have this name: no part of it leads out of the folder it is put into."""
    return bool(_NAME.fullmatch(name)) and name != MANIFEST and not any(set(p) <= {"."} for p in name.split("/"))


def _checked(entries: list[zipfile.ZipInfo]) -> list[zipfile.ZipInfo]:
    names = [entry.filename for entry in entries]
    if len(set(names)) < len(names):
        raise PackedError("it holds two files of one name")
    if any(entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1 for entry in entries):
        raise PackedError("it was packed by another program: its files are compressed or encrypted")
    return entries


def _compare(files: Mapping[str, bytes], manifest: bytes) -> None:
    """Compares the files with the manifest."""
    try:
        stated = Manifest.model_validate_json(manifest)
    except ValidationError as error:
        raise PackedError("its manifest.json is missing or damaged") from error
    if stated.format != FORMAT:
        raise PackedError(f"it is of format {stated.format}, and this program reads {FORMAT}")
    if [file.name for file in stated.files] != sorted(files) or not all(map(is_name, files)):
        raise PackedError("it does not hold the files that its manifest.json lists")
    for file in stated.files:
        data = files[file.name]
        if (file.size, file.sha256) != (len(data), hashlib.sha256(data).hexdigest()):
            raise PackedError(f"its {file.name} was altered: it does not match the manifest's digest")


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _NO_TIME)
    entry.create_system, entry.external_attr = 3, 0o100644 << 16
    return entry
