"""Pictures per second of the video_hard environment, beside the published way of making them and beside bare MuJoCo.

Run: `python -m benchmarks.environment_fps` with the hard videos in `--assets` or `$HARNESS_ASSETS`. The three take a
step each in turn, on the same actions, and each is timed where it runs; the pictures of the first two are compared. A
rate is that of a whole episode of 500 steps: median step plus a 500th of the median reset.

* published: what DMC-GB's wrappers do, written plainly: per episode the physics reloaded and the video decoded;
  `physics.render` into its 640x480 off-screen buffer, the video resized picture by picture, a Python loop over pixels
  for the key. It has a process of its own, because dm_control's renderer must not share one with other GL contexts.
* bare: the same physics and `mujoco.Renderer` on the same scene, and nothing else. Where drawing is the greater part,
  as with software GL, "bare over published" is what no environment with the same pictures can exceed by much.
"""

from __future__ import annotations

import argparse
import colorsys
import multiprocessing
import statistics
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import harness.rendering.renderer  # noqa: F401 (first: it chooses the GL backend before mujoco is imported)

# isort: split
import mujoco
import numpy as np
import torch
from dm_control import suite as dm_suite
from PIL import Image

from harness.assets.store import AssetStore
from harness.assets.videos import decode, load_video
from harness.environment import make_env
from harness.suites.domains.dmcontrol import edit_assets
from harness.suites.shifts.video import VideoBackground
from harness.suites.video_hard import SUITE

SIZE, REPEAT, SEED = 84, 2, 0
EPISODE_STEPS = 500
REQUIRED_OVER_PUBLISHED = 2.0  # times the pictures per second
REQUIRED_OF_BARE = 0.9


class PublishedVideo:
    """DMC-GB's video setting, step by step as its wrappers do it (no attempt at speed).

    Args:
      task: `domain_task`.
      colors: the green screen, by the names of DMC-GB's settings.
      videos: files in the order they are shown.
      seed: of the start states.
    """

    def __init__(self, task: str, colors: Mapping[str, Sequence[float]], videos: list[Path], seed: int) -> None:
        self.domain, _, name = task.rpartition("_")
        self.env = dm_suite.load(self.domain, name, task_kwargs={"random": seed, "time_limit": 1e6})
        self.colors = colors
        self.videos = videos
        self.index = -1
        self.video = np.empty((0, SIZE, SIZE, 3), np.uint8)
        self.step_count = 0
        self.stack: deque[np.ndarray] = deque(maxlen=3)

    def reset(self) -> np.ndarray:
        """Takes the next video, reloads the physics with the green screen, resets, and fills the stack."""
        self.index = (self.index + 1) % len(self.videos)
        self.video = decode(self.videos[self.index])
        self.step_count = 0
        module = getattr(dm_suite, self.domain)
        xml, assets = module.get_model_and_assets()
        self.env.physics.reload_from_xml_string(xml, assets=edit_assets(assets, self.colors))
        self.env.reset()
        self.stack.extend([self._picture()] * 3)
        return np.concatenate(self.stack)

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float]:
        reward = float(sum(self.env.step(action).reward for _ in range(REPEAT)))
        self.step_count += 1
        self.stack.append(self._picture())
        return np.concatenate(self.stack), reward

    def _picture(self) -> np.ndarray:
        background = published_resize(self.video[self.step_count % len(self.video)])
        return replace_green(self.draw(), background).transpose(2, 0, 1)

    def draw(self) -> np.ndarray:
        """The scene as it is now, uint8 (SIZE, SIZE, 3)."""
        return self.env.physics.render(SIZE, SIZE, camera_id=0)


def published_resize(frame: np.ndarray) -> np.ndarray:
    """One frame, uint8 (H, W, 3), to uint8 (SIZE, SIZE, 3)."""
    picture = torch.from_numpy(np.moveaxis(frame, -1, 0)).float().unsqueeze(0) / 255.0
    picture = torch.nn.functional.interpolate(picture, size=(SIZE, SIZE), mode="bilinear", align_corners=False)
    return (picture * 255.0).byte().squeeze(0).permute(1, 2, 0).numpy()


