"""The uniform replay: every transition of the newest `capacity` is drawn equally often, also of a running episode."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness.baselines.nn.uniform_replay import UniformReplay
from tests.baselines.nn.test_replay import GAMMA, STACK, Step, add, make_episode


def make_replay(folder: Path | None = None, **changes: Any) -> UniformReplay:
    settings = {"capacity": 1000, "discount": GAMMA, "bootstrap_terminal": False, "seed": 0}
    return UniformReplay(frame_stack=STACK, folder=folder, **(settings | changes))


def assert_holds(replay: UniformReplay, steps: list[Step]) -> None:
    """Draws until everything must have come, and finds each transition as it was given, no other."""
    drawn = replay.gather(replay.draw(60 * len(steps)))
    keys = {step.observation.tobytes() + step.next_observation.tobytes(): step for step in steps}
    seen = set()
    before, after = drawn.observations.numpy(), drawn.next_observations.numpy()
    rows = zip(before, after, *map(torch.flatten, drawn[2:4]), strict=True)
    for row, (observation, following, reward, discount) in enumerate(rows):
        key = observation.tobytes() + following.tobytes()
        step = keys[key]
        seen.add(key)
        assert (float(reward), float(discount)) == pytest.approx((step.reward, GAMMA * (not step.terminated)), rel=1e-6)
        np.testing.assert_array_equal(drawn.actions[row].numpy(), step.action)
    assert seen == set(keys)


@pytest.mark.parametrize("in_files", [False, True])
def test_a_running_episode_is_drawn_from(tmp_path: Path, in_files: bool) -> None:
    replay = make_replay(tmp_path if in_files else None)
    assert not replay.can_sample
    steps = make_episode(0, 8, terminated=True) + make_episode(1, 8)
    for count, step in enumerate(steps, start=1):
        add(replay, step)
        assert (replay.can_sample, len(replay)) == (True, count)
        if count in (1, 7, 8, 9, 16):
            assert_holds(replay, steps[:count])


@pytest.mark.parametrize("capacity", [1, 5, 8, 11])
def test_only_the_newest_count_and_the_rest_is_dropped(capacity: int) -> None:
    replay = make_replay(capacity=capacity)
    steps: list[Step] = []
    for number in range(4):
        for step in make_episode(number, 5):
            steps.append(step)
            add(replay, step)
            assert len(replay) == min(capacity, len(steps))
            assert_holds(replay, steps[-capacity:])
    assert replay.num_bytes <= (-(-capacity // 5) + 1) * ((5 + STACK) * 3 * 25 + 5 * 16)


def test_all_are_equally_likely_whatever_the_length_of_their_episode() -> None:
    replay = make_replay()
    for number, length in enumerate((2, 10, 5)):
        for step in make_episode(number, length)[: length - (number == 2)]:  # the last one runs on
            add(replay, step)
    counts = np.unique(replay.draw(32_000), axis=0, return_counts=True)[1]
    assert len(counts) == 16
    assert counts.min() > 2000 - 4 * 45  # four standard deviations
    assert counts.max() < 2000 + 4 * 45


@pytest.mark.parametrize("in_files", [False, True])
def test_what_was_saved_goes_on_with_the_same_draws(tmp_path: Path, in_files: bool) -> None:
    memory = tmp_path / "memory" if in_files else None
    replay = make_replay(memory, capacity=20)
    for number in range(4):
        for step in make_episode(number, 8):
            add(replay, step)
    replay.draw(3)
    (tmp_path / "checkpoint").mkdir()
    record = replay.save(tmp_path / "checkpoint")
    other = make_replay(memory, capacity=20, seed=7)
    other.load(tmp_path / "checkpoint", record)
    for step in make_episode(9, 8)[:3]:
        add(replay, step)
        add(other, step)
        first, second = replay.gather(replay.draw(50)), other.gather(other.draw(50))
        assert all(torch.equal(*pair) for pair in zip(first, second, strict=True))
