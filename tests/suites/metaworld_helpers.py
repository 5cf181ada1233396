"""What the tests of the Metaworld suites share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import mujoco
import numpy as np

from harness.assets.store import AssetStore
from harness.suites.domains import metaworld, metaworld_drawerworld

STAND_INS = AssetStore([], allow_stand_ins=True)


def make_metaworld(task: str, size: int = 64, shifts: Iterable = (), profile: str = "fast"):
    return metaworld.make_simulation(task, image_size=size, profile=profile, shifts=tuple(shifts))


def make_drawerworld(task: str, size: int = 100, shifts: Iterable = (), profile: str = "fast"):
    return metaworld_drawerworld.make_simulation(task, image_size=size, profile=profile, shifts=tuple(shifts))


def random_actions(num_steps: int) -> np.ndarray:
    return np.random.RandomState(0).uniform(-1, 1, (num_steps, 4)).astype(np.float32)


def physics(simulation: Any, seed: int, episode: int, actions: np.ndarray) -> tuple:
    """Every state, reward and success of an episode with given actions; exact, so comparable with ==."""
    simulation.begin_episode(seed, episode)
    history = [(simulation.state().tobytes(), simulation.observe_state().tobytes())]
    for action in actions:
        result = simulation.step(action)
        successes = tuple(sorted(simulation.successes().items()))
        history.append((simulation.state().tobytes(), result.reward, result.terminated, successes))
    return tuple(history)


def first_successes(simulation: Any, expert: Any, num_episodes: int, num_steps: int, name: str) -> list[int]:
    """The control step (from 1) of the first success of each episode the expert plays."""
    steps = []
    for episode in range(num_episodes):
        simulation.begin_episode(0, episode)
        for step in range(1, num_steps + 1):
            simulation.step(expert.act(simulation))
            if simulation.successes()[name]:
                steps.append(step)
                break
    return steps


def where(mask: np.ndarray) -> np.ndarray:
    """Mean (row, column) of a mask."""
    assert mask.any()
    return np.argwhere(mask).mean(axis=0)


def green(pixels: np.ndarray) -> np.ndarray:
    """The goal's pixels."""
    red, green, blue = pixels.astype(int).transpose(2, 0, 1)
    return (green > 100) & (green > 2 * red) & (green > 2 * blue)


def project(simulation: Any, point: np.ndarray, size: int) -> np.ndarray:
    """Where a pinhole camera sees a point, (row, column) of an upright picture."""
    camera = simulation.model.camera(simulation.camera).id
    mujoco.mj_camlight(simulation.model, simulation.data)
    x, y, z = simulation.data.cam_xmat[camera].reshape(3, 3).T @ (point - simulation.data.cam_xpos[camera])
    focal = size / 2 / np.tan(np.radians(simulation.model.cam_fovy[camera]) / 2)
    return np.array([(size - 1) / 2 - focal * y / -z, (size - 1) / 2 + focal * x / -z])
