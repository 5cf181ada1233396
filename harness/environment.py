"""The environment every agent sees: a plain Gymnasium `Env` over a simulation and the shifts of one setting."""

from __future__ import annotations

import importlib
import math
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec

from harness.errors import UsageError, unknown
from harness.spec import check_profile

if TYPE_CHECKING:
    from harness.assets.store import AssetStore
    from harness.simulation import Simulation
    from harness.spec import BoundShift, Protocol, Setting, Suite

MOST_EPISODES = 1_000_000  # of a stream: some simulators reach the n-th by n resets


class PixelEnv(gymnasium.Env[Any, np.ndarray]):
    """Pixels uint8 (3 * frame_stack, H, W), oldest picture first; a dict with `proprio` where the task has it.

    With several cameras a picture has 3 channels of each, in the simulation's order.

    Actions are float32 in [-1, 1]. A step repeats the action, adds the rewards, and draws one picture after the
    last repeat. The first picture of an episode fills the whole stack.

    Episodes are numbered: `reset(seed=s)` starts episode 0 of stream `s`, `reset()` the next one, and
    `reset(options={"episode": i})` the i-th. What an episode is depends on (task, seed, number) for the physics
    and (setting, seed, number) for the looks, never on what ran before.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 25}  # noqa: RUF012 (Gymnasium's own convention)

    def __init__(
        self,
        simulation: Simulation,
        shifts: tuple[BoundShift, ...],
        *,
        action_repeat: int,
        frame_stack: int,
        image_size: int,
        episode_frames: int,
        draw: bool = True,
        states: bool = False,
    ) -> None:
        self.simulation = simulation
        self.render_mode = "rgb_array"
        self._shifts = shifts
        self._action_repeat = action_repeat
        self._episode_steps = math.ceil(episode_frames / action_repeat)
        self._stack: deque[np.ndarray] = deque(maxlen=frame_stack)
        self._seed: int | None = None
        self._episode = -1
        self._num_steps = 0
        self._num_control_steps = 0
        self._running = False
        self._closed = False
        self._recipe: dict[str, Any] | None = None  # arguments of `make_env`, for copies
        self._spec: EnvSpec | None = None
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (simulation.action_size,), np.float32)
        shape = (3 * simulation.num_cameras * frame_stack, image_size, image_size)
        pixels = gymnasium.spaces.Box(0, 255, shape, np.uint8)
        self._black = None if draw else np.zeros((shape[0] // frame_stack, *shape[1:]), np.uint8)
        self._states = states
        proprio = simulation.proprioception()
        self.observation_space: gymnasium.Space[Any] = pixels
        if states:
            self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, self._observed_state().shape, np.float32)
        elif proprio is not None:
            box = gymnasium.spaces.Box(-np.inf, np.inf, proprio.shape, np.float32)
            self.observation_space = gymnasium.spaces.Dict({"pixels": pixels, "proprio": box})

    @property
    def spec(self) -> EnvSpec | None:
        """Gymnasium's record of how it was made, with the length of an episode.

        The registered record has none, because Gymnasium would then cut episodes itself, at the suite's own length
        whatever the length asked for.
        """
        return self._spec

    @spec.setter
    def spec(self, value: EnvSpec | None) -> None:
        self._spec = None if value is None else replace(value, max_episode_steps=self._episode_steps)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        """A copy is a twin made anew, at the start of the present episode; it shares nothing with this one.

        Raises:
          TypeError: if this environment was put together by hand.
          RuntimeError: if it is closed.
        """
        self._check_open()
        if self._recipe is None:
            raise TypeError("Only environments of harness.make_env or gymnasium.make can be copied: make another one.")
        return _twin, (self._recipe, self._seed, self._episode, self._spec)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Starts an episode; see the class for how they are numbered.

        Returns:
          The observation, and info with `episode_number`, `shift` (what the shifts drew) and, where the task defines
          success, `success`, again as `is_success` (Stable-Baselines3's name), and `successes`.
        Raises:
          UsageError: if the seed or the episode number cannot be, or an option is unknown.
          WorkError: if this process may not draw; see `Simulation.check_can_draw`.
        """
        self._check_open()
        if self._black is None:
            self.simulation.check_can_draw()
        number = _episode_option(options)
        if seed is not None and not 0 <= seed < 2**32:  # what the generators of all simulators take
            raise UsageError(f"A seed goes from 0 to {2**32 - 1}, not {seed}.")
        super().reset(seed=seed)
        if seed is not None:
            self._seed, self._episode = seed, -1
        elif self._seed is None:
            self._seed = int(self.np_random.integers(2**31))
        self._episode = self._episode + 1 if number is None else number
        self._num_steps = self._num_control_steps = 0
        self._running = True
        facts: dict[str, Any] = {}
        for shift in self._shifts:
            facts.update(shift.begin_episode(self._seed, self._episode))
        self.simulation.begin_episode(self._seed, self._episode)
        picture = self._draw()
        self._stack.extend([picture] * (self._stack.maxlen or 1))
        return self._observation(), {"episode_number": self._episode, "shift": facts, **self._success()}

    @property
    def episode_frames(self) -> int:
        """Frames of an episode that nothing ends early."""
        return self._episode_steps * self._action_repeat

    @property
    def any_thread(self) -> bool:
        """Whether `step` may be called on another thread than `reset`, never at the same time as anything else."""
        return self.simulation.any_thread and all(shift.any_thread for shift in self._shifts)

    def step(self, action: np.ndarray) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Repeats the action and draws once.

        Raises:
          ValueError: if the action has the wrong shape or is not finite.
          RuntimeError: if the episode is over or was never started, or the environment is closed.
        """
        self._check_open()
        if not self._running:
            raise RuntimeError("The episode is over: call reset() before step().")
        action = np.asarray(action, dtype=np.float32)
        if action.shape != self.action_space.shape or not np.isfinite(action).all():
            raise ValueError(f"An action is {self.action_space.shape} finite numbers, not {action!r}.")
        reward, terminated = 0.0, False
        for _ in range(self._action_repeat):
            result = self.simulation.step(action)
            self._num_control_steps += 1
            reward += result.reward
            for shift in self._shifts:
                shift.after_control_step(self._num_control_steps)
            terminated = result.terminated
            if terminated:
                break
        self._num_steps += 1
        truncated = not terminated and self._num_steps >= self._episode_steps
        self._running = not (terminated or truncated)
        self._stack.append(self._draw())
        info = {"num_frames": self._num_control_steps, **self._success()}
        return self._observation(), reward, terminated, truncated, info

    def render(self) -> np.ndarray:
        """The newest picture as the agent sees it (its first camera), uint8 (H, W, 3)."""
        self._check_open()
        if not self._stack:
            raise RuntimeError("There is no picture before reset().")
        return np.ascontiguousarray(self._stack[-1][:3].transpose(1, 2, 0))

    def close(self) -> None:
        """Frees simulation and shifts; may be called again. Nothing else may be called after it."""
        if self._closed:
            return
        self._closed = True
        for shift in reversed(self._shifts):
            shift.close()
        self.simulation.close()

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("This environment is closed: make another one.")

    def _draw(self) -> np.ndarray:
        if self._black is not None:
            return self._black
        for shift in self._shifts:
            shift.before_render(self._num_steps)
        pixels = self.simulation.render()
        for shift in reversed(self._shifts):
            pixels = shift.after_render(pixels, self._num_steps)
        return np.ascontiguousarray(pixels.transpose(2, 0, 1))

    def _observed_state(self) -> np.ndarray:
        state = self.simulation.observe_state()
        if state is None:
            raise UsageError("This simulation has no state observation, so no agent can act on states.")
        return state.astype(np.float32)

    def _observation(self) -> Any:
        if self._states:
            return self._observed_state()
        pixels = np.concatenate(self._stack)
        proprio = self.simulation.proprioception()
        return pixels if proprio is None else {"pixels": pixels, "proprio": proprio}

    def _success(self) -> dict[str, Any]:
        successes = dict(self.simulation.successes())
        if not successes:
            return {}
        headline = next(iter(successes.values()))
        return {"success": headline, "is_success": headline, "successes": successes}


def newest_picture(env: PixelEnv, observation: Any) -> np.ndarray:
    """What all cameras saw last, one below the other, uint8 (N * H, W, 3) for N cameras."""
    pixels = observation["pixels"] if isinstance(observation, dict) else observation
    views = np.split(pixels[-3 * env.simulation.num_cameras :], env.simulation.num_cameras)
    return np.concatenate([view.transpose(1, 2, 0) for view in views])


def _twin(recipe: dict[str, Any], seed: int | None, episode: int, spec: EnvSpec | None) -> PixelEnv:
    """What `copy.deepcopy` and `pickle` make of an environment."""
    env = make_env(**recipe)
    env.spec = spec
    if episode >= 0:
        env.reset(seed=seed, options={"episode": episode})
    elif seed is not None:
        env._seed = seed
    return env


def _episode_option(options: dict[str, Any] | None) -> int | None:
    """The episode's number that a reset names; None if it names none."""
    options = dict(options or {})
    number = options.pop("episode", None)
    if options:
        raise unknown("option of reset", next(iter(options)), ["episode"])
    if number is None:
        return None
    if isinstance(number, bool) or not isinstance(number, int | np.integer) or not 0 <= number < MOST_EPISODES:
        raise UsageError(f"Episode numbers are integers, start at 0 and end at {MOST_EPISODES - 1}, not {number!r}.")
    return int(number)


