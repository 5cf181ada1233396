"""Playing one episode: the same few lines for every agent, suite and setting."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.errors import AgentError, HarnessError
from harness.outside import is_interrupt, said
from harness.policy import PREDICTING, starter

if TYPE_CHECKING:
    from harness.agent import Phase, Policy
    from harness.environment import PixelEnv

NOTHING: AbstractContextManager[Any] = nullcontext()
ACTION_TOLERANCE = 1e-6  # how far beyond [-1, 1] rounding may carry an action


@dataclass(frozen=True)
class EpisodeResult:
    """What one evaluated episode gave."""

    episode: int
    episode_return: float
    success: bool | None
    successes: dict[str, bool]
    num_steps: int
    num_frames: int
    shift: dict[str, Any]
    first_pixels: str  # SHA-256 of the first observation, first 16 hex digits
    trajectory: str  # SHA-256 of all observations, actions and rewards, first 16 hex digits


def batch_of_one(observation: Any) -> Any:
    """Adds the batch axis to an observation, array or dict of arrays."""
    if isinstance(observation, dict):
        return {key: value[None] for key, value in observation.items()}
    return observation[None]


def check_action(actions: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Returns the one action of a batch of one as float32 within [-1, 1].

    Raises:
      AgentError: if the batch is not (1, *shape), or has values that are not finite or out of range.
    """
    if isinstance(actions, tuple):
        raise AgentError(f"returned a tuple where an array of actions is due; if it is of predict(): {PREDICTING}")
    try:
        array = np.asarray(actions, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise AgentError(f"returned {type(actions).__name__} where an array of actions is due") from error
    if array.shape != (1, *shape):
        raise AgentError(f"returned actions of shape {array.shape} where {(1, *shape)} is due")
    if not np.isfinite(array).all():
        raise AgentError(f"returned actions that are not finite: {array[0]}")
    if np.abs(array).max(initial=0.0) > 1 + ACTION_TOLERANCE:
        raise AgentError(f"returned actions outside [-1, 1]: {array[0]}")
    return np.clip(array[0], -1.0, 1.0)


@contextmanager
def agent_errors(method: str, where: str) -> Iterator[None]:
    """Turns whatever an agent raises into one sentence that says that it was the agent.

    Args:
      method: of the agent, such as `"act"`.
      where: in the episode, such as `"episode 3, step 17"`.
    Raises:
      AgentError: instead of every error that is not ours.
    """
    try:
        yield
    except HarnessError as error:  # such as a missing file, with the command that gets it
        raise type(error)(f"{where[:1].upper()}{where[1:]}: {error.args[0] if error.args else ''}") from error
    except BaseException as error:
        if is_interrupt(error):
            raise
        # Agents from outside may raise anything, exits included; the reader must learn that it was the agent.
        raise AgentError(f"The agent raised {type(error).__name__} in {method}() ({where}): {said(error)}") from error


def act(policy: Policy, observation: Any, shape: tuple[int, ...], *, explore: bool, where: str) -> np.ndarray:
    """Asks the policy for one action and checks it; raises AgentError, as `agent_errors`, whatever goes wrong."""
    with agent_errors("act", where):
        actions = policy.act(batch_of_one(observation), explore=explore)
    try:
        return check_action(actions, shape)
    except AgentError as error:
        raise AgentError(f"The agent {error} ({where}).") from error


def place(phase: Phase, episode: int, step: int) -> str:
    """Where in the work an agent is, for a sentence."""
    during = {"train": "training, ", "curve": "evaluation during training, ", "evaluation": ""}[phase]
    return f"{during}episode {episode}, step {step}"


def start_episode(policy: Policy, *, phase: Phase, seed: int, episode: int) -> None:
    """Tells a policy that an episode starts, see `harness.policy.starter`; raises as `agent_errors`."""
    found = starter(policy, {"phase": phase, "seed": seed, "episode": episode})
    if found is not None:
        method, call = found
        with agent_errors(method, place(phase, episode, 0)):
            call()


def play_episode(
    env: PixelEnv,
    policy: Policy,
    *,
    seed: int,
    episode: int,
    phase: Phase = "evaluation",
    on_step: Callable[[int], None] = lambda step: None,
    around: AbstractContextManager[Any] = NOTHING,
) -> EpisodeResult:
    """Evaluates one episode without exploration.

    Args:
      env: the environment of one task and setting.
      policy: what acts.
      seed: the stream of episodes (`eval_seed`).
      episode: number of the episode within the stream.
      phase: what the episode is for, as the policy is told.
      on_step: called with the number of steps taken, after each.
      around: entered around every call of the policy.
    Raises:
      AgentError: if the policy raises or returns an action that breaks the contract.
    """
    observation, info = env.reset(seed=seed, options={"episode": episode})
    first_pixels, trajectory = first_pixels_digest(observation), Trajectory(observation)
    with around:
        start_episode(policy, phase=phase, seed=seed, episode=episode)
    shape = env.action_space.shape or ()
    shift, episode_return, step, over = info["shift"], 0.0, 0, False
    while not over:
        with around:
            action = act(policy, observation, shape, explore=False, where=place(phase, episode, step))
        observation, reward, terminated, truncated, info = env.step(action)
        trajectory.add(action, reward, observation)
        episode_return += reward
        step += 1
        over = terminated or truncated
        on_step(step)
    return EpisodeResult(
        episode=episode,
        episode_return=float(episode_return),
        success=info.get("success"),
        successes=info.get("successes", {}),
        num_steps=step,
        num_frames=info["num_frames"],
        shift=shift,
        first_pixels=first_pixels,
        trajectory=trajectory.digest(),
    )


class Trajectory:
    """A digest of what passed between policy and environment: equal exactly where nothing differed."""

    def __init__(self, observation: Any) -> None:
        self._digest = hashlib.sha256()
        self._see(observation)

    def add(self, action: np.ndarray, reward: float, observation: Any) -> None:
        """Takes in one step."""
        self._digest.update(action.tobytes())
        self._digest.update(np.float64(reward).tobytes())
        self._see(observation)

    def digest(self) -> str:
        """The first 16 hex digits of the SHA-256."""
        return self._digest.hexdigest()[:16]

    def _see(self, observation: Any) -> None:
        parts = observation if isinstance(observation, dict) else {"pixels": observation}
        for _, array in sorted(parts.items()):
            self._digest.update(np.ascontiguousarray(array).data)


def first_pixels_digest(observation: Any) -> str:
    """The first 16 hex digits of the SHA-256 of an observation's pixels; equal scenes give equal digests."""
    pixels = observation["pixels"] if isinstance(observation, dict) else observation
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()[:16]
