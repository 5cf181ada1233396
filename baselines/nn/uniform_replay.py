"""Replay of the SAC family: single transitions, all equally likely, the newest of a running episode among them.

A ring of transitions as in nicklashansen/dmcontrol-generalization-benchmark src/utils.py, kept as whole episodes of
single frames: a stack and the one after it are four neighbouring frames, so a transition costs one frame of memory.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from harness.baselines.nn.replay import PIXELS, Episode, Replay


class RunningEpisode(Episode):
    """An episode that still grows: frames and steps as lists."""

    frames: list[np.ndarray]  # type: ignore[assignment]

    @property
    def picture(self) -> tuple[int, ...]:
        return self.frames[0].shape

    def copy_frames(self, *parts: tuple[int, np.ndarray]) -> None:
        for start, out in parts:
            np.stack(self.frames[start : start + len(out)], out=out)


class UniformReplay(Replay):
    """The newest `capacity` transitions, drawn uniformly and with replacement.

    Episodes are kept whole, and dropped once all of their transitions are older than that.

    Args:
      frame_stack, capacity, discount, bootstrap_terminal, seed, folder, frame_dtype: as `Replay` has them.
    """

    def __init__(
        self,
        *,
        frame_stack: int,
        capacity: int,
        discount: float,
        bootstrap_terminal: bool,
        seed: int,
        folder: Path | None = None,
        frame_dtype: np.dtype[Any] = PIXELS,
    ) -> None:
        super().__init__(
            frame_stack=frame_stack,
            capacity=capacity,
            n_step=1,
            discount=discount,
            bootstrap_terminal=bootstrap_terminal,
            seed=seed,
            folder=folder,
            frame_dtype=frame_dtype,
        )

    def __len__(self) -> int:
        """Transitions that can be drawn."""
        return min(self._capacity, self._num_steps + len(self._steps))

    @property
    def can_sample(self) -> bool:
        return len(self) > 0

    def draw(self, num: int) -> np.ndarray:
        """Chooses transitions: int64 (num, 2), episode number and index of the step."""
        numbers = np.array([*self._episodes, self._next])
        ends = np.cumsum([*(len(episode) for episode in self._episodes.values()), len(self._steps)])
        chosen = ends[-1] - 1 - self._rng.integers(len(self), size=num)  # counted from the oldest that is kept
        place = np.searchsorted(ends, chosen, side="right")
        starts = np.concatenate([[0], ends])[place]
        return np.stack([numbers[place], chosen - starts], axis=1)

    def _episode(self, number: int) -> Episode:
        if number == self._next:
            return RunningEpisode(self._frames, self._steps)  # type: ignore[arg-type]
        return super()._episode(number)

    def _too_many(self) -> bool:
        oldest = next(iter(self._episodes.values()))
        return self._num_steps - len(oldest) >= self._capacity
