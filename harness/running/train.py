"""The training loop. It never asks which agent it runs, and it can be killed at any moment."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt

from harness.agent import Agent, Transition
from harness.files import commit_folder, disk_errors
from harness.reading import parse_json, read_bytes
from harness.running.rollout import act, agent_errors, play_episode, start_episode
from harness.running.training_folder import check_checkpoint, newest_checkpoint, read_progress, write_progress

if TYPE_CHECKING:
    from harness.environment import PixelEnv

LOG_FILE = "train.jsonl"


class LogLine(BaseModel):
    """A line of the log: an episode with the agent's own numbers, or an evaluation in the training setting."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True)  # a loss may be NaN, and is shown so

    num_frames: NonNegativeInt
    num_steps: NonNegativeInt
    num_episodes: NonNegativeInt
    elapsed_sec: NonNegativeFloat
    curve_returns: list[float] = Field(default=[], min_length=1)
    __pydantic_extra__: dict[str, float]


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
    """

    train_frames: int
    seed: int
    checkpoint_sec: float = 60.0
    curve_every_frames: int = 0
    curve_episodes: int = 0
    curve_seed: int = 0


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
    episode is named by its number.
    """

    def __init__(
        self,
        agent: Agent,
        env: PixelEnv,
        spec: TrainSpec,
        folder: Path,
        *,
        make_curve_env: Callable[[], PixelEnv] | None = None,
        on_progress: Callable[[Mapping[str, Any]], None] = lambda progress: None,
    ) -> None:
        self.agent, self.env, self.spec, self.folder = agent, env, spec, folder
        self.counters = Counters()
        self._make_curve_env = make_curve_env
        self._curve_env: PixelEnv | None = None
        self._on_progress = on_progress
        self._log = TrainLog(folder)
        self._last_checkpoint = 0.0

    def run(self) -> Counters:
        """Trains until the budget is spent; returns the counters.

        Raises:
          AgentError: if the agent raises or breaks its contract.
          WorkError: if a checkpoint or the log cannot be written.
        """
        self._resume()
        self._log.open(self.counters.num_frames)
        started = self._last_checkpoint = time.monotonic()
        earlier = self.counters.elapsed_sec
        try:
            while self.counters.num_frames < self.spec.train_frames:
                self._curve()
                episode_return, metrics = self._episode()
                self.counters.elapsed_sec = earlier + time.monotonic() - started
                self._log.write(self.counters, {"episode_return": episode_return, **metrics})
                self._checkpoint()
            self._curve()
        finally:
            self._log.close()
            if self._curve_env is not None:
                self._curve_env.close()
        return self.counters

    def _episode(self) -> tuple[float, dict[str, float]]:
        """Plays and learns from one episode; the budget may cut it short."""
        counters, spec, agent = self.counters, self.spec, self.agent
        shape = self.env.action_space.shape or ()
        number = counters.num_episodes
        observation, _ = self.env.reset(seed=spec.seed, options={"episode": number})
        start_episode(agent, phase="train", seed=spec.seed, episode=number)
        episode_return, over, metrics = 0.0, False, dict[str, float]()
        frames_before = counters.num_frames
        while not over and counters.num_frames < spec.train_frames:
            where = f"training, episode {number}, frame {counters.num_frames}"
            action = act(agent, observation, shape, explore=True, where=where)
            with agent_errors("update", where):
                metrics.update(agent.update())
            next_observation, reward, terminated, truncated, info = self.env.step(action)
            with agent_errors("observe", where):
                agent.observe(Transition(observation, action, reward, next_observation, terminated, truncated))
            observation, over = next_observation, terminated or truncated
            episode_return += reward
            counters.num_steps += 1
            counters.num_frames = frames_before + info["num_frames"]
            self._on_progress({"num_frames": counters.num_frames})
        counters.num_episodes += 1
        return episode_return, metrics

    def _curve(self) -> None:
        """Evaluates in the training setting when it is time to."""
        spec, last = self.spec, self._log.last_curve_frames
        if self._make_curve_env is None or not spec.curve_every_frames or not spec.curve_episodes:
            return
        if last >= 0 and self.counters.num_frames < last + spec.curve_every_frames:
            return
        if self._curve_env is None:
            self._curve_env = self._make_curve_env()
        returns = []
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
        self._log.write_curve(self.counters, returns)

    def _checkpoint(self) -> None:
        if time.monotonic() - self._last_checkpoint < self.spec.checkpoint_sec:
            return
        folder = self.folder / "checkpoints"
        name = f"{self.counters.num_frames:012d}"
        temporary = folder / f".{name}.tmp"
        with disk_errors(f"a checkpoint in {folder}"):
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
            self.agent.save(temporary)
            write_progress(temporary, vars(self.counters))
        commit_folder(temporary, folder / name)
        for older in folder.iterdir():
            if older.name != name:
                shutil.rmtree(older)
        self._last_checkpoint = time.monotonic()

    def _resume(self) -> None:
        checkpoint = newest_checkpoint(self.folder)
        if checkpoint is None:
            return
        progress = read_progress(checkpoint)
        check_checkpoint(checkpoint, progress)
        self.agent.load(checkpoint)
        self.counters = Counters(**progress.model_dump(include=set(vars(self.counters))))


