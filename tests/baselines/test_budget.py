"""What is refused before a training that could not fill one batch."""

from __future__ import annotations

import pytest

from harness.baselines import drqv2
from harness.baselines.nn.budget import batch_problem


@pytest.mark.parametrize(
    ("batch_size", "capacity", "num_steps", "held"),
    [(9, 8, 100, 8), (9, None, 8, 8), (9, 10**14, 8, 8), (8, 8, 8, None), (8, None, 8, None)],
)
def test_a_batch_is_no_larger_than_what_is_ever_held(
    batch_size: int, capacity: int | None, num_steps: int, held: int | None
) -> None:
    said = f"its batch_size of {batch_size} is more than its replay of {held} steps ever holds"
    assert batch_problem(batch_size, capacity, num_steps) == (None if held is None else said)


def test_drqv2_counts_decisions_not_frames() -> None:
    config = drqv2.Config(batch_size=3_000)
    assert config.training_problem(6_000, 1_000, 2) is None
    problem = config.training_problem(5_998, 1_000, 2)
    assert problem == "its batch_size of 3000 is more than its replay of 2999 steps ever holds"
