"""Pictures of a task to train an encoder on: a quarter each of an expert, of it with little and with much noise, and
of random actions (Shah & Kumar 2021, section 7.7, which does not say how much noise that is).
"""

from __future__ import annotations

import importlib
import io
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.environment import PixelEnv, make_env
from harness.errors import UsageError
from harness.files import disk_errors, write_bytes

if TYPE_CHECKING:
    from harness.assets.store import AssetStore
    from harness.spec import Suite

# Widest uniform noise on each number of the expert's action; None: the expert has no say. Our choice.
MANNERS: tuple[float | None, ...] = (0.0, 0.25, 1.0, None)

Resize = Callable[[np.ndarray], np.ndarray]


def load_expert(suite: Suite, task: str, store: AssetStore) -> Any:
    """Who plays.

    Raises:
      UsageError: if nobody does in this suite.
      MissingAssetError: if the expert's file is absent.
    """
    hook = getattr(importlib.import_module(suite.domain), "expert", None)
    if hook is None:
        raise UsageError(f"Nothing plays the tasks of {suite.name}: its domain offers no expert for them.")
    return hook(suite.check_task(task), store)


def collect_pictures(
    suite: Suite,
    task: str,
    expert: Any,
    num: int,
    folder: Path,
    resize: Resize,
    *,
    store: AssetStore,
    seed: int,
    profile: str = "standard",
) -> Iterator[Path]:
    """Plays numbered episodes in the training setting, in every manner in turn, until each has its quarter.

    An episode's file is there or not, and depends on nothing but `seed` and its number: where the work was stopped, it
    goes on with the first that is missing.

    Args:
      suite, task: what is shown.
      expert: as `load_expert` gives it.
      num: how many pictures, at least; whole episodes are kept.
      folder: of the files.
      resize: uint8 (N, 3, S, S) to what is kept of them, uint8 (N, 3, h, w).
      store: third-party files of the suite.
      seed: of the episodes and of noise.
      profile: render profile.
    Yields:
      One `.npy` file per episode, in the order of their numbers.
    Raises:
      WorkError: if the disk is full or cannot be written.
    """
    have, number = [0] * len(MANNERS), 0
    with closing(make_env(suite, task, suite.train, assets=store, profile=profile)) as env:
        while min(have) * len(MANNERS) < num:
            manner = number % len(MANNERS)
            if have[manner] * len(MANNERS) < num:
                path = folder / f"episode{number:06d}.npy"
                if not path.is_file():
                    _write(path, resize(_play(env, expert, manner, seed, number)))
                have[manner] += len(np.load(path, mmap_mode="r", allow_pickle=False))
                yield path
            number += 1


def _play(env: PixelEnv, expert: Any, manner: int, seed: int, number: int) -> np.ndarray:
    """Every picture of an episode, uint8 (N, 3, S, S): of each camera, before each action."""
    rng = np.random.default_rng((seed, number))
    observation, _ = env.reset(seed=seed, options={"episode": number})
    seen, over = [_newest(env, observation)], False
    while not over:
        observation, _, terminated, truncated, _ = env.step(_action(env, expert, MANNERS[manner], rng))
        over = terminated or truncated
        seen.append(_newest(env, observation))
    return np.concatenate(seen[:-1])


def _action(env: PixelEnv, expert: Any, noise: float | None, rng: np.random.Generator) -> np.ndarray:
    shape = env.action_space.shape
    if noise is None:
        return rng.uniform(-1.0, 1.0, shape).astype(np.float32)
    action = np.asarray(expert.act(env.simulation)) + noise * rng.uniform(-1.0, 1.0, shape)
    return np.clip(action, -1.0, 1.0).astype(np.float32)


def _newest(env: PixelEnv, observation: Any) -> np.ndarray:
    """The newest picture of each camera, uint8 (cameras, 3, S, S); a copy."""
    pixels = observation["pixels"] if isinstance(observation, dict) else observation
    cameras = env.simulation.num_cameras
    return pixels[-3 * cameras :].reshape(cameras, 3, *pixels.shape[1:]).copy()


def _write(path: Path, pictures: np.ndarray) -> None:
    buffer = io.BytesIO()
    np.save(buffer, pictures)
    with disk_errors(str(path)):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, buffer.getvalue())