class TrainLog:
    """`train.jsonl` and TensorBoard scalars; after a resume, lines beyond the checkpoint are dropped."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOG_FILE
        self._tensorboard_folder = folder / "tensorboard"
        self.last_curve_frames = -1  # frames at the newest evaluation, -1 before the first
        self.num_curves = 0  # evaluations so far

    def open(self, num_frames: int) -> None:
        """Starts or continues the log at `num_frames`."""
        kept = [line for line in read_train_log(self._path) if line["num_frames"] <= num_frames]
        curves = [line["num_frames"] for line in kept if "curve_returns" in line]
        self.last_curve_frames, self.num_curves = max(curves, default=-1), len(curves)
        with disk_errors(str(self._path)):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary = self._path.with_suffix(".tmp")
            temporary.write_text("".join(json.dumps(line) + "\n" for line in kept))
            temporary.replace(self._path)
            self._file = open(self._path, "a", encoding="utf-8")  # noqa: SIM115 (closed in close())
            self._scalars = ScalarWriter(self._tensorboard_folder, num_frames)

    def write(self, counters: Counters, scalars: Mapping[str, float]) -> None:
        """Adds the line of one training episode."""
        self._append({**vars(counters), **{name: float(value) for name, value in scalars.items()}})
        for name, value in scalars.items():
            self._scalars.write(f"train/{name}", float(value), counters.num_frames)

    def write_curve(self, counters: Counters, returns: list[float]) -> None:
        """Adds the line of one evaluation in the training setting."""
        self.last_curve_frames, self.num_curves = counters.num_frames, self.num_curves + 1
        self._append({**vars(counters), "curve_returns": returns})
        self._scalars.write("curve/episode_return", sum(returns) / len(returns), counters.num_frames)

    def close(self) -> None:
        self._file.close()
        self._scalars.close()

    def _append(self, line: Mapping[str, Any]) -> None:
        with disk_errors(str(self._path)):
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()


class ScalarWriter:
    """TensorBoard scalars through TensorBoard's own event files, so that logging does not need torch.

    Args:
      folder: where the event file goes.
      first_step: what an earlier, killed process wrote beyond this step is not shown.
    """

    def __init__(self, folder: Path, first_step: int) -> None:
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self._event, self._summary = Event, Summary
        self._writer = EventFileWriter(str(folder))
        if first_step:
            log = SessionLog(status=SessionLog.START)
            self._writer.add_event(Event(wall_time=time.time(), step=first_step, session_log=log))

    def write(self, tag: str, value: float, step: int) -> None:
        """Adds one number to the curve called `tag`; `step` is in frames."""
        summary = self._summary(value=[self._summary.Value(tag=tag, simple_value=value)])
        self._writer.add_event(self._event(wall_time=time.time(), step=step, summary=summary))

    def close(self) -> None:
        self._writer.close()


def read_train_log(path: Path) -> list[dict[str, Any]]:
    """The lines of a `train.jsonl`; a torn last line is left out, an absent file is an empty log.

    Raises:
      UsageError: if it is damaged; the sentence names the line.
    """
    try:
        lines = read_bytes(path).split(b"\n")
    except FileNotFoundError:
        return []
    return [_read_line(line, f"{path}, line {number}") for number, line in enumerate(lines[:-1], start=1) if line]


def _read_line(line: bytes, where: str) -> dict[str, Any]:
    parse_json(line, LogLine, where, remedy="remove that line")
    found: dict[str, Any] = json.loads(line)
    return found
