"""How far an encoder's features move when only the looks of a state change.

The number of Figure 2 of PIE-G (Yuan et al., ICML 2022 workshop): the mean absolute difference of the normalised
feature maps of one state under two backgrounds. The paper does not say how maps are normalised; here each observation's
features are scaled to 0..1 by their own least and greatest value.

The states are those that the policy comes to in the training setting. A shifted setting shows the same ones: the same
episode, played with the same actions.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.agent import Encodes
from harness.environment import PixelEnv
from harness.errors import UsageError, WorkError
from harness.results.feature_rows import NORMALISATION, FeatureRow, View
from harness.running import provenance
from harness.running.cells import Cell
from harness.running.columns import cell_columns
from harness.running.plan import RunPlan, TaskPlan
from harness.running.policies import PolicySource
from harness.running.rollout import act, agent_errors, batch_of_one, start_episode
from harness.running.threads import EVALUATION_THREADS, set_threads
from harness.running.world import World


@dataclass(frozen=True)
class Sampling:
    """Which states are compared: per episode so many, so many agent steps apart, from the start on."""

    episodes: int = 5
    states: int = 10
    every: int = 10


@dataclass(frozen=True)
class _Seen:
    """An episode in one setting: what was seen at the sampled states, and what led through it."""

    actions: list[np.ndarray]
    rewards: list[float]
    pixels: list[np.ndarray]  # uint8 (C, H, W)
    maps: list[np.ndarray]  # normalised, (F, h, w)


def shifted_settings(plan: RunPlan, asked: Sequence[str]) -> tuple[str, ...]:
    """The settings to compare with training: those asked for, else all that change looks alone.

    Raises:
      UsageError: for one that does not exist, is the training's own or changes more than looks, or if there is none.
    """
    suite = plan.suite
    for name in asked:
        if name == suite.train.name:
            raise UsageError(f"'{name}' is the training setting, with which the others are compared.")
        if not suite.setting(name).looks_alone:
            raise UsageError(f"Setting '{name}' changes more than looks, so it shows no state of the training setting.")
    names = tuple(asked) or tuple(setting.name for setting in suite.settings if setting.looks_alone)
    if not names:
        raise UsageError(f"Suite {suite.name} has no setting that changes looks alone.")
    return names


def measure_features(
    plan: RunPlan,
    settings: Sequence[str],
    sampling: Sampling,
    *,
    run_id: str,
    on_episode: Callable[[], None] = lambda: None,
) -> Iterator[FeatureRow]:
    """Measures every policy of a plan; yields a row per setting.

    Args:
      plan: of given policies.
      settings: as `shifted_settings` gives them.
      sampling: which states.
      run_id: of the run that trained the policies.
      on_episode: called after every episode that was played.
    Raises:
      UsageError: if the agent has no encoder.
      WorkError: if a setting leads to other states than the training setting.
    """
    set_threads(EVALUATION_THREADS)
    for task in plan.tasks:
        for (name, seed), source in plan.policies.items():
            if name == task.task:
                look = _Look(plan, task, seed, source, sampling, on_episode)
                for row in look.rows(settings):
                    yield replace(row, columns={**row.columns, "run_id": run_id})


class _Look:
    """One policy, and what it sees in the training setting."""

    def __init__(
        self,
        plan: RunPlan,
        task: TaskPlan,
        seed: int,
        source: PolicySource,
        sampling: Sampling,
        on_episode: Callable[[], None],
    ) -> None:
        self._plan, self._task, self._seed, self._source = plan, task, seed, source
        self._sampling, self._on_episode = sampling, on_episode
        self._eval_seed = seed + task.protocol.eval_seed_offset
        self._world = World(
            suite_name=plan.suite_name,
            shifts=plan.shifts,
            agent_name=plan.agent_name,
            plan=task,
            seed=seed,
            store=plan.store,
            identities={name: found.identity for name, found in plan.found.items()},
            device=plan.device,
            profile=plan.profile,
        )

    def rows(self, settings: Sequence[str]) -> Iterator[FeatureRow]:
        """A row per setting."""
        with contextlib.closing(self._world.make_env(self._plan.suite.train.name)) as env:
            agent = self._agent(env)
            base = [self._play(env, agent, episode, None) for episode in range(self._sampling.episodes)]
        for setting in settings:
            with contextlib.closing(self._world.make_env(setting)) as env:
                shown = [self._play(env, agent, episode, base[episode]) for episode in range(len(base))]
                renderer = env.simulation.renderer_name()
            yield self._row(setting, base, shown, renderer)

    def _agent(self, env: PixelEnv) -> Any:
        agent = self._world.make_agent(env, evaluation_only=True)
        if not isinstance(agent, Encodes):
            raise UsageError(f"Agent {self._plan.agent.name} has no encoder to look at: it has no feature_maps.")
        self._source.check_files()
        with agent_errors("load_policy", "before the first episode"):
            agent.load_policy(self._source.folder)  # type: ignore[attr-defined]
        return agent

    def _play(self, env: PixelEnv, agent: Any, episode: int, led: _Seen | None) -> _Seen:
        """Plays an episode as far as states are wanted: by the policy, or with the actions that led through it."""
        observation, _ = env.reset(seed=self._eval_seed, options={"episode": episode})
        start_episode(agent, phase="evaluation", seed=self._eval_seed, episode=episode)
        seen, shape, over = _Seen([], [], [], []), env.action_space.shape or (), False
        for step in range((self._sampling.states - 1) * self._sampling.every + 1):
            if step % self._sampling.every == 0:
                self._look_at(agent, observation, seen, f"episode {episode}, step {step}")
            if over or step == (self._sampling.states - 1) * self._sampling.every:
                break
            where = f"episode {episode}, step {step}"
            action = act(agent, observation, shape, explore=False, where=where) if led is None else led.actions[step]
            observation, reward, terminated, truncated, _ = env.step(action)
            seen.actions.append(action)
            seen.rewards.append(float(reward))
            if over := terminated or truncated:
                break
        if led is not None and seen.rewards != led.rewards:
            raise WorkError(f"Episode {episode} of {self._task.task} went another way than in training: not one state.")
        self._on_episode()
        return seen

    @staticmethod
    def _look_at(agent: Any, observation: Any, seen: _Seen, where: str) -> None:
        with agent_errors("feature_maps", where):
            maps = np.asarray(agent.feature_maps(batch_of_one(observation)), np.float32)
        if maps.ndim != 4 or len(maps) != 1 or not np.isfinite(maps).all():
            raise WorkError(f"The agent's feature_maps are {maps.shape}, or not finite; (1, C, h, w) is due ({where}).")
        seen.maps.append(normalised(maps[0]))
        seen.pixels.append(observation["pixels"] if isinstance(observation, dict) else observation)

    def _row(self, setting: str, base: Sequence[_Seen], shown: Sequence[_Seen], renderer: str) -> FeatureRow:
        pairs = [list(zip(a.maps, b.maps, strict=True)) for a, b in zip(base, shown, strict=True)]
        by_episode = tuple(float(np.mean([np.abs(x - y).mean() for x, y in episode])) for episode in pairs)
        pixels = [
            np.abs(x.astype(np.float32) - y).mean() / 255.0
            for a, b in zip(base, shown, strict=True)
            for x, y in zip(a.pixels, b.pixels, strict=True)
        ]
        cell = Cell(self._task, setting, self._seed, ())
        columns = {**cell_columns(self._plan, cell, self._source), "setting": setting}
        measured = {
            "eval_seed": self._eval_seed,
            "gl_renderer": renderer,
            "code_revision": provenance.code_revision(),
            "episodes": len(base),
            "states": sum(len(episode) for episode in pairs),
            "every_steps": self._sampling.every,
            "normalisation": NORMALISATION,
            "feature_shape": "x".join(map(str, base[0].maps[0].shape)),
            "difference": float(np.mean(by_episode)),
            "between_states": _between_states(base),
            "pixel_difference": float(np.mean(pixels)),
        }
        return FeatureRow(columns, measured, by_episode, _view(base[0], shown[0]))


def normalised(maps: np.ndarray) -> np.ndarray:
    """Features scaled to 0..1 by their own least and greatest value; zeros where all are alike.

    Args:
      maps: float32 (C, h, w) of one observation.
    """
    low, high = maps.min(), maps.max()
    return (maps - low) / (high - low) if high > low else np.zeros_like(maps)


def _between_states(base: Sequence[_Seen]) -> float:
    """Mean absolute difference of neighbouring sampled states of the training setting; 0 if there is but one."""
    found = [
        float(np.abs(a - b).mean()) for episode in base for a, b in zip(episode.maps, episode.maps[1:], strict=False)
    ]
    return float(np.mean(found)) if found else 0.0


def _view(train: _Seen, shifted: _Seen) -> View:
    """The last state of an episode, for the picture."""
    one, other = train.maps[-1], shifted.maps[-1]
    return View(
        train_pixels=_newest(train.pixels[-1]),
        shifted_pixels=_newest(shifted.pixels[-1]),
        train_map=_flat(one),
        shifted_map=_flat(other),
        difference=_flat(np.abs(one - other)),
    )


def _newest(pixels: np.ndarray) -> np.ndarray:
    """The last picture of a stack, uint8 (H, W, 3)."""
    return np.ascontiguousarray(pixels[-3:].transpose(1, 2, 0))


def _flat(maps: np.ndarray) -> np.ndarray:
    """The mean over channels; features without a place side by side in a square."""
    if maps.shape[1:] != (1, 1):
        return maps.mean(0)
    side = int(np.ceil(np.sqrt(len(maps))))
    square = np.zeros(side * side, np.float32)
    square[: len(maps)] = maps[:, 0, 0]
    return square.reshape(side, side)
