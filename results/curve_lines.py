"""Lines of a training's log as others hand them in: whether they are what can be drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.results.rows import LARGEST_RETURN

MOST_FRAMES = 2**53  # a float holds every number up to here


def is_line(line: Any) -> bool:
    """Whether it is an object that says at how many frames, and has returns only that are numbers."""
    if not isinstance(line, dict):
        return False
    frames = line.get("num_frames")
    if type(frames) is not int or not 0 <= frames <= MOST_FRAMES:
        return False
    curve = line.get("curve_returns", [0.0])
    return isinstance(curve, list) and all(map(_is_return, [line.get("episode_return", 0.0), *curve]))


def is_drawable(line: Mapping[str, Any]) -> bool:
    """Whether it is such a line, and has a return."""
    return is_line(line) and bool(line.get("curve_returns") or "episode_return" in line)


def _is_return(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) <= LARGEST_RETURN
