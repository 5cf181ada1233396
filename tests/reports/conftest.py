"""Rows of made-up runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any

import pandas as pd
import pytest

from harness.results.rows import Row

BASE = Row(
    run_id="r1",
    suite="video_hard",
    suite_version=1,
    task="walker_walk",
    setting="train",
    agent="pieg",
    agent_version=1,
    config_hash="c0",
    preset="paper",
    train_seed=0,
    eval_seed=42,
    episode=0,
    episode_return=0.0,
    success=None,
    successes_json="{}",
    num_steps=500,
    num_frames=1000,
    train_frames=1_100_000,
    action_repeat=2,
    frame_stack=3,
    image_size=84,
    episode_frames=1000,
    render_profile="standard",
    shift_json="{}",
    assets_json="{}",
    stand_ins="",
    notes="",
    training="t0",
    checkpoint="",
    packages_json='{"mujoco":"3.3.0","torch":"2.13.0"}',
    compute="cpu, 1 thread",
    gl_renderer="llvmpipe",
    code_revision="abc",
    first_pixels="feed",
    trajectory="beef",
)


@pytest.fixture
def cell() -> Callable[..., pd.DataFrame]:
    """Makes the rows of one cell from its returns."""

    def make(task: str, setting: str, returns: Iterable[float], train_seed: int | None = 0, **others: Any):
        rows = [
            {
                **asdict(BASE),
                "task": task,
                "setting": setting,
                "train_seed": train_seed,
                "eval_seed": (train_seed or 0) + 42,
                "episode": episode,
                "episode_return": float(value),
                **{name: value[episode] if isinstance(value, list) else value for name, value in others.items()},
            }
            for episode, value in enumerate(returns)
        ]
        return pd.DataFrame(rows).astype({"train_seed": "Int64", "success": "boolean"})

    return make
