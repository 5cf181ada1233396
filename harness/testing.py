"""A tiny pixel task, a suite of it and a few fake policies: everything the tests run in milliseconds, numpy only.

A red dot has to be moved onto a green target. `SUITE` names this module as its domain, so `harness.testing:SUITE`
works wherever a suite is asked for, and `harness.testing:SEEKER`, `:RAISING`, `:NAN` and `:SLOW` wherever an agent is.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from harness.agent import AgentContext, AgentSpec, Config
from harness.errors import unknown
from harness.simulation import Simulation, StepResult
from harness.spec import BoundShift, Protocol, Setting, Shift, Suite

if TYPE_CHECKING:
    from harness.agent import Observation, Phase
    from harness.assets.store import AssetStore

TASKS = ("dot_reach", "dot_stay")
SPEED = 0.05  # side lengths the dot moves per control step at full action
SUCCESS_RADIUS = 0.12  # side lengths; also the target's radius in the picture
DOT_RADIUS = 0.08
DOT_COLOR, TARGET_COLOR = (230, 60, 40), (60, 200, 90)
BACKGROUND = (30, 30, 30)


class DotReach(Simulation):
    """A dot on the unit square that moves where the action says; y grows downwards, as picture rows do.

    `dot_reach` draws start and target at random; `dot_stay` starts at the target in the middle and drifts away.
    The reward of a control step is 1 at the target and falls linearly to 0 at a distance of 0.7 or more.

    Args:
      task: one of `TASKS`.
      image_size: height and width of the picture, pixels.
    Raises:
      UsageError: if there is no such task.
    """

    action_size = 2
    any_thread = True

    def __init__(self, task: str, image_size: int = 24) -> None:
        if task not in TASKS:
            raise unknown("task", task, TASKS)
        self.background: tuple[int, int, int] = BACKGROUND  # a visual field for shifts to write
        self._task = task
        self._image_size = image_size
        self.begin_episode(0, 0)

    def begin_episode(self, seed: int, episode: int) -> None:
        rng = np.random.default_rng((seed, episode))
        self._dot, self._target = rng.uniform(0.1, 0.9, (2, 2))
        self._drift = np.zeros(2)
        if self._task == "dot_stay":
            self._dot, self._target = np.full(2, 0.5), np.full(2, 0.5)
            angle = rng.uniform(0.0, 2.0 * np.pi)
            self._drift = 0.4 * SPEED * np.array([np.cos(angle), np.sin(angle)])
        self._reached = False

    def step(self, action: np.ndarray) -> StepResult:
        self._dot = np.clip(self._dot + SPEED * np.clip(action, -1.0, 1.0) + self._drift, 0.0, 1.0)
        self._reached |= self._distance() <= SUCCESS_RADIUS
        return StepResult(max(0.0, 1.0 - self._distance() / 0.7), False)

    def render(self) -> np.ndarray:
        size = self._image_size
        picture = np.empty((size, size, 3))
        picture[:] = self.background
        centers = (np.arange(size) + 0.5) / size
        for center, radius, color in (
            (self._target, SUCCESS_RADIUS, TARGET_COLOR),
            (self._dot, DOT_RADIUS, DOT_COLOR),
        ):
            distance = np.hypot(centers[None, :] - center[0], centers[:, None] - center[1])
            # One pixel of soft edge, so that motion below a pixel is visible.
            cover = np.clip((radius - distance) * size + 0.5, 0.0, 1.0)[..., None]
            picture += cover * (np.array(color) - picture)
        return picture.round().astype(np.uint8)

    def state(self) -> np.ndarray:
        return np.concatenate([self._dot, self._target, self._drift, [float(self._reached)]])

    def observe_state(self) -> np.ndarray:
        return np.concatenate([self._dot, self._target])

    def successes(self) -> Mapping[str, bool]:
        return {"at_target": bool(self._distance() <= SUCCESS_RADIUS), "ever_at_target": bool(self._reached)}

    def renderer_name(self) -> str:
        return "numpy"

    def _distance(self) -> float:
        return float(np.hypot(*(self._dot - self._target)))


@dataclass(frozen=True)
class Backdrop(Shift):
    """Another background colour per episode, and grey noise on every picture.

    Args:
      noise: standard deviation of the noise, grey levels.
    """

    noise: float = 8.0

    def bind(self, simulation: Simulation, assets: AssetStore) -> BoundShift:
        return _BoundBackdrop(simulation, self.noise)


class _BoundBackdrop(BoundShift):
    def __init__(self, simulation: Any, noise: float) -> None:
        self._simulation, self._noise = simulation, noise
        self._key = (0, 0)

    def begin_episode(self, seed: int, episode: int) -> Mapping[str, Any]:
        self._key = (seed, episode)
        color = np.random.default_rng((seed, episode, 1)).integers(0, 160, 3)
        self._simulation.background = tuple(int(c) for c in color)
        return {"background": list(self._simulation.background)}

    def after_render(self, pixels: np.ndarray, step: int) -> np.ndarray:
        rng = np.random.default_rng((*self._key, 2, step))
        noisy = pixels + rng.normal(0.0, self._noise, pixels.shape)
        return np.clip(noisy, 0, 255).astype(np.uint8)

    def close(self) -> None:
        self._simulation.background = BACKGROUND


def make_simulation(task: str, *, image_size: int, profile: str, shifts: Sequence[Shift]) -> DotReach:
    """The domain's maker, as `harness.environment.make_env` calls it; the profile changes nothing here."""
    return DotReach(task, image_size)


