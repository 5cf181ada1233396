"""What a training of so many steps can ask of its replay; no torch, for the plan calls it."""

from __future__ import annotations


def batch_problem(batch_size: int, capacity: int | None, num_steps: int) -> str | None:
    """A batch that is larger than the replay will ever be, in a sentence; None: there is no such problem.

    Args:
      batch_size: steps.
      capacity: of the replay, steps; None: all of the training. A replay takes what it is given and no more, so one
        larger than the training is as good as one of its size.
      num_steps: of the training, decisions.
    """
    held = num_steps if capacity is None else min(capacity, num_steps)
    if batch_size > held:
        return f"its batch_size of {batch_size} is more than its replay of {held} steps ever holds"
    return None
