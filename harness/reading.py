"""Reading JSON that may have been damaged, edited or made by something else: a checked object, or one sentence."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from harness.errors import HarnessError, UsageError
from harness.results.plain_file import read_plain
from harness.results.rows import canonical_json

T = TypeVar("T")

MAX_BYTES = 64 << 20  # no record of ours comes near; what is larger is something else
SHOWN = 60  # characters of a wrong value that a sentence shows
SEAL = "record_digest"
SHA256 = r"^[0-9a-f]{64}$"

_SENTENCES = (  # pydantic's beginnings, and ours, which name the field
    (r"(Input|String|Value|List|Tuple|Dictionary|Set|Data) should ", "{} should "),
    (r"Field required", "{} is missing"),
    (r"Extra inputs are not permitted", "{} is nothing it may hold"),
)


class Record(BaseModel):
    """Base of what files hold: exact types, no further fields, no NaN, and not to be changed."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class SealedRecord(Record):
    """What a file holds together with a digest over it, see `seal`."""

    record_digest: str | None = Field(default=None, pattern=SHA256)  # None: written before there was one


S = TypeVar("S", bound=SealedRecord)


def read_json(path: Path, kind: type[T], *, error: type[HarnessError] = UsageError, remedy: str = "") -> T:
    """Reads a JSON file as a `Record`, or as any other type that pydantic knows.

    Args:
      path: the file.
      kind: what it must hold.
      error: what is raised where it holds anything else.
      remedy: what to do then, a clause for the end of the sentence.
    Raises:
      FileNotFoundError: if there is no such file.
      HarnessError: of the type `error`, in one sentence that names the file and the first wrong field.
    """
    return parse_json(read_bytes(path, error=error), kind, str(path), error=error, remedy=remedy)


def parse_json(
    text: bytes | str, kind: type[T], where: str, *, error: type[HarnessError] = UsageError, remedy: str = ""
) -> T:
    """Reads JSON as `read_json` does; `where` names its place in a sentence."""
    try:
        return _adapter(kind).validate_json(text, strict=True)
    except ValidationError as problem:
        end = f"; {remedy}" if remedy else ""
        raise error(f"{where} is damaged: {first_problem(problem)}{end}.") from problem


def read_bytes(path: Path, *, error: type[HarnessError] = UsageError) -> bytes:
    """The contents of a file that a person could have written.

    Raises:
      FileNotFoundError: if there is no such file.
      HarnessError: of the type `error`, if it cannot be read, is no plain file or longer than `MAX_BYTES`.
    """
    try:
        text = read_plain(path, MAX_BYTES + 1)
    except FileNotFoundError:
        raise
    except OSError as problem:
        raise error(f"{path} cannot be read ({problem.strerror or problem}).") from problem
    if len(text) > MAX_BYTES:
        raise error(f"{path} is damaged: it has more than {MAX_BYTES:,} bytes.")
    return text


def read_sealed(path: Path, kind: type[S], *, error: type[HarnessError] = UsageError, remedy: str = "") -> S:
    """Reads a record as `read_json` does, and compares it with the digest it carries; older ones carry none.

    Raises:
      FileNotFoundError, HarnessError: as `read_json`; also where the record was edited after it had been written.
    """
    text = read_bytes(path, error=error)
    record = parse_json(text, kind, str(path), error=error, remedy=remedy)
    if record.record_digest is not None and record.record_digest != seal_of(json.loads(text)):
        end = f"; {remedy}" if remedy else ""
        raise error(f"{path} was edited, or damaged: its contents do not match their own '{SEAL}'{end}.")
    return record


def first_problem(problem: ValidationError, prefix: str = "") -> str:
    """What is wrong with the first wrong field, as a clause: `'train_seed' should be a valid integer, not null`."""
    first = problem.errors(include_url=False)[0]
    if first["type"] == "json_invalid":
        return f"it is not JSON ({_cut(first['msg'].removeprefix('Invalid JSON: '))})"
    place = ".".join(str(part) for part in (*([prefix] if prefix else []), *first["loc"]))
    field = f"'{_cut(place)}'" if place else "it"
    clause = _clause(field, first["msg"].removeprefix("Value error, "))
    shown = first["type"] not in ("missing", "extra_forbidden", "value_error")
    return f"{clause}, not {_value(first['input'])}" if shown else clause


def _clause(field: str, message: str) -> str:
    for beginning, ours in _SENTENCES:
        if match := re.match(beginning, message):
            return ours.format(field) + message[match.end() :]
    return message if field == "it" else f"{field}: {message}"


def seal(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with a digest over all of them, so that a record that was edited is known."""
    return {**values, SEAL: seal_of(values)}


def seal_of(values: Mapping[str, Any]) -> str:
    """SHA-256 over the canonical JSON of a record without its seal, hex."""
    text = canonical_json({name: value for name, value in values.items() if name != SEAL})
    return hashlib.sha256(text.encode()).hexdigest()


def _adapter(kind: Any) -> TypeAdapter[Any]:
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


_ADAPTERS: dict[Any, TypeAdapter[Any]] = {}


def _value(value: Any) -> str:
    """A wrong value, shortened."""
    if isinstance(value, dict | list | tuple) and len(value) > 8:
        return f"{len(value)} {'fields' if isinstance(value, dict) else 'values'}"
    return _cut(json.dumps(value, default=repr))


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
