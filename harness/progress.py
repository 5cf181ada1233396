"""How far a run is, on standard error: bars on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

LINE_SEC = 30.0  # distance of lines where standard error is no terminal


class Progress:
    """Counts training frames and evaluated episodes and estimates what is left.

    Args:
      train_frames: budget of each training, in frames, by any key.
      episodes: how many episodes will be evaluated.
      quiet: print nothing.
    """

    def __init__(self, *, train_frames: Mapping[Any, int], episodes: int, quiet: bool = False) -> None:
        self._budgets = dict(train_frames)
        self._frames = dict.fromkeys(train_frames, 0)
        self._resumed_at: dict[Any, int] = {}
        self._episodes, self._num_episodes = 0, episodes
        self._quiet = quiet
        self._bars: Any = None
        self._lines = not sys.stderr.isatty()
        self._started = self._last_line = time.monotonic()

    def __enter__(self) -> Progress:
        if not self._quiet and not self._lines:
            self._open_bars()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bars is not None:
            self._bars.stop()
        elif not self._quiet:
            self._print_line()

    def trained(self, key: Any, num_frames: int) -> None:
        """A training has come to `num_frames`."""
        self._resumed_at.setdefault(key, num_frames)
        self._frames[key] = min(num_frames, self._budgets[key])
        self._show()

    def training_done(self, key: Any) -> None:
        """A training has spent its budget."""
        self.trained(key, self._budgets[key])

    def episode_done(self) -> None:
        """One more episode is evaluated and stored."""
        self._episodes += 1
        self._show()

    def note(self, text: str) -> None:
        """Says something without disturbing the bars."""
        if self._quiet:
            return
        if self._bars is not None:
            self._bars.console.print(text)
        else:
            print(text, file=sys.stderr, flush=True)

    def remaining_sec(self) -> float | None:
        """Estimate of the time left in seconds, from the pace of the slower kind of work; None before there is one."""
        elapsed = time.monotonic() - self._started
        total = sum(self._budgets.values())
        done = sum(self._frames.values())
        begun = sum(self._resumed_at.values())
        estimates = []
        if total > done:
            if done <= begun:
                return None
            estimates.append((total - done) * elapsed / (done - begun))
        if self._episodes < self._num_episodes:
            if not self._episodes:
                return None
            estimates.append((self._num_episodes - self._episodes) * elapsed / self._episodes)
        return max(estimates, default=0.0)

    def _open_bars(self) -> None:
        from rich import progress
        from rich.console import Console

        self._bars = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TimeElapsedColumn(),
            progress.TextColumn("left"),
            progress.TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        total = sum(self._budgets.values())
        self._training = self._bars.add_task("training, frames", total=total, visible=total > 0)
        self._evaluation = self._bars.add_task("evaluation, episodes", total=self._num_episodes)
        self._bars.start()

    def _show(self) -> None:
        if self._quiet:
            return
        if self._bars is not None:
            self._bars.update(self._training, completed=sum(self._frames.values()))
            self._bars.update(self._evaluation, completed=self._episodes)
        elif time.monotonic() - self._last_line >= LINE_SEC:
            self._print_line()

    def _print_line(self) -> None:
        self._last_line = time.monotonic()
        parts = []
        if self._budgets:
            parts.append(f"training {sum(self._frames.values())}/{sum(self._budgets.values())} frames")
        parts.append(f"evaluation {self._episodes}/{self._num_episodes} episodes")
        left = self.remaining_sec()
        parts.append(f"{time.monotonic() - self._started:.0f} s" + (f", about {left:.0f} s left" if left else ""))
        print("; ".join(parts), file=sys.stderr, flush=True)
