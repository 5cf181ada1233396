"""How far a run is, on standard error: bars on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

from harness.results.text import escaped

LINE_SEC = 30.0  # distance of lines where standard error is no terminal
SILENCE_SEC = 30.0  # where nothing is heard of evaluation for longer, workers are training and its clock stands still


class Progress:
    """Counts training frames and evaluated episodes and estimates what is left.

    Each kind of work has a clock of its own. Trainings run side by side, so their pace is that of all of them together;
    evaluation comes after, so what is left of it is added (too much where it overlaps with the last trainings).

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
        self._quiet = quiet or sys.stderr is None  # as where it is closed, or a window has none
        self._bars: Any = None
        self._lines = self._quiet or not sys.stderr.isatty()
        self._started = self._last_line = time.monotonic()
        self._training_since: float | None = None
        self._evaluation_heard = self._started
        self._evaluation_sec = 0.0

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
        if self._training_since is None:
            self._training_since = time.monotonic()
        self._resumed_at.setdefault(key, num_frames)
        self._frames[key] = min(num_frames, self._budgets[key])
        self._show()

    def training_done(self, key: Any) -> None:
        """A training has spent its budget."""
        self._evaluation_heard = time.monotonic()
        self.trained(key, self._budgets[key])

    def evaluating(self) -> None:
        """An evaluation is under way; to be called now and then."""
        now = time.monotonic()
        self._evaluation_sec += min(now - self._evaluation_heard, SILENCE_SEC)
        self._evaluation_heard = now
        self._show()

    def episode_done(self) -> None:
        """One more episode is evaluated and stored."""
        self._episodes += 1
        self.evaluating()

    def note(self, text: str) -> None:
        """Says something without disturbing the bars."""
        if self._quiet:
            return
        if self._bars is not None:
            self._bars.console.print(escaped(text), markup=False, highlight=False)
        else:
            print(escaped(text), file=sys.stderr, flush=True)

    def training_left_sec(self) -> float | None:
        """Estimate of the training time left in seconds; None before there is a pace."""
        left = sum(self._budgets.values()) - sum(self._frames.values())
        if not left:
            return 0.0
        done = sum(self._frames[key] - begun for key, begun in self._resumed_at.items())
        if self._training_since is None or done <= 0:
            return None
        return left * (time.monotonic() - self._training_since) / done

    def evaluation_left_sec(self) -> float | None:
        """Estimate of the evaluation time left in seconds; None before the first episode."""
        left = self._num_episodes - self._episodes
        if not left:
            return 0.0
        return left * self._evaluation_sec / self._episodes if self._episodes else None

    def remaining_sec(self) -> float | None:
        """Estimate of all the time left in seconds; None as long as one kind of work has no estimate."""
        training, evaluation = self.training_left_sec(), self.evaluation_left_sec()
        return None if training is None or evaluation is None else training + evaluation

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
        self._evaluation = self._bars.add_task("evaluation, episodes", total=self._num_episodes, start=False)
        self._bars.start()

    def _show(self) -> None:
        if self._quiet:
            return
        if self._bars is not None:
            if self._evaluation_sec:
                self._bars.start_task(self._evaluation)  # once: a task that has started stays as it is
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
        parts.append(span(time.monotonic() - self._started) + self._left())
        print("; ".join(parts), file=sys.stderr, flush=True)

    def _left(self) -> str:
        """The estimate as the end of a sentence; "" where there is none or nothing is left."""
        kinds = {"training": self.training_left_sec(), "evaluation": self.evaluation_left_sec()}
        if (total := self.remaining_sec()) is not None:
            return f", about {span(total)} left" if total else ""
        known = [f", about {span(left)} left for {kind}" for kind, left in kinds.items() if left]
        return "".join(known)


def span(seconds: float) -> str:
    """A time for people: `28 s`, `12 min`, `1 h 12 min`."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
