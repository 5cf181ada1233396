"""The training loop. It never asks which agent it runs, and it can be killed at any moment."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.agent import Agent, PreparedAgent, Transition
from harness.files import disk_errors, new_folder
from harness.running import stopping
from harness.running.rollout import act, agent_errors, play_episode, start_episode
from harness.running.side_by_side import Stepping
from harness.running.train_log import TrainLog
from harness.running.training_folder import check_checkpoint, newest_checkpoint, read_progress, write_progress

if TYPE_CHECKING:
    from harness.demos import DemoSet
    from harness.environment import PixelEnv


@dataclass(frozen=True)
class TrainSpec:
    """How long to train and how to keep what was learned.

    Attributes:
      train_frames: the budget in frames.
      seed: `train_seed`; names the stream of training episodes.
      checkpoint_sec: least time between two checkpoints, seconds; 0 writes one after every episode. When
        checkpoints are written does not change what is learned.
      curve_every_frames: distance of evaluations in the training setting, frames; 0 for none.
      curve_episodes: episodes of each of those.
      curve_seed: the stream of episodes they use; each evaluation goes on where the one before left off.
      side_by_side: updates and steps of the environment at the same time, where it may be stepped on any thread.
        Does not change what is learned.
    """

    train_frames: int
    seed: int
    checkpoint_sec: float = 60.0
    curve_every_frames: int = 0
    curve_episodes: int = 0
    curve_seed: int = 0
    side_by_side: bool = True


@dataclass
class Counters:
    """How far training has come."""

    num_frames: int = 0
    num_steps: int = 0
    num_episodes: int = 0
    elapsed_sec: float = 0.0


class Trainer:
    """Trains one agent in one environment, in `folder`; picks up where a killed run left off.

    The folder holds `checkpoints/<frames>/` (the newest complete one counts), `train.jsonl` (one line per
    episode) and `tensorboard/`. Checkpoints are written between episodes only, so an environment needs no saving: an
    episode is named by its number. What an agent learns before its first step (`PreparedAgent`) is resumed as well.

    Args:
      demos: what the agent's configuration asks for.
    """

    def __init__(
        self,
        agent: Agent,
        env: PixelEnv,
        spec: TrainSpec,
        folder: Path,
        *,
        demos: DemoSet | None = None,
        make_curve_env: Callable[[], PixelEnv] | None = None,
        on_progress: Callable[[Mapping[str, Any]], None] = lambda progress: None,
        on_pause: Callable[[], None] = lambda: None,
    ) -> None:
        self.agent, self.env, self.spec, self.folder = agent, env, spec, folder
        self.counters = Counters()
        self._demos = demos
        self._make_curve_env = make_curve_env
        self._curve_env: PixelEnv | None = None
        self._on_progress, self._on_pause = on_progress, on_pause  # the latter before what may take long
        self._log = TrainLog(folder)
        self._last_checkpoint = 0.0
        self._stepping = Stepping(env, side_by_side=spec.side_by_side)

    def run(self) -> Counters:
        """Trains until the budget is spent; returns the counters.

        Raises:
          AgentError: if the agent raises or breaks its contract.
          WorkError: if a checkpoint or the log cannot be written.
        """
        self._prepare()
        self._log.open(self.counters.num_frames, self.counters.elapsed_sec)
        started = self._last_checkpoint = time.monotonic()
        earlier = self.counters.elapsed_sec

        def tick() -> None:
            self.counters.elapsed_sec = earlier + time.monotonic() - started

        try:
            self._before_the_first_step(tick)
            while self._has_budget():
                stopping.check()
                self._curve()
                scalars = self._advance()
                tick()
                self._log.write(vars(self.counters), scalars)
                self._checkpoint()
            self._curve()
        finally:
            self._stepping.close()
            self._log.close()
            if self._curve_env is not None:
                self._curve_env.close()
        return self.counters

    def _has_budget(self) -> bool:
        """Whether another episode is to be learned from; the budget may cut it short."""
        return self.counters.num_frames < self.spec.train_frames

    def _prepare(self) -> None:
        """Goes on from a checkpoint, or takes demonstrations in."""
        if not self._resume() and isinstance(self.agent, PreparedAgent):
            with agent_errors("start", "training, before the first step"):
                self.agent.start(self._demos)

    def _before_the_first_step(self, tick: Callable[[], None]) -> None:
        """Lets the agent learn what it learns before it acts."""
        if not isinstance(self.agent, PreparedAgent) or self.counters.num_steps:
            return
        with agent_errors("prepare", "training, before the first step"):
            while self.agent.prepare():
                self._on_progress({"num_frames": 0})
                tick()
                self._checkpoint()
                stopping.check()

    def _advance(self) -> dict[str, float]:
        """Plays and learns from one episode, which the budget may cut short; returns what is logged of it."""
        counters, spec, agent = self.counters, self.spec, self.agent
        shape = self.env.action_space.shape or ()
        number = counters.num_episodes
        observation, _ = self.env.reset(seed=spec.seed, options={"episode": number})
        start_episode(agent, phase="train", seed=spec.seed, episode=number)
        episode_return, over, metrics = 0.0, False, dict[str, float]()
        frames_before = counters.num_frames

        def update() -> None:
            with agent_errors("update", where):
                metrics.update(agent.update())

        while not over and counters.num_frames < spec.train_frames:
            where = f"training, episode {number}, frame {counters.num_frames}"
            action = act(agent, observation, shape, explore=True, where=where)
            next_observation, reward, terminated, truncated, info = self._stepping.update_and_step(update, action)
            with agent_errors("observe", where):
                agent.observe(Transition(observation, action, reward, next_observation, terminated, truncated))
            observation, over = next_observation, terminated or truncated
            episode_return += reward
            counters.num_steps += 1
            counters.num_frames = frames_before + info["num_frames"]
            self._on_progress({"num_frames": counters.num_frames})
        counters.num_episodes += 1
        return {"episode_return": episode_return, **metrics}

    def _curve(self) -> None:
        """Evaluates in the training setting when it is time to."""
        spec, last = self.spec, self._log.last_curve_frames
        if self._make_curve_env is None or not spec.curve_every_frames or not spec.curve_episodes:
            return
        if last >= 0 and self.counters.num_frames < last + spec.curve_every_frames:
            return
        if self._curve_env is None:
            self._on_pause()
            self._curve_env = self._make_curve_env()
        returns, outcomes = [], []
        first = self._log.num_curves * spec.curve_episodes
        for episode in range(first, first + spec.curve_episodes):
            result = play_episode(
                self._curve_env,
                self.agent,
                seed=self.spec.curve_seed,
                episode=episode,
                phase="curve",
                on_step=lambda step: self._on_progress({"num_frames": self.counters.num_frames}),
            )
            returns.append(result.episode_return)
            outcomes.append(result.success)
        self._log.write(vars(self.counters), _success_rate(outcomes), curve_returns=returns)

    def _checkpoint(self) -> None:
        if time.monotonic() - self._last_checkpoint < self.spec.checkpoint_sec and not stopping.is_asked():
            return
        folder = self.folder / "checkpoints"
        name = f"{self.counters.num_frames:012d}"
        self._on_pause()
        where = f"training, frame {self.counters.num_frames}"
        with disk_errors(f"a checkpoint in {folder}"):
            with new_folder(folder / name) as checkpoint:
                with agent_errors("save", where), disk_errors(str(checkpoint)):
                    self.agent.save(checkpoint)
                write_progress(checkpoint, vars(self.counters))
            for older in folder.iterdir():
                if older.name != name:
                    shutil.rmtree(older)
        self._last_checkpoint = time.monotonic()

    def _resume(self) -> bool:
        """Goes on from the newest checkpoint, if there is one."""
        checkpoint = newest_checkpoint(self.folder)
        if checkpoint is None:
            return False
        progress = read_progress(checkpoint)
        check_checkpoint(checkpoint, progress)
        self.agent.load(checkpoint)
        self.counters = Counters(**progress.model_dump(include=set(vars(self.counters))))
        return True


def _success_rate(outcomes: list[bool | None]) -> dict[str, float]:
    """The line's number for it, between 0 and 1; none where the suite defines no success."""
    known = [outcome for outcome in outcomes if outcome is not None]
    return {"curve_success_rate": sum(known) / len(known)} if known else {}
