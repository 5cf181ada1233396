"""One row per evaluated episode: the fields, their types, and which of them make two numbers comparable."""

from __future__ import annotations

import functools
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any

SCHEMA_VERSION = 4


@dataclass(frozen=True)
class Row:
    """One evaluated episode. Fields hold no wall-clock times: the same run gives the same rows, byte for byte.

    Fields named `*_json` are canonical JSON texts (sorted keys) so that rows compare and hash as plain values.
    """

    run_id: str
    suite: str
    suite_version: int
    task: str
    setting: str
    agent: str
    agent_version: int
    config_hash: str  # agent settings, budgets and agent-side assets; first 16 hex digits of SHA-256
    preset: str
    train_seed: int | None  # the seed the agent was made with; None for a policy handed over from Python
    eval_seed: int
    episode: int
    episode_return: float  # undiscounted sum of rewards
    success: bool | None  # the suite's headline definition; None where the task has none
    successes_json: str  # {definition: bool}
    num_steps: int
    num_frames: int
    train_frames: int
    action_repeat: int
    frame_stack: int
    image_size: int
    episode_frames: int
    render_profile: str
    shift_json: str  # what the shift chose for this episode, such as {"video": 3}
    assets_json: str  # {asset: digest or "stand-in:..."} of all third-party inputs
    stand_ins: str  # comma-separated names of stand-ins used, "" if none
    notes: str  # what a reader must know: a reduced video set, other overlay pictures; "" if nothing
    training: str  # hash of the conditions the policy was trained under, other than its seed; "" if not trained
    checkpoint: str  # SHA-256 of the evaluated parameters, "" for a policy without
    packages_json: str  # {package: version}
    compute: str  # device and threads of training and evaluation
    gl_renderer: str
    code_revision: str
    first_pixels: str  # SHA-256 of the first observation's bytes, first 16 hex digits
    trajectory: str  # SHA-256 of all observations, actions and rewards in their order, first 16 hex digits
    origin: str = ""  # where it is from if this program did not measure it (harness.results.importing); else ""


COLUMNS = tuple(f.name for f in fields(Row))


_TYPES: dict[str, tuple[type, bool]] = {  # annotation in Row -> (exact type, may be None)
    "str": (str, False),
    "int": (int, False),
    "int | None": (int, True),
    "float": (float, False),
    "bool | None": (bool, True),
}
_INT64 = range(-(2**63), 2**63)
LARGEST_RETURN = 1e50  # either way: the fourth power of a larger one, as of tests of spreads, is no number
TEXTS_OF_JSON: dict[str, type | None] = {  # texts that hold an object in JSON -> what its values are; None for anything
    "successes_json": bool,
    "shift_json": None,
    "assets_json": str,
    "packages_json": str,
}


@functools.cache
def column_types() -> Mapping[str, tuple[type, bool]]:
    """Column -> (its exact Python type, whether it may be None)."""
    return MappingProxyType({field.name: _TYPES[str(field.type)] for field in fields(Row)})


def check_row(row: Row) -> None:
    """Refuses what is no measured episode, or would not come back from disk as it went in.

    Raises:
      TypeError: if a value is not of its column's plain Python type (numpy scalars are not).
      ValueError: if it cannot be: a return that is not finite or beyond `LARGEST_RETURN`, an integer beyond 64 bits, a
        text that is no JSON.
    """
    for name, (exact, nullable) in column_types().items():
        value = getattr(row, name)
        if type(value) is not exact and not (nullable and value is None):
            told = Row.__dataclass_fields__[name].type
            raise TypeError(f"Row.{name} must be {told}, not {type(value).__name__} ({shortened(repr(value))}).")
        if exact is str and not is_text(str(value)):
            raise ValueError(f"Row.{name} holds half a character: {shortened(ascii(value))}.")
        if exact is int and value is not None and value not in _INT64:
            raise ValueError(f"Row.{name} does not fit 64 bits: {shortened(str(value))}.")
    if not abs(row.episode_return) <= LARGEST_RETURN:
        place = (row.task, row.setting, row.train_seed)
        kind = "beyond what can be averaged" if math.isfinite(row.episode_return) else "not finite"
        raise ValueError(f"Episode {row.episode} of {place} has a return that is {kind}: {row.episode_return}.")
    for name in TEXTS_OF_JSON:
        if problem := json_problem(name, getattr(row, name)):
            raise ValueError(f"Row.{name} {problem}: {shortened(getattr(row, name))}")


@functools.lru_cache(maxsize=4096)  # the rows of a run share most of these texts
def json_problem(name: str, text: str) -> str | None:
    """What is wrong with a `*_json` text, as a clause."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return "is no JSON"
    kind = TEXTS_OF_JSON[name]
    if not isinstance(value, dict):
        return "is no object in JSON"
    if not is_text(canonical_json(value)):
        return "holds half a character"
    if kind is not None and not all(type(entry) is kind for entry in value.values()):
        return f"holds what is no {kind.__name__}"
    return None


def is_text(value: str) -> bool:
    """Whether a text can be stored: half a pair of surrogates, which stands for a byte that is no text, cannot."""
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def shortened(text: str, limit: int = 80) -> str:
    """The text, or its beginning where it is long."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces, the same text for equal values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def short_hash(value: Any) -> str:
    """The first 16 hex digits of the SHA-256 of the value's canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:16]


def to_dict(row: Row) -> dict[str, Any]:
    """The row as a plain dict in column order."""
    return {name: getattr(row, name) for name in COLUMNS}


def from_dict(values: Mapping[str, Any]) -> Row:
    """The row a dict holds.

    Raises:
      ValueError: if a column is missing or unknown.
    """
    if values.keys() != column_types().keys():
        missing, extra = sorted(set(COLUMNS) - set(values)), sorted(set(values) - set(COLUMNS))
        raise ValueError(f"Not a row: missing {shortened(str(missing))}, unknown {shortened(str(extra))}.")
    return Row(**{name: values[name] for name in COLUMNS})