def replace_green(pixels: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Replaces pixels of hue 100..185 degrees, saturation 80..255 and value 70..255, one at a time, through Pillow."""
    picture = Image.fromarray(pixels).convert("RGBA")
    target: Any = picture.load()
    source: Any = Image.fromarray(background).convert("RGBA").load()
    for x in range(SIZE):
        for y in range(SIZE):
            r, g, b, _ = target[x, y]
            hue, saturation, value = colorsys.rgb_to_hsv(r / 255.0, g / 255.0, b / 255.0)
            if 100 <= hue * 360 <= 185 and 80 <= saturation * 255 <= 255 and 70 <= value * 255 <= 255:
                target[x, y] = source[x, y]
    return np.array(picture)[..., :3]


def serve(pipe: Connection, task: str, videos: list[Path]) -> None:
    """The published way's process: answers an action, or None for a reset, with (seconds, observation)."""
    torch.set_num_threads(1)
    published = PublishedVideo(task, VideoBackground("hard").colors, videos, SEED)
    while not isinstance(action := pipe.recv(), str):
        start = time.perf_counter()
        observation = published.reset() if action is None else published.step(action)[0]
        pipe.send((time.perf_counter() - start, observation))


class Bare:
    """The same physics and the same scene, drawn by `mujoco.Renderer` into a buffer of the picture's size."""

    def __init__(self, task: str) -> None:
        domain, _, name = task.rpartition("_")
        self.env = dm_suite.load(domain, name, task_kwargs={"random": SEED, "time_limit": 1e6})
        xml, assets = getattr(dm_suite, domain).get_model_and_assets()
        self.env.physics.reload_from_xml_string(xml, assets=edit_assets(assets, VideoBackground("hard").colors))
        self.env.reset()
        vis = self.env.physics.model.ptr.vis.global_
        vis.offwidth = vis.offheight = SIZE
        self.renderer = mujoco.Renderer(self.env.physics.model.ptr, SIZE, SIZE)

    def close(self) -> None:
        self.renderer.close()

    def step(self, action: np.ndarray) -> np.ndarray:
        for _ in range(REPEAT):
            self.env.step(action)
        self.renderer.update_scene(self.env.physics.data.ptr, 0)
        return self.renderer.render()


@dataclass
class Times:
    """Seconds of resets and of steps, one list entry each."""

    resets: list[float] = field(default_factory=list)
    steps: list[float] = field(default_factory=list)

    def per_step(self) -> float:
        """Of a whole episode."""
        reset = statistics.median(self.resets) / EPISODE_STEPS if self.resets else 0.0
        return statistics.median(self.steps) + reset


def measure(task: str, assets: AssetStore, videos: list[Path], num_steps: int) -> tuple[Times, Times, Times]:
    """Times of (ours, published, bare), one episode per video.

    Raises:
      RuntimeError: if ours and the published way differ in a byte.
    """
    context = multiprocessing.get_context("spawn")
    pipe, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs, task, videos), daemon=True)
    process.start()
    ours = make_env(SUITE, task, "video_hard", assets=assets)
    ours.reset(seed=SEED)  # the one slow reset: the renderer is made
    ours.action_space.seed(SEED)
    times = (Times(), Times(), Times())
    for episode, video in enumerate(videos):
        load_video(video, SIZE)  # decoded and resized once in the life of the cache folder
        first, _ = timed(times[0].resets, ours.reset, seed=SEED, options={"episode": episode})
        check_equal(task, first, asked(times[1].resets, pipe, None))
        bare = Bare(task)
        for _ in range(num_steps):
            action = ours.action_space.sample()
            observation, *_ = timed(times[0].steps, ours.step, action)
            check_equal(task, observation, asked(times[1].steps, pipe, action))
            timed(times[2].steps, bare.step, action)
        bare.close()
    ours.close()
    pipe.send("done")
    process.join()
    return times


def asked(seconds: list[float], pipe: Connection, action: np.ndarray | None) -> np.ndarray:
    """What the published way's process answers.

    Raises:
      EOFError: if it died.
    """
    pipe.send(action)
    elapsed, observation = pipe.recv()
    seconds.append(elapsed)
    return observation


def timed(seconds: list[float], function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    start = time.perf_counter()
    result = function(*args, **kwargs)
    seconds.append(time.perf_counter() - start)
    return result


def check_equal(task: str, ours: np.ndarray, published: np.ndarray) -> None:
    if not np.array_equal(ours, published):
        raise RuntimeError(f"{task}: {np.sum(ours != published)} values differ from the published way.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--assets", help="folder of third-party files")
    parser.add_argument("--task", nargs="*", default=SUITE.tasks, choices=SUITE.tasks)
    parser.add_argument("--steps", type=int, default=30, help="agent steps per episode")
    parser.add_argument("--episodes", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    assets = AssetStore.from_environment(options.assets, allow_stand_ins=False)
    videos = [assets.find("video_hard").files[n] for n in range(1, 1 + options.episodes)]
    print(
        f"{'task':<18} {'ours/s':>7} {'published/s':>11} {'bare/s':>7}   ours over published   bare over it   of bare"
    )
    over, floor = [], []
    for task in options.task:
        ours, published, bare = (t.per_step() for t in measure(task, assets, videos, options.steps))
        over.append(published / ours)
        floor.append(published / bare)
        rates = f"{1 / ours:7.1f} {1 / published:11.1f} {1 / bare:7.1f}"
        print(f"{task:<18} {rates} {over[-1]:20.2f}x {floor[-1]:13.2f}x {over[-1] / floor[-1]:9.1%}", flush=True)
    mean_over, mean_floor = statistics.geometric_mean(over), statistics.geometric_mean(floor)
    print(f"{'geometric mean':<46} {mean_over:20.2f}x {mean_floor:13.2f}x {mean_over / mean_floor:9.1%}")
    least = min(a / b for a, b in zip(over, floor, strict=True))
    passed = mean_over >= REQUIRED_OVER_PUBLISHED and least >= REQUIRED_OF_BARE
    verdict = "ok" if passed else "MISSED"
    print(f"required: {REQUIRED_OVER_PUBLISHED}x published on average, {REQUIRED_OF_BARE:.0%} of bare each: {verdict}")
    raise SystemExit(0 if passed else 1)


if __name__ == "__main__":
    main()
