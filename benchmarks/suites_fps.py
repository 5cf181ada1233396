"""Agent steps per second in every suite, beside the bare simulator with a bare `mujoco.Renderer`.

Run: `python benchmarks/suites_fps.py [--suite NAME ...]`. For one task of each suite, in the training setting and in
one shifted setting, two loops run side by side in one process, a step each in turn, on the same actions:

* ours: the environment as an agent gets it.
* bare: the simulator's own `step` as often as the action is repeated, then one picture per camera by a
  `mujoco.Renderer` of the picture's size in a buffer of that size. The model is the one the setting compiled and
  painted for the episode; nothing else of the shift is at work, nothing is stacked.

At the end both must be in the same physics state, and in the training setting show the same picture.
A rate is that of a whole episode: median step plus the median reset's share. Then the same in two worker processes:
ours through `gymnasium.make_vec`, which waits for both at every step, and two bare loops that wait for nothing.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

import harness.rendering  # noqa: F401 (first: it chooses the GL backend before mujoco is imported)

# isort: split
import gymnasium
import mujoco
import numpy as np

from harness.assets import AssetStore
from harness.environment import PixelEnv, make_env
from harness.registry import load_suite, suite_names
from harness.spec import Suite

SEED = 0
REQUIRED_OF_BARE = 0.85  # in one process, each suite and setting
NUM_WORKERS = 2
TASKS = {"adroit_distractors": "relocate"}  # three cameras; elsewhere a suite's first task
VECTOR_SUITES = ("video_hard",)  # unless suites are named
CHUNK_STEPS = 5  # of the worker processes, ours and bare in turn
NUM_RESETS = 3


class Bare:
    """The simulator and a renderer over the model of one suite, task and setting.

    Args:
      suite: the suite's declaration.
      task: one of its tasks.
      setting: one of its settings.
      assets: where third-party files are looked up.
    """

    def __init__(self, suite: Suite, task: str, setting: str, assets: AssetStore) -> None:
        twin: Any = make_env(suite, task, setting, assets=assets)  # Any: each domain has fields of its own
        self._twin, self.simulation = twin, twin.simulation
        self._library = self.simulation._env  # dm_control's, Metaworld's or gymnasium-robotics' own environment
        self._cameras = getattr(self.simulation, "cameras", None) or (self.simulation.camera,)
        self._size, self._repeat = suite.protocol.image_size, suite.protocol.action_repeat[task]
        self._renderer: mujoco.Renderer | None = None

    def begin_episode(self) -> None:
        """Sets model and state up as in ours, and makes a fresh renderer of the model as it is then."""
        self._twin.reset(seed=SEED)
        self.simulation.close()  # its own renderer
        vis = self.simulation.model.vis.global_
        vis.offwidth = vis.offheight = self._size
        self._renderer = mujoco.Renderer(self.simulation.model, self._size, self._size)

    def native(self, action: np.ndarray) -> np.ndarray:
        """The action in the simulator's own units."""
        if not hasattr(self.simulation, "_low"):
            return action
        return (action.astype(np.float64) + 1.0) / 2.0 * self.simulation._range + self.simulation._low

    def reset(self) -> list[np.ndarray]:
        self._library.reset()
        return self.pictures()

    def step(self, native_action: np.ndarray) -> list[np.ndarray]:
        for _ in range(self._repeat):
            self._library.step(native_action)
        return self.pictures()

    def pictures(self) -> list[np.ndarray]:
        assert self._renderer is not None  # made by begin_episode()
        drawn = []
        for camera in self._cameras:
            self._renderer.update_scene(self.simulation.data, camera)
            drawn.append(self._renderer.render())
        return drawn

    def close(self) -> None:
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None


@dataclass
class Times:
    """Seconds of resets and of steps, one list entry each."""

    resets: list[float] = field(default_factory=list)
    steps: list[float] = field(default_factory=list)

    def per_step(self, episode_steps: int) -> float:
        """Of a whole episode."""
        return statistics.median(self.steps) + statistics.median(self.resets) / episode_steps


def measure(
    suite: Suite, task: str, setting: str, assets: AssetStore, seconds: float, max_steps: int
) -> tuple[Times, Times]:
    """Times of (ours, bare), stepped in turn for so many seconds within one episode.

    Raises:
      RuntimeError: if the two did not do the same.
    """
    ours, bare = make_env(suite, task, setting, assets=assets), Bare(suite, task, setting, assets)
    ours.action_space.seed(SEED)
    times = (Times(), Times())
    ours.reset(seed=SEED)
    bare.begin_episode()
    pictures = bare.pictures()  # the first picture of a renderer is slow
    end = time.perf_counter() + seconds
    while time.perf_counter() < end and len(times[0].steps) < max_steps:
        action = ours.action_space.sample()
        native = bare.native(action)
        timed(times[0].steps, ours.step, action)
        pictures = timed(times[1].steps, bare.step, native)
    check_same(f"{suite.name} {task} {setting}", ours, bare, pictures if setting == suite.train.name else None)
    for _ in range(NUM_RESETS):  # last, because a bare reset draws other start states
        timed(times[0].resets, ours.reset)
        timed(times[1].resets, bare.reset)
    bare.close()
    ours.close()
    return times


