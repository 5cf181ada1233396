"""A learner for tests of the machine: what it learns depends on every observation, reward and random draw it meets,
so that a run that was resumed wrongly cannot end with the same parameters."""

from __future__ import annotations

import ctypes
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field
from safetensors.numpy import load_file, save_file

from harness.agent import AgentContext, AgentSpec, Config, Phase, Transition
from harness.errors import CheckpointError
from harness.running.rollout import first_pixels_digest
from harness.simulation import StepResult
from harness.spec import Shift
from harness.testing import SUITE, DotReach


class LearnerConfig(Config):
    """What tests need to turn."""

    evaluation_settings: ClassVar[tuple[str, ...]] = ("gain",)

    rate: float = Field(0.01, gt=0, le=1)
    delay_sec: float = Field(0.0, ge=0)  # sleep per update
    gain: float = Field(1.0, ge=0)  # of actions without exploration
    fail_at_step: int = -1
    log: str = ""  # the file a recorder writes
    leave: str = ""  # a line of Python that ends the process
    die_once: str = ""  # a file: if it is absent, the worker makes it and dies (tests of the watchdog)


class Learner:
    """Moves its weights a little with everything that happens."""

    def __init__(self, context: AgentContext, config: LearnerConfig) -> None:
        self._config = config
        self._shape = context.observation_space.shape or ()
        self._task = context.task
        self._size = int(np.prod(context.action_space.shape))
        self._rng = np.random.default_rng(context.seed)
        self._weights = self._rng.normal(size=(self._size, int(np.prod(self._shape)))) * 0.001
        self._num_steps = 0

    def act(self, observations: np.ndarray, *, explore: bool) -> np.ndarray:
        features = observations.reshape(len(observations), -1) / 255 - 0.5
        actions = np.tanh(features @ self._weights.T) * (1.0 if explore else self._config.gain)
        if explore:
            actions = actions + 0.3 * self._rng.normal(size=actions.shape)
        return np.clip(actions, -1, 1).astype(np.float32)

    def observe(self, transition: Transition) -> None:
        self._num_steps += 1
        step = transition.reward * (transition.next_observation.reshape(-1) / 255 - 0.5)
        self._weights += self._config.rate * self._rng.normal(size=(self._size, 1)) * step

    def update(self) -> dict[str, float]:
        if self._num_steps == self._config.fail_at_step:
            raise ValueError("told to fail")
        if self._config.die_once and self._num_steps == 20 and not os.path.exists(self._config.die_once):
            Path(self._config.die_once).touch()
            ctypes.CDLL(None)._exit(9)  # from C: what Python offers is refused
        time.sleep(self._config.delay_sec)
        return {"weight_norm": float(np.linalg.norm(self._weights))}

    def save(self, folder: Path) -> None:
        self.save_policy(folder)
        state: dict[str, Any] = {"steps": self._num_steps, "rng": self._rng.bit_generator.state}
        (folder / "state.json").write_text(json.dumps(state))

    def load(self, folder: Path) -> None:
        self.load_policy(folder)
        state = json.loads((folder / "state.json").read_text())
        self._num_steps = state["steps"]
        self._rng.bit_generator.state = state["rng"]

    def save_policy(self, folder: Path) -> None:
        save_file({"weights": self._weights}, folder / "weights.safetensors")

    def load_policy(self, folder: Path) -> None:
        try:
            weights = load_file(folder / "weights.safetensors")["weights"]
        except Exception as error:
            raise CheckpointError(f"{folder} cannot be read") from error
        if weights.shape != self._weights.shape:
            raise CheckpointError(f"{folder} is for another task")
        self._weights = weights


AGENT = AgentSpec(
    name="learner",
    version=1,
    maker="tests.harness.learner:Learner",
    description="learns something from everything",
    source="tests",
    config=LearnerConfig,
)


class Dying:
    """Kills its worker in the middle of a chunk of episodes, once."""

    def __init__(self, context: AgentContext, config: LearnerConfig) -> None:
        self._marker = Path(config.die_once)
        self._size = int(np.prod(context.action_space.shape))
        self._episode = 0

    def begin_episode(self, *, phase: Phase, seed: int, episode: int) -> None:
        self._episode = episode

    def act(self, observations: np.ndarray, *, explore: bool) -> np.ndarray:
        if self._episode == 3 and not self._marker.exists():
            self._marker.touch()
            ctypes.CDLL(None)._exit(9)  # from C: what Python offers is refused
        return np.zeros((len(observations), self._size))


