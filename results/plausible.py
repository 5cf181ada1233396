"""Whether submitted rows can be: values that no episode of the suite gives are named, one sentence each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from harness.results.rows import LARGEST_RETURN, Row

_ROUNDING = 1e-6  # of the most an episode can give: sums of rewards are rounded at every step
_DIGESTS = {"first_pixels": (16,), "trajectory": (0, 16), "checkpoint": (0, 64), "training": (0, 16)}


@dataclass(frozen=True)
class SuiteRules:
    """What is known of a suite's episodes.

    Attributes:
      name: of the suite.
      version: of the suite.
      tasks: all of them.
      settings: all of its own, the training setting included; those added with `--shift` have a `=` in their names.
      metric: "return" or "success".
      frame_rewards: the least and the most that one frame gives; None if not bounded.
      eval_episodes: per task, setting and training seed.
      eval_seed_offset: `eval_seed` is the training seed and this.
    """

    name: str
    version: int
    tasks: tuple[str, ...]
    settings: tuple[str, ...]
    metric: str
    frame_rewards: tuple[float, float] | None
    eval_episodes: int
    eval_seed_offset: int


def impossible(rows: Iterable[Row], rules: SuiteRules | None) -> Iterator[str]:
    """What cannot be, a clause each.

    Args:
      rows: as submitted.
      rules: of their suite; None if it is not known here, so that only what holds of every suite is checked.
    """
    for row in rows:
        place = f"episode {row.episode} of {row.task}, {row.setting}"
        yield from (f"{place}: {clause}" for clause in _of_any(row))
        if rules is not None:
            yield from (f"{place}: {clause}" for clause in _of_suite(row, rules))


def _of_any(row: Row) -> Iterator[str]:
    if row.num_steps < 1 or row.num_frames < 1:
        yield "a success without steps" if row.success else "an episode without steps"
    elif not row.num_steps <= row.num_frames <= row.num_steps * row.action_repeat:
        yield f"{row.num_steps} steps of {row.action_repeat} frames are not {row.num_frames} frames"
    if row.num_frames > row.episode_frames:
        yield f"{row.num_frames} frames in an episode of {row.episode_frames}"
    if not abs(row.episode_return) <= LARGEST_RETURN:
        yield "its return is not finite, or beyond what can be averaged"
    if row.episode < 0:
        yield "its number is negative"
    for name in ("train_frames", "frame_stack", "image_size", "action_repeat"):
        if getattr(row, name) < (0 if name == "train_frames" else 1):
            yield f"its {name} is {getattr(row, name)}"
    for name, lengths in _DIGESTS.items():
        if not re.fullmatch("|".join(f"[0-9a-f]{{{length}}}" for length in lengths), getattr(row, name)):
            yield f"its {name} is no digest"
    if row.training and row.train_frames == 0:
        yield "conditions of training of a policy that was trained for 0 frames"
    if bool(row.checkpoint) != bool(row.training):
        yield "a policy's digest without conditions of training, or these without it"


def _of_suite(row: Row, rules: SuiteRules) -> Iterator[str]:
    if row.suite_version > rules.version:
        yield f"version {row.suite_version} of {rules.name} does not exist; the newest is {rules.version}"
    if row.task not in rules.tasks:
        yield f"{rules.name} has no such task"
    if row.setting not in rules.settings and "=" not in row.setting:
        yield f"{rules.name} has no such setting"
    if rules.metric == "success" and row.success is None:
        yield "it has no success, which the suite measures"
    if row.episode >= rules.eval_episodes:
        yield f"outside the protocol, which has episodes 0 to {rules.eval_episodes - 1}"
    if row.eval_seed != (row.train_seed or 0) + rules.eval_seed_offset:
        yield f"evaluation seed {row.eval_seed} is outside the protocol"
    if rules.frame_rewards is not None:
        low, high = (bound * row.num_frames for bound in rules.frame_rewards)
        slack = _ROUNDING * max(abs(low), abs(high), 1.0)
        if not low - slack <= row.episode_return <= high + slack:
            yield f"a return of {row.episode_return:g} where {row.num_frames} frames give {low:g} to {high:g}"