def check_same(what: str, ours: PixelEnv, bare: Bare, pictures: list[np.ndarray] | None) -> None:
    """Compares the states, and the first camera's pictures where given (some suites turn them upside down)."""
    if not np.array_equal(ours.simulation.state(), bare.simulation.state()):
        raise RuntimeError(f"{what}: the bare loop is in another state.")
    if pictures is None:
        return
    if not any(np.array_equal(ours.render(), picture) for picture in (pictures[0], np.flipud(pictures[0]))):
        raise RuntimeError(f"{what}: the bare loop shows another picture.")


def timed(seconds: list[float], function: Callable[..., Any], *args: Any) -> Any:
    start = time.perf_counter()
    result = function(*args)
    seconds.append(time.perf_counter() - start)
    return result


def measure_workers(suite: Suite, task: str, setting: str, assets: str | None, seconds: float) -> tuple[float, float]:
    """Seconds per step of `NUM_WORKERS` environments in as many processes: (ours, bare), resets left out."""
    pipes = [multiprocessing.get_context("spawn").Pipe() for _ in range(NUM_WORKERS)]
    arguments = (suite.name, task, setting, assets)
    workers = [
        multiprocessing.get_context("spawn").Process(target=bare_worker, args=(theirs, *arguments), daemon=True)
        for _, theirs in pipes
    ]
    for worker in workers:
        worker.start()
    envs = gymnasium.make_vec(
        f"harness/{suite.name}-{task}-{setting}-v{suite.version}",
        num_envs=NUM_WORKERS,
        vectorization_mode="async",
        vector_kwargs={"context": "spawn"},
        assets=assets,
    )
    envs.reset(seed=SEED)
    envs.action_space.seed(SEED)
    connections = [ours for ours, _ in pipes]
    for connection in connections:
        connection.recv()  # ready
    ours: list[float] = []
    bare: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        timed(ours, step_environments, envs)
        timed(bare, step_bare_workers, connections)
    envs.close()
    for connection, worker in zip(connections, workers, strict=True):
        connection.send(0)
        worker.join()
    return statistics.median(ours) / CHUNK_STEPS, statistics.median(bare) / CHUNK_STEPS


def step_environments(envs: gymnasium.vector.VectorEnv) -> None:
    for _ in range(CHUNK_STEPS):
        envs.step(envs.action_space.sample())


def step_bare_workers(connections: list[Any]) -> None:
    for connection in connections:
        connection.send(CHUNK_STEPS)
    for connection in connections:
        connection.recv()


def bare_worker(connection: Connection, suite_name: str, task: str, setting: str, assets: str | None) -> None:
    """Takes as many bare steps as it is told, until told 0."""
    suite = load_suite(suite_name)
    bare = Bare(suite, task, setting, AssetStore.from_environment(assets, allow_stand_ins=True))
    bare.begin_episode()
    bare.pictures()
    rng = np.random.default_rng(SEED)
    connection.send(True)
    while num_steps := connection.recv():
        for _ in range(num_steps):
            action = rng.uniform(-1.0, 1.0, bare.simulation.action_size).astype(np.float32)
            bare.step(bare.native(action))
        connection.send(True)
    bare.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--assets", help="folder of third-party files; what is absent has a stand-in")
    parser.add_argument("--suite", nargs="*", choices=suite_names(), help="default: all; workers: video_hard")
    parser.add_argument("--seconds", type=float, default=3.0, help="of stepping per suite and setting, both loops")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # stand-ins; what they hold takes no other time
    assets = AssetStore.from_environment(options.assets, allow_stand_ins=True)
    ratios = []
    print(f"{'suite':<18} {'task':<17} {'setting':<22} {'ours/s':>7} {'bare/s':>7} {'of bare':>8}")
    for name in options.suite or suite_names():
        suite = load_suite(name)
        task = TASKS.get(name, suite.tasks[0])
        protocol = suite.protocol.for_task(task)
        episode_steps = math.ceil(protocol.episode_frames / protocol.action_repeat[task])
        for setting in (suite.train.name, suite.settings[-1].name):
            times = measure(suite, task, setting, assets, options.seconds, episode_steps - 1)
            ours, bare = (t.per_step(episode_steps) for t in times)
            ratios.append(bare / ours)
            print(f"{name:<18} {task:<17} {setting:<22} {1 / ours:7.1f} {1 / bare:7.1f} {ratios[-1]:8.1%}", flush=True)
    print(f"{NUM_WORKERS} worker processes, steps of all:")
    for name in options.suite or VECTOR_SUITES:
        suite = load_suite(name)
        task, setting = TASKS.get(name, suite.tasks[0]), suite.train.name
        seconds = measure_workers(suite, task, setting, options.assets, options.seconds)
        ours, bare = (NUM_WORKERS / each for each in seconds)
        print(f"{name:<18} {task:<17} {setting:<22} {ours:7.1f} {bare:7.1f} {ours / bare:8.1%}", flush=True)
    passed = min(ratios) >= REQUIRED_OF_BARE
    print(f"required in one process: {REQUIRED_OF_BARE:.0%} of bare each: {'ok' if passed else 'MISSED'}")
    raise SystemExit(0 if passed else 1)


if __name__ == "__main__":
    main()