SUITE = Suite(
    name="dots",
    version=1,
    domain="harness.testing",
    frame_rewards=(0.0, 1.0),
    tasks=TASKS,
    settings=(Setting("backdrop", (Backdrop(),)),),
    protocol=Protocol(
        action_repeat={"dot_reach": 2, "dot_stay": 1},
        train_frames={"dot_reach": 5_000, "dot_stay": 5_000},
        image_size=24,
        episode_frames=50,
        eval_episodes=10,
    ),
    description="A dot moves onto a target; for tests only.",
    source="this project",
    needs_graphics=False,
)

STATE_SUITE = replace(SUITE, name="dots_states", offers_states=True)  # for agents that act on states


def batch_size(observations: Observation) -> int:
    """How many observations a batch holds."""
    return len(observations["pixels"] if isinstance(observations, dict) else observations)


class SeekerConfig(Config):
    """The seeker has nothing to set."""


class FaultConfig(Config):
    """When a fake policy misbehaves."""

    episode: int = Field(1, ge=0)  # the episode in which it happens
    delay_sec: float = Field(0.5, ge=0)  # what the slow policy sleeps per action


class Seeker:
    """Looks for the dot and the target in the newest picture and goes straight there: near the best return."""

    def __init__(self, context: AgentContext, config: Config) -> None:
        self._size = int(np.prod(context.action_space.shape))

    def act(self, observations: Observation, *, explore: bool) -> np.ndarray:
        pixels = observations["pixels"] if isinstance(observations, dict) else observations
        newest = pixels[:, -3:].astype(np.float64)
        dot = _center(np.clip(newest[:, 0] - newest[:, 1], 100, None) - 100)
        target = _center(np.clip(newest[:, 1] - newest[:, 0], 60, None) - 60)
        seen = (newest[:, 1] - newest[:, 0]).max(axis=(1, 2)) > 60  # the dot may hide the target
        return np.where(seen[:, None], np.clip(8 * (target - dot), -1, 1), 0.0).astype(np.float32)


def _center(weights: np.ndarray) -> np.ndarray:
    """Centres of mass (x, y) in side lengths, (B, 2), of weights (B, H, W)."""
    total = weights.sum((1, 2)) + 1e-9
    ticks = (np.arange(weights.shape[-1]) + 0.5) / weights.shape[-1]
    return np.stack([weights.sum(1) @ ticks, weights.sum(2) @ ticks], 1) / total[:, None]


class _Faulty:
    """Acts with zeros; subclasses misbehave in the episode the configuration names."""

    def __init__(self, context: AgentContext, config: FaultConfig) -> None:
        self._size = int(np.prod(context.action_space.shape))
        self._config = config
        self._episode = 0

    def begin_episode(self, *, phase: Phase, seed: int, episode: int) -> None:
        self._episode = episode

    def act(self, observations: Observation, *, explore: bool) -> np.ndarray:
        actions = np.zeros((batch_size(observations), self._size), np.float32)
        return self._misbehave(actions) if self._episode == self._config.episode else actions

    def _misbehave(self, actions: np.ndarray) -> np.ndarray:
        raise NotImplementedError


class RaisingPolicy(_Faulty):
    """Raises RuntimeError in one episode."""

    def _misbehave(self, actions: np.ndarray) -> np.ndarray:
        raise RuntimeError("the fake policy was told to fail here")


class NanPolicy(_Faulty):
    """Returns NaN in one episode."""

    def _misbehave(self, actions: np.ndarray) -> np.ndarray:
        return np.full_like(actions, np.nan)


class SlowPolicy(_Faulty):
    """Sleeps before every action of one episode."""

    def _misbehave(self, actions: np.ndarray) -> np.ndarray:
        time.sleep(self._config.delay_sec)
        return actions


def _fake(name: str, maker: str, description: str, config: type[Config] = FaultConfig) -> AgentSpec:
    return AgentSpec(
        name, 1, f"harness.testing:{maker}", description, source="this project", config=config, learns=False
    )


SEEKER = _fake("seeker", "Seeker", "Goes straight to the target of the dot tasks.", SeekerConfig)
RAISING = _fake("raising", "RaisingPolicy", "Raises in one episode.")
NAN = _fake("nan", "NanPolicy", "Returns NaN in one episode.")
SLOW = _fake("slow", "SlowPolicy", "Sleeps before every action of one episode.")