def make_env(
    suite: Suite,
    task: str,
    setting: str | Setting,
    *,
    assets: AssetStore,
    profile: str = "standard",
    protocol: Protocol | None = None,
    draw: bool = True,
    states: bool = False,
) -> PixelEnv:
    """Builds the environment of one suite, task and setting.

    Args:
      suite: the suite's declaration.
      task: one of `suite.all_tasks`.
      setting: one of the suite's settings, or its name.
      assets: where third-party files are looked up.
      profile: "standard" draws what the published code draws; "fast" has no shadows and no multisampling.
      protocol: replaces the suite's own protocol.
      draw: False leaves every picture black and needs no graphics.
      states: observations are the simulation's state observation, float32 (S,), instead of pixels; nothing is drawn.
    Raises:
      UsageError: for a name that does not exist.
      MissingAssetError: if the setting needs a file that is absent and stand-ins are not allowed.
    """
    recipe = {"suite": suite, "task": task, "setting": setting, "assets": assets, "profile": profile}
    recipe |= {"protocol": protocol, "draw": draw, "states": states}
    protocol = (protocol or suite.protocol).for_task(task)
    chosen = suite.setting(setting) if isinstance(setting, str) else setting
    check_profile(profile)
    domain = importlib.import_module(suite.domain)
    simulation = domain.make_simulation(
        suite.check_task(task), image_size=protocol.image_size, profile=profile, shifts=chosen.shifts
    )
    bound = tuple(shift.bind(simulation, assets) for shift in chosen.shifts)
    env = PixelEnv(
        simulation,
        bound,
        action_repeat=protocol.action_repeat[task],
        frame_stack=protocol.frame_stack,
        image_size=protocol.image_size,
        episode_frames=protocol.episode_frames,
        draw=draw and not states,
        states=states,
    )
    env._recipe = recipe
    return env
