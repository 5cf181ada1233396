"""Episodes of a run played again from its policies, and what the agent saw meanwhile, as small moving pictures."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import gymnasium
import numpy as np

from harness.environment import PixelEnv, newest_picture
from harness.errors import UsageError
from harness.registry import load_agent
from harness.results.submission import SubmissionError, read_submission, submit
from harness.running.evaluation import EvaluateJob, Evaluator
from harness.running.messages import Report
from harness.running.session import Session
from harness.running.threads import EVALUATION_THREADS, set_threads
from harness.running.verifying import Place, ReplayOptions, place_of, replay

if TYPE_CHECKING:
    from harness.results.rows import Row
    from harness.running.launchers import Launcher
    from harness.running.workers import Event

MAX_PICTURES = 120  # of a clip: every so many steps of a longer episode
MAX_BYTES = 300_000  # of a clip
FRAME_MSEC = 60  # each picture is shown this long
QUALITIES = (75, 50, 25)  # of WebP, tried in this order


@dataclass(frozen=True)
class Film:
    """An episode that was played again.

    Attributes:
      row: what the run measured.
      replayed: what came of it now.
      clip: a moving picture of what the agent saw, WebP.
    """

    row: Row
    replayed: Row
    clip: bytes

    @property
    def is_same(self) -> bool:
        """Whether it went the same way: to the last pixel, action and reward where the run recorded that."""
        same_return = self.row.episode_return == self.replayed.episode_return
        return same_return and self.row.trajectory in ("", self.replayed.trajectory)


class Filmed(gymnasium.Wrapper[Any, Any, Any, Any]):
    """An environment that keeps the newest picture of every observation, uint8 (N * H, W, 3) for N cameras."""

    def __init__(self, env: PixelEnv) -> None:
        super().__init__(env)
        self.simulation = env.simulation
        self.pictures: list[np.ndarray] = []

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """As the environment's; what was kept before is forgotten."""
        observation, info = self.env.reset(seed=seed, options=options)
        self.pictures = [newest_picture(cast(PixelEnv, self.env), observation)]
        return observation, info

    def step(self, action: Any) -> Any:
        """As the environment's."""
        observation, *others = self.env.step(action)
        self.pictures.append(newest_picture(cast(PixelEnv, self.env), observation))
        return observation, *others


class _Filmer(Evaluator):
    """An evaluator whose environment is filmed."""

    filmed: Filmed | None = None

    def _ready_env(self, job: EvaluateJob) -> PixelEnv:
        env = super()._ready_env(job)
        if self.filmed is None or self.filmed.env is not env:
            self.filmed = Filmed(env)
        return cast(PixelEnv, self.filmed)


_FILMER = _Filmer()


def film(job: EvaluateJob, report: Report) -> dict[Place, bytes]:
    """Runs an `EvaluateJob` in a worker, and gives back a clip of each episode."""
    set_threads(EVALUATION_THREADS)
    clips = {}
    for episode in job.episodes:
        _FILMER.run(replace(job, episodes=(episode,)), report)
        pictures = _FILMER.filmed.pictures if _FILMER.filmed else []
        clips[(job.world.plan.task, job.setting, job.columns["train_seed"], episode)] = clip_of(pictures)
    return clips


class _FilmSession(Session):
    """A session whose episodes are filmed."""

    evaluation = f"{__name__}:{film.__name__}"

    def __init__(self, clips: dict[Place, bytes], *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._clips = clips

    def handle(self, launcher: Launcher, event: Event) -> None:
        """Takes in what a job said, and its clips when it is done."""
        if event.kind == "done":
            self._clips |= event.payload
        super().handle(launcher, event)


def film_run(
    run: Path, places: Collection[Place], options: Callable[..., ReplayOptions] = ReplayOptions, *, quiet: bool = False
) -> list[Film]:
    """Plays some episodes of a finished run again, from the policies that it measured.

    Args:
      run: its folder.
      places: (task, setting, training seed, episode) of each.
      options: makes those of the replay from the names of suite and agent.
      quiet: no progress on standard error.

    Raises:
      UsageError: if the run is not finished, its policies are gone, or its agent sees no pictures; one sentence.
      WorkError: if an episode gave no row.
    """
    try:
        found = read_submission(submit(run, policies=True), run.name)
    except SubmissionError as error:
        raise UsageError(str(error)) from error
    record = found.record
    if load_agent(record.agent.asked).observes == "states":
        raise UsageError(f"Agent {record.agent.name} acts on states: there is nothing that it saw.")
    rows = [row for row in found.rows if place_of(row) in places]
    clips: dict[Place, bytes] = {}
    named = options(episodes=len(rows), sample_seed=0, suite=record.suite.asked, agent=record.agent.asked)
    played = replay(found, rows, named, quiet=quiet, session=functools.partial(_FilmSession, clips))
    return [Film(row, played[place_of(row)], clips[place_of(row)]) for row in rows]


def clip_of(pictures: Sequence[np.ndarray]) -> bytes:
    """A moving WebP that is at most `MAX_BYTES` long: of fewer pictures or coarser where it would be longer.

    Args:
      pictures: uint8 (H, W, 3) each, of one size; at least one.
    """
    count = min(len(pictures), MAX_PICTURES)
    while True:
        chosen = [pictures[i] for i in np.linspace(0, len(pictures) - 1, count).round().astype(int)]
        for quality in QUALITIES:
            data = _webp(chosen, quality)
            if len(data) <= MAX_BYTES or (count == 1 and quality == QUALITIES[-1]):
                return data
        count = (count + 1) // 2


def _webp(pictures: Sequence[np.ndarray], quality: int) -> bytes:
    from PIL import Image

    first, *others = map(Image.fromarray, pictures)
    file = io.BytesIO()
    first.save(file, "WEBP", save_all=True, append_images=others, duration=FRAME_MSEC, loop=0, quality=quality)
    return file.getvalue()
