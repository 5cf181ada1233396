"""One row per evaluated episode: the fields, their types, and which of them make two numbers comparable."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

SCHEMA_VERSION = 1


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


COLUMNS = tuple(f.name for f in fields(Row))


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces, the same text for equal values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def short_hash(value: Any) -> str:
    """The first 16 hex digits of the SHA-256 of the value's canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:16]


def to_dict(row: Row) -> dict[str, Any]:
    """The row as a plain dict in column order."""
    return asdict(row)


def from_dict(values: Mapping[str, Any]) -> Row:
    """The row a dict holds.

    Raises:
      ValueError: if a column is missing or unknown.
    """
    if set(values) != set(COLUMNS):
        missing, extra = set(COLUMNS) - set(values), set(values) - set(COLUMNS)
        raise ValueError(f"Not a row: missing {sorted(missing)}, unknown {sorted(extra)}.")
    return Row(**{name: values[name] for name in COLUMNS})
