"""The environment's step beside the agent's update: between two decisions neither needs the other."""

from __future__ import annotations

import contextvars
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from harness.environment import PixelEnv

Result = tuple[Any, float, bool, bool, dict[str, Any]]  # of `PixelEnv.step`


def num_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


class Stepping:
    """Updates an agent and takes a step of its environment, side by side or one after the other: with the same bits.

    The step has a thread of its own, for the update's sums are ordered by how many threads the calling one may use.
    Neither reads what the other writes: the action is chosen before both, and what the step gave reaches the agent
    (`observe`) after both, so that an update never sees the transition of its own step.

    Args:
      env: whose steps are taken; one that may not be stepped on any thread (`PixelEnv.any_thread`) never is.
      side_by_side: False for one after the other, the update first.
    """

    def __init__(self, env: PixelEnv, *, side_by_side: bool) -> None:
        self._env = env
        self._thread: ThreadPoolExecutor | None = None
        if side_by_side and env.any_thread:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="step")

    def update_and_step(self, update: Callable[[], Any], action: np.ndarray) -> Result:
        """Does both; returns what the step gave.

        Raises:
          Exception: what `update` raised, when the step is over, whatever that gave; or else what the step raised.
        """
        if self._thread is None:
            update()
            return self._env.step(action)
        context = contextvars.copy_context()  # numpy's error handling is part of it
        step = self._thread.submit(context.run, self._env.step, action)
        try:
            update()
        except BaseException:
            step.exception()  # an environment is left only when it is at rest
            raise
        return step.result()

    def close(self) -> None:
        """Ends the thread."""
        if self._thread is not None:
            self._thread.shutdown()
