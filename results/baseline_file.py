"""A frozen baseline: the rows of one evaluation in one JSON file, to be committed and compared with for years.

What all rows have in common stands once, under `shared`; the rest stands in `episodes`, one object per row. A digest is
over all of it, and a file that does not match its own digest, or holds anything but this, is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.results.damage import CorruptRowsError
from harness.results.earlier import columns_of, upgraded
from harness.results.plain_file import read_plain
from harness.results.replacing import replace_file
from harness.results.rows import COLUMNS, SCHEMA_VERSION, Row, canonical_json, check_row, from_dict, shortened, to_dict
from harness.results.text import json_escaped

SUFFIX = ".json"
FORMAT = "harness-baseline"
FORMAT_VERSION = 1
MAX_BYTES = 256 << 20
_DIGEST = "digest"
_ONCE = "an evaluation holds every episode once"


class _File(BaseModel):
    """What a frozen baseline holds, and nothing else."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)

    format: Literal["harness-baseline"]
    format_version: int = Field(ge=1)
    rows_version: int = Field(ge=1)
    shared: dict[str, Any]
    episodes: list[dict[str, Any]] = Field(min_length=1)
    digest: str = Field(pattern="^[0-9a-f]{64}$")


def write_baseline(rows: Sequence[Row], path: Path) -> None:
    """Freezes rows: the file replaces what was there as one step, and the same rows give the same bytes.

    Raises:
      ValueError: if there are no rows, or one is none (`check_row`).
      OSError: if it cannot be written.
    """
    if not rows:
        raise ValueError("There are no rows to freeze.")
    for row in rows:
        check_row(row)
    _check_once(rows)
    values = [to_dict(row) for row in sorted(rows, key=_place)]
    shared = {name: values[0][name] for name in COLUMNS if all(each[name] == values[0][name] for each in values)}
    content = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "rows_version": SCHEMA_VERSION,
        "shared": shared,
        "episodes": [{name: value for name, value in each.items() if name not in shared} for each in values],
    }
    replace_file(path, _as_text({**content, _DIGEST: _digest_of(content)}).encode())


def read_baseline(path: Path) -> list[Row]:
    """The rows of a frozen baseline.

    Raises:
      FileNotFoundError: if there is no such file.
      CorruptRowsError: if it was altered, is damaged, of a later version, or something else; the message says which.
    """
    data = read_plain(path, MAX_BYTES + 1)
    try:
        if len(data) > MAX_BYTES:
            raise ValueError(f"it has more than {MAX_BYTES:,} bytes")
        return _parse(data)
    except ValidationError as error:
        raise _refused(path, _first_problem(error)) from error
    except (ValueError, TypeError, RecursionError) as error:
        raise _refused(path, str(error) or type(error).__name__) from error


def _parse(data: bytes) -> list[Row]:
    content = json.loads(data.decode(), object_pairs_hook=_without_repeats)
    if isinstance(content, dict) and content.get("format") == FORMAT:
        _check_version(content.get("format_version"))
    found = _File.model_validate(content)
    if found.digest != _digest_of({name: value for name, value in content.items() if name != _DIGEST}):
        raise ValueError("its contents do not match its digest, so it was altered after it had been written")
    columns_of(found.rows_version)  # of a later version, it is refused
    rows = [from_dict(upgraded({**found.shared, **episode})) for episode in found.episodes]
    for number, row in enumerate(rows, start=1):
        try:
            check_row(row)
        except (ValueError, TypeError) as error:
            raise ValueError(f"episode {number}, {error}") from error
    _check_once(rows)
    return rows


def _check_version(version: Any) -> None:
    if type(version) is int and version > FORMAT_VERSION:
        raise ValueError(f"it is of version {version}, and this program reads 1 to {FORMAT_VERSION}")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON, whose names differ: of two equal ones only the later would be under the digest."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("it names a field twice")
    return found


def _place(row: Row) -> tuple[Any, ...]:
    seed = -1 if row.train_seed is None else row.train_seed
    return (row.suite, row.task, row.setting, seed, row.eval_seed, row.episode)


def _check_once(rows: Sequence[Row]) -> None:
    if len({_place(row) for row in rows}) < len(rows):
        raise ValueError(f"an episode stands in it twice, and {_ONCE}")


def _digest_of(content: dict[str, Any]) -> str:
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()


def _as_text(content: dict[str, Any]) -> str:
    """JSON with one episode a line, so that a change of one shows as one line."""
    head = {name: value for name, value in content.items() if name not in ("episodes", _DIGEST)}
    lines = ",\n".join(f"  {canonical_json(episode)}" for episode in content["episodes"])
    opening = json.dumps(head, indent=1, sort_keys=True, ensure_ascii=False).removesuffix("\n}")
    return json_escaped(f'{opening},\n "episodes": [\n{lines}\n ],\n "{_DIGEST}": "{content[_DIGEST]}"\n}}\n')


def _first_problem(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(map(str, first["loc"]))
    return f"{shortened(place) or 'it'}: {first['msg']}"


def _refused(path: Path, reason: str) -> CorruptRowsError:
    told = shortened(" ".join(reason.split()).removesuffix("."), 300)
    return CorruptRowsError(f"{path} is no frozen baseline: {told}. Freeze one with: harness baseline save RUN FILE.")