DYING = AgentSpec(
    name="dying",
    version=1,
    maker="tests.harness.learner:Dying",
    description="kills its worker once",
    source="tests",
    config=LearnerConfig,
    learns=False,
)


class PickyConfig(LearnerConfig):
    """How small a picture may be depends on a setting."""

    depth: int = Field(2, ge=1)

    @property
    def min_image_size(self) -> int:
        return 10 * self.depth


PICKY = replace(AGENT, name="picky", config=PickyConfig, image_size=30)  # its pictures are not the suite's


class Recorder:
    """Acts with zeros and notes for every episode what it saw first and what it was told."""

    def __init__(self, log: Path, action_size: int) -> None:
        self._log, self._size = log, action_size
        self._told: dict[str, Any] | None = None

    def begin_episode(self, **told: Any) -> None:
        self._told = told

    def act(self, observations: np.ndarray, *, explore: bool) -> np.ndarray:
        if self._told is not None:
            with open(self._log, "a") as file:
                file.write(json.dumps({"first_pixels": first_pixels_digest(observations[0]), **self._told}) + "\n")
            self._told = None
        return np.zeros((len(observations), self._size))


def make_recorder(context: AgentContext, config: LearnerConfig) -> Recorder:
    return Recorder(Path(config.log), int(np.prod(context.action_space.shape)))


RECORDER = AgentSpec(
    name="recorder",
    version=1,
    maker="tests.harness.learner:make_recorder",
    description="notes what it is told",
    source="tests",
    config=LearnerConfig,
    learns=False,
)


def told_by_setting(log: Path, settings: Mapping[str, str]) -> dict[str, list[dict[str, Any]]]:
    """What a recorder was told in each setting, in order; `settings` knows a setting by the first pixels."""
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    told: dict[str, list[dict[str, Any]]] = {setting: [] for setting in settings.values()}
    for line in lines:
        told[settings[line.pop("first_pixels")]].append(line)
    return told


class NanReward(DotReach):
    """Rewards with what is not a number."""

    def step(self, action: np.ndarray) -> StepResult:
        return StepResult(float("nan"), super().step(action).terminated)


def make_simulation(task: str, *, image_size: int, profile: str, shifts: Sequence[Shift]) -> NanReward:
    return NanReward(task, image_size)


NAN_SUITE = replace(SUITE, name="nan", domain="tests.harness.learner")


class Noisy:
    """Prints all the time, as do the libraries it calls."""

    def __init__(self, context: AgentContext, config: LearnerConfig) -> None:
        self._size = int(np.prod(context.action_space.shape))

    def act(self, observations: np.ndarray, *, explore: bool) -> np.ndarray:
        print("printed noise", flush=True)
        ctypes.CDLL(None).write(1, b"noise of a library\n", 19)
        return np.zeros((len(observations), self._size))


NOISY = AgentSpec(
    name="noisy",
    version=1,
    maker="tests.harness.learner:Noisy",
    description="prints",
    source="tests",
    config=LearnerConfig,
    learns=False,
)


class Leaving:
    """Does what its configuration says in the third step of the second episode."""

    def __init__(self, context: AgentContext, config: LearnerConfig) -> None:
        self._how, self._size = config.leave, int(np.prod(context.action_space.shape))
        self._episode = self._step = 0

    def begin_episode(self, *, phase: Phase, seed: int, episode: int) -> None:
        self._episode, self._step = episode, 0

    def act(self, observations: np.ndarray, *, explore: bool) -> np.ndarray:
        if (self._episode, self._step) == (1, 2):
            exec(self._how)
        self._step += 1
        return np.zeros((len(observations), self._size))


LEAVING = AgentSpec(
    name="leaving",
    version=1,
    maker="tests.harness.learner:Leaving",
    description="ends its process",
    source="tests",
    config=LearnerConfig,
    learns=False,
)
