"""How far an encoder's features move when only the looks of a state change: one row per task, seed and setting."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.results.text import json_escaped

if TYPE_CHECKING:
    import numpy as np

NORMALISATION = "min-max over all features of an observation"


@dataclass(frozen=True)
class View:
    """One state in the training setting and in a shifted one, for the picture.

    Attributes:
      train_pixels, shifted_pixels: the newest pictures, uint8 (H, W, 3); several cameras one below the other.
      train_map, shifted_map: normalised features in 0..1, (h, w): the mean over channels.
      difference: the mean over channels of their absolute difference, (h, w).
    """

    train_pixels: np.ndarray
    shifted_pixels: np.ndarray
    train_map: np.ndarray
    shifted_map: np.ndarray
    difference: np.ndarray


@dataclass(frozen=True)
class FeatureRow:
    """What was measured of one policy in one setting, and all that can move it.

    Attributes:
      columns: those that rows of episodes have too (suite, task, setting, agent, seeds, assets, versions, ...).
      measured: numbers and choices of this measurement.
      by_episode: the difference, an episode's mean each.
      view: one of the states.
    """

    columns: dict[str, Any]
    measured: dict[str, Any]
    by_episode: tuple[float, ...]
    view: View = field(compare=False)

    def flat(self) -> dict[str, Any]:
        """The row as plain values; lists as JSON."""
        return {**self.columns, **self.measured, "by_episode_json": json.dumps(self.by_episode)}


def as_json(rows: Sequence[FeatureRow]) -> str:
    """The rows as a JSON list, with all digits."""
    values = [{**row.columns, **row.measured, "by_episode": list(row.by_episode)} for row in rows]
    return json_escaped(json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False))


def as_csv(rows: Sequence[FeatureRow]) -> str:
    """The rows as CSV, with a header and a newline at the end."""
    lines = [row.flat() for row in rows]
    file = io.StringIO()
    writer = csv.DictWriter(file, list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return file.getvalue()
