"""Agent steps per second in every suite, beside the bare simulator with a bare `mujoco.Renderer`.

Run: `python benchmarks/suites_fps.py [--suite NAME ...]`. For one task of each suite, in the training setting and in
one shifted setting, two loops run side by side in one process, a step each in turn, on the same actions:

* ours: the environment as an agent gets it.
* bare: the simulator's own `step` as often as the action is repeated, then one picture per camera by a
  `mujoco.Renderer` of the picture's size in a buffer of that size. The model is the one the setting compiled and
  painted for the episode; nothing else of the shift is at work, nothing is stacked.

At the end both must be in the same physics state, and in the training setting show the same picture.
A rate is that of a whole episode: the mean step (slow and fast outliers left out) plus the median reset's share. What
is kept on disk after it was decoded once, such as videos at the picture's size, is there before resets are timed.

Where the setting moves a texture of the scene, that bare loop shows a still of another scene. The last column is the
ratio to one that shows the same scene: it also calls MuJoCo's own `mjr_uploadTexture` whenever the picture in ours
changed. (Decoding the video is not in it.) The verdict is on that ratio there, and on the plain one everywhere else;
how many would miss by the plain one is told as well.

Then the same in two worker processes, in the training setting: ours through Gymnasium's `AsyncVectorEnv`, which waits
for both at every step, and two bare loops in the same processes that wait for nothing. Exit status 1 if a ratio is too
low.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import harness.rendering.renderer  # first: it chooses the GL backend before mujoco is imported

# isort: split
import gymnasium
import mujoco
import numpy as np

from harness.assets import videos
from harness.assets.store import AssetStore
from harness.environment import PixelEnv, make_env
from harness.registry import load_suite, suite_names
from harness.rendering.cube_texture import CubePicture
from harness.spec import Suite

SEED = 0
REQUIRED_OF_BARE = 0.85  # each suite and setting in one process, each suite in workers
NUM_WORKERS = 2
STUCK_SEC = 120.0  # a worker that does not answer for so long never will
TASKS = {"adroit_distractors": "relocate"}  # three cameras; elsewhere a suite's first task
WHOLE_EPISODES = {"distracting_cs"}  # whose videos come round again, so that later steps are cheaper than early ones
MIN_STEPS = 20  # of each loop, however slow
CHUNK_STEPS = 5  # of the worker processes, ours and bare in turn
MIN_CHUNKS = 7
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
        self.pictures()  # the first one is slow

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

    def upload(self, texture: int, picture: CubePicture) -> None:
        """Shows another picture as MuJoCo's users do."""
        assert self._renderer is not None
        harness.rendering.renderer.set_texture(self.simulation.model, texture, picture.pixels)
        self._renderer._gl_context.make_current()
        mujoco.mjr_uploadTexture(self.simulation.model, self._renderer._mjr_context, texture)

    def close(self) -> None:
        self._twin.close()
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None


@dataclass
class Times:
    """Seconds of resets, of steps and of uploads, one list entry each."""

    resets: list[float] = field(default_factory=list)
    steps: list[float] = field(default_factory=list)
    uploads: list[float] = field(default_factory=list)

    def per_step(self, episode_steps: int) -> float:
        """Of a whole episode."""
        return steady_mean(self.steps) + statistics.median(self.resets) / episode_steps

    def upload_per_step(self) -> float:
        return statistics.median(self.uploads) * len(self.uploads) / len(self.steps) if self.uploads else 0.0


