"""Pictures per second of the video_hard environment, beside the published way of making them and beside bare MuJoCo.

Run: `python benchmarks/environment_fps.py` with the hard videos in `--assets` or `$HARNESS_ASSETS`. The three run side
by side in one process, a block of steps each in turn, on the same actions; the pictures of the first two are compared.

* published: what DMC-GB's wrappers do, written plainly: a 640x480 off-screen buffer, the video resized picture by
  picture, a Python loop over pixels for the key.
* bare: the same physics and `mujoco.Renderer` on the same scene, and nothing else.
"""

from __future__ import annotations

import argparse
import colorsys
import statistics
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import harness.rendering  # noqa: F401 (first: it chooses the GL backend before mujoco is imported)

# isort: split
import mujoco
import numpy as np
import torch
from dm_control import suite as dm_suite
from PIL import Image

from harness.assets import AssetStore
from harness.environment import make_env
from harness.video import decode
from suites.domains.dmcontrol import edit_assets
from suites.shifts.video import VideoBackground
from suites.video_hard import SUITE

SIZE, REPEAT, SEED = 84, 2, 0
REQUIRED_OVER_PUBLISHED = 2.0  # times the pictures per second
REQUIRED_OF_BARE = 0.9


class PublishedVideo:
    """DMC-GB's video setting, step by step as its wrappers do it (no attempt at speed).

    Args:
      task: `domain_task`.
      colors: the green screen, by the names of DMC-GB's settings.
      videos: raw frames of the videos in the order they are shown, each uint8 (N, H, W, 3); none for a setting without.
      seed: of the start states.
    """

    def __init__(self, task: str, colors: Mapping[str, Sequence[float]], videos: list[np.ndarray], seed: int) -> None:
        self.domain, _, name = task.rpartition("_")
        self.env = dm_suite.load(self.domain, name, task_kwargs={"random": seed, "time_limit": 1e6})
        self.colors = colors
        self.videos = videos
        self.index = -1
        self.step_count = 0
        self.stack: deque[np.ndarray] = deque(maxlen=3)
        self.renderer: mujoco.Renderer | None = None

    def reset(self) -> np.ndarray:
        """Takes the next video, reloads the physics with the green screen, resets, and fills the stack."""
        self.index = (self.index + 1) % max(len(self.videos), 1)
        self.step_count = 0
        module = getattr(dm_suite, self.domain)
        xml, assets = module.get_model_and_assets()
        self.close()
        self.env.physics.reload_from_xml_string(xml, assets=edit_assets(assets, self.colors))
        self.env.reset()
        # dm_control's own renderer gives the same bytes but must not share a process with other GL contexts.
        self.renderer = mujoco.Renderer(self.env.physics.model.ptr, SIZE, SIZE)
        self.stack.extend([self._picture()] * 3)
        return np.concatenate(self.stack)

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float]:
        reward = float(sum(self.env.step(action).reward for _ in range(REPEAT)))
        self.step_count += 1
        self.stack.append(self._picture())
        return np.concatenate(self.stack), reward

    def close(self) -> None:
        if self.renderer is not None:
            self.renderer.close()
            self.renderer = None

    def _picture(self) -> np.ndarray:
        assert self.renderer is not None  # made by reset()
        self.renderer.update_scene(self.env.physics.data.ptr, 0)
        pixels = self.renderer.render()
        if self.videos:
            video = self.videos[self.index]
            background = published_resize(video[self.step_count % len(video)])
            pixels = replace_green(pixels, background)
        return pixels.transpose(2, 0, 1)


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


class Bare:
    """The same physics and the same scene, drawn by `mujoco.Renderer` into a buffer of the picture's size."""

    def __init__(self, published: PublishedVideo, task: str) -> None:
        domain, _, name = task.rpartition("_")
        self.env = dm_suite.load(domain, name, task_kwargs={"random": SEED, "time_limit": 1e6})
        np.copyto(self.env.physics.model.ptr.tex_data, published.env.physics.model.ptr.tex_data)
        self.env.reset()
        vis = self.env.physics.model.ptr.vis.global_
        vis.offwidth = vis.offheight = SIZE
        self.renderer = mujoco.Renderer(self.env.physics.model.ptr, SIZE, SIZE)

    def step(self, action: np.ndarray) -> np.ndarray:
        for _ in range(REPEAT):
            self.env.step(action)
        self.renderer.update_scene(self.env.physics.data.ptr, 0)
        return self.renderer.render()


def measure(task: str, assets: AssetStore, video: np.ndarray, num_steps: int, rounds: int) -> tuple[float, ...]:
    """Median seconds per agent step of (ours, published, bare).

    Raises:
      RuntimeError: if ours and the published way differ in a byte.
    """
    ours = make_env(SUITE, task, "video_hard", assets=assets)
    published = PublishedVideo(task, VideoBackground("hard").colors, [video], SEED)
    first, _ = ours.reset(seed=SEED)
    check_equal(task, first, published.reset())
    bare = Bare(published, task)
    ours.action_space.seed(SEED)
    times: tuple[list[float], ...] = ([], [], [])
    for _ in range(rounds):
        actions = [ours.action_space.sample() for _ in range(num_steps)]
        seen = [timed(times[0], lambda a=a: ours.step(a)) for a in actions]  # type: ignore[misc]
        reference = [timed(times[1], lambda a=a: published.step(a)) for a in actions]  # type: ignore[misc]
        for action in actions:
            timed(times[2], lambda a=action: bare.step(a))  # type: ignore[misc]
        for mine, theirs in zip(seen, reference, strict=True):
            check_equal(task, mine[0], theirs[0])
    for closable in (ours, published, bare.renderer):
        closable.close()
    return tuple(statistics.median(block) for block in times)


def timed(times: list[float], function: Callable[[], Any]) -> Any:
    start = time.perf_counter()
    result = function()
    times.append(time.perf_counter() - start)
    return result


def check_equal(task: str, ours: np.ndarray, published: np.ndarray) -> None:
    if not np.array_equal(ours, published):
        raise RuntimeError(f"{task}: {np.sum(ours != published)} values differ from the published way.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--assets", help="folder of third-party files")
    parser.add_argument("--task", nargs="*", default=SUITE.tasks, choices=SUITE.tasks)
    parser.add_argument("--steps", type=int, default=10, help="agent steps per block")
    parser.add_argument("--rounds", type=int, default=6, help="blocks of each")
    options = parser.parse_args()
    torch.set_num_threads(1)
    assets = AssetStore.from_environment(options.assets, allow_stand_ins=False)
    video = decode(next(path for path in assets.find("video_hard").files if path.stem == "video1"))
    print(f"{'task':<18} {'ours/s':>7} {'published/s':>11} {'bare/s':>7} {'over published':>14} {'of bare':>8}")
    passed = True
    for task in options.task:
        ours, published, bare = measure(task, assets, video, options.steps, options.rounds)
        passed &= published / ours >= REQUIRED_OVER_PUBLISHED and bare / ours >= REQUIRED_OF_BARE
        rates = f"{1 / ours:7.1f} {1 / published:11.1f} {1 / bare:7.1f}"
        print(f"{task:<18} {rates} {published / ours:13.2f}x {bare / ours:8.1%}", flush=True)
    verdict = "ok" if passed else "MISSED"
    print(f"required: {REQUIRED_OVER_PUBLISHED}x published, {REQUIRED_OF_BARE:.0%} of bare: {verdict}")
    raise SystemExit(0 if passed else 1)


if __name__ == "__main__":
    main()
