"""When an episode of an Adroit task counts as a success: sustained, in any step, in the last step.

What a step's goal is, DAPG's or RRL's, stands with the rewards (`adroit_rewards.py`).
"""

from __future__ import annotations

# An episode succeeds if more steps than these reach the goal (DAPG's and RRL's `evaluate_success`).
SUSTAINED_STEPS = {"door": 25, "hammer": 25, "pen": 20, "relocate": 25}


class GoalCount:
    """Counts the steps that reach the goal and tells success under each definition.

    Args:
      threshold: an episode is a sustained success once more steps than this reached the goal.
    """

    def __init__(self, threshold: int) -> None:
        self._threshold = threshold
        self._steps, self._last = 0, False

    def add(self, reached: bool) -> None:
        """Takes in one step."""
        self._steps += bool(reached)
        self._last = bool(reached)

    def successes(self, suffix: str = "") -> dict[str, bool]:
        """`sustained`, `any_step` and `final`, each with the suffix."""
        return {
            f"sustained{suffix}": self._steps > self._threshold,
            f"any_step{suffix}": self._steps > 0,
            f"final{suffix}": self._last,
        }