def steady_mean(seconds: list[float], chunk: int = 20) -> float:
    """The mean of the middle halves of consecutive chunks: follows slow changes, but not what else the machine did.

    Args:
      seconds: at least one.
      chunk: entries per chunk, the last one may have up to twice as many.
    """
    parts = np.array_split(seconds, max(1, len(seconds) // chunk))
    middles = [np.sort(part)[len(part) // 4 : len(part) - len(part) // 4] for part in parts]
    return float(np.average([middle.mean() for middle in middles], weights=[len(part) for part in parts]))


def measure(
    suite: Suite, task: str, setting: str, assets: AssetStore, seconds: float, max_steps: int
) -> tuple[Times, Times]:
    """Times of (ours, bare), stepped in turn for so many seconds within one episode.

    Raises:
      RuntimeError: if the two did not do the same.
    """
    ours, bare = make_env(suite, task, setting, assets=assets), Bare(suite, task, setting, assets)
    shown = note_shown(ours)
    ours.action_space.seed(SEED)
    times = (Times(), Times())
    ours.reset(seed=SEED)
    bare.begin_episode()
    pictures = bare.pictures()
    end = time.perf_counter() + seconds
    for num_steps in range(max_steps):
        if num_steps >= MIN_STEPS and time.perf_counter() > end:
            break
        action = ours.action_space.sample()
        native = bare.native(action)
        shown.clear()
        timed(times[0].steps, ours.step, action)
        pictures = timed(times[1].steps, bare.step, native)
        for texture, picture in shown.items():
            timed(times[1].uploads, bare.upload, texture, picture)
    check_same(f"{suite.name} {task} {setting}", ours, bare, pictures if setting == suite.train.name else None)
    measure_resets(ours, bare, times)
    bare.close()
    ours.close()
    return times


def note_shown(env: PixelEnv) -> dict[int, CubePicture]:
    """A dictionary that gets the newest picture of each texture whenever a shift shows one in the scene."""
    shown: dict[int, CubePicture] = {}
    simulation: Any = env.simulation
    if show := getattr(simulation, "show", None):

        def show_and_note(texture: int, picture: CubePicture) -> None:
            shown[texture] = picture
            show(texture, picture)

        simulation.show = show_and_note
    return shown


def measure_resets(ours: PixelEnv, bare: Bare, times: tuple[Times, Times]) -> None:
    """Last of all, because a bare reset draws other start states."""
    episodes = range(1, 1 + NUM_RESETS)
    for episode in episodes:  # now what they read is in the cache on disk
        ours.reset(options={"episode": episode})
    videos.forget()
    for episode in episodes:
        timed(times[0].resets, partial(ours.reset, options={"episode": episode}))
        timed(times[1].resets, bare.reset)


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


class BesideBare(gymnasium.Wrapper[Any, Any, Any, Any]):
    """A registered environment with a bare loop in the same process; the bare one is made when first asked for.

    Args:
      suite: name of a suite.
      task: one of its tasks.
      assets: folder of third-party files, or None.
    """

    def __init__(self, suite: str, task: str, assets: str | None) -> None:
        import harness  # noqa: F401 (registers the ids)

        warnings.simplefilter("ignore")
        self._suite, self._task = load_suite(suite), task
        self._assets = assets
        self._bare: Bare | None = None
        self._num_steps = 0
        self._rng = np.random.default_rng(SEED)
        setting = self._suite.train.name
        name = f"harness/{suite}-{task}-{setting}-v{self._suite.version}"
        super().__init__(gymnasium.make(name, assets=assets))

    def bare_steps(self, num_steps: int) -> None:
        """Takes random steps in the bare loop."""
        if self._bare is None:
            store = AssetStore.from_environment(self._assets, allow_stand_ins=True)
            self._bare = Bare(self._suite, self._task, self._suite.train.name, store)
            self._bare.begin_episode()
        for _ in range(num_steps):
            self._num_steps += 1
            if self._num_steps % (steps_of_episode(self._suite, self._task) - 1) == 0:
                self._bare.reset()  # Metaworld refuses to go on for ever
            action = self._rng.uniform(-1.0, 1.0, self._bare.simulation.action_size)
            self._bare.step(self._bare.native(action.astype(np.float32)))


def measure_workers(suite: Suite, task: str, assets: str | None, seconds: float) -> tuple[float, float]:
    """Seconds per step of `NUM_WORKERS` environments in as many processes: (ours, bare), resets left out.

    Raises:
      multiprocessing.TimeoutError: if a worker is stuck.
      EOFError: if a worker died.
    """
    makers = [partial(BesideBare, suite.name, task, assets)] * NUM_WORKERS
    envs = gymnasium.vector.AsyncVectorEnv(makers, context="spawn")
    try:
        envs.action_space.seed(SEED)
        envs.reset_async(seed=SEED)
        envs.reset_wait(timeout=STUCK_SEC)
        ours: list[float] = []
        bare: list[float] = []
        step_bare_loops(envs, 1)
        end = time.perf_counter() + seconds
        while time.perf_counter() < end or len(ours) < MIN_CHUNKS:
            timed(ours, step_environments, envs, CHUNK_STEPS)
            timed(bare, step_bare_loops, envs, CHUNK_STEPS)
    finally:
        stop(envs)
    return statistics.median(ours) / CHUNK_STEPS, statistics.median(bare) / CHUNK_STEPS


def stop(envs: gymnasium.vector.AsyncVectorEnv) -> None:
    """Ends the workers; Gymnasium's own `close` first waits for answers, which a dead worker does not give."""
    for process in envs.processes:
        process.terminate()
    for process in envs.processes:
        process.join()
    for pipe in envs.parent_pipes:
        pipe.close()
    envs.closed = True


def step_environments(envs: gymnasium.vector.AsyncVectorEnv, num_steps: int) -> None:
    for _ in range(num_steps):
        envs.step_async(envs.action_space.sample())
        envs.step_wait(timeout=STUCK_SEC)


def step_bare_loops(envs: gymnasium.vector.AsyncVectorEnv, num_steps: int) -> None:
    envs.call_async("bare_steps", num_steps)
    envs.call_wait(timeout=STUCK_SEC)


def steps_of_episode(suite: Suite, task: str) -> int:
    protocol = suite.protocol.for_task(task)
    return math.ceil(protocol.episode_frames / protocol.action_repeat[task])


def report_one_process(names: list[str], assets: AssetStore, seconds: float) -> tuple[list[float], list[float]]:
    """Prints a line per suite and setting; returns the ratios to bare, and to bare with its uploads."""
    print(f"{'one process':<36} {'setting':<22} {'ours/s':>7} {'bare/s':>7} {'of bare':>8} {'+ upload':>8}")
    plain, same_scene = [], []
    for name in names:
        suite = load_suite(name)
        task = TASKS.get(name, suite.tasks[0])
        steps = steps_of_episode(suite, task)
        for setting in (suite.train.name, suite.settings[-1].name):
            whole = name in WHOLE_EPISODES and setting != suite.train.name
            times = measure(suite, task, setting, assets, math.inf if whole else seconds, steps - 1)
            ours, bare = (t.per_step(steps) for t in times)
            upload = times[1].upload_per_step()
            plain.append(bare / ours)
            same_scene.append((bare + upload) / ours)
            fair = f"{same_scene[-1]:8.1%}" if upload else ""
            line = f"{name:<18} {task:<17} {setting:<22} {1 / ours:7.1f} {1 / bare:7.1f} {plain[-1]:8.1%} {fair}"
            print(line.rstrip(), flush=True)
    return plain, same_scene


def report_workers(names: list[str], assets: str | None, seconds: float) -> list[float]:
    """Prints a line per suite; returns the ratios to bare."""
    print(f"{f'{NUM_WORKERS} workers, steps of all':<36} {'setting':<22} {'ours/s':>7} {'bare/s':>7} {'of bare':>8}")
    ratios = []
    for name in names:
        suite = load_suite(name)
        task = TASKS.get(name, suite.tasks[0])
        ours, bare = measure_workers(suite, task, assets, seconds)
        ratios.append(bare / ours)
        rates = f"{NUM_WORKERS / ours:7.1f} {NUM_WORKERS / bare:7.1f} {ratios[-1]:8.1%}"
        print(f"{name:<18} {task:<17} {suite.train.name:<22} {rates}", flush=True)
    return ratios


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--assets", help="folder of third-party files; what is absent has a stand-in")
    parser.add_argument("--suite", nargs="*", choices=suite_names(), help="default: all")
    parser.add_argument("--seconds", type=float, default=2.0, help="of stepping per suite and setting, both loops")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # stand-ins; what they hold takes no other time
    os.environ["PYTHONWARNINGS"] = "ignore"  # in the workers, too
    start = time.perf_counter()
    names = options.suite or suite_names()
    store = AssetStore.from_environment(options.assets, allow_stand_ins=True)
    plain, same_scene = report_one_process(names, store, options.seconds)
    workers = report_workers(names, options.assets, options.seconds)
    low, low_plain = (sum(r < REQUIRED_OF_BARE for r in (*ratios, *workers)) for ratios in (same_scene, plain))
    verdict = "ok" if not low else f"MISSED by {low} of {len(plain) + len(workers)}"
    print(f"required: {REQUIRED_OF_BARE:.0%} of bare showing the same scene, each: {verdict}")
    print(f"below it when bare never uploads: {low_plain} ({time.perf_counter() - start:.0f} s)")
    raise SystemExit(1 if low else 0)


if __name__ == "__main__":
    main()
