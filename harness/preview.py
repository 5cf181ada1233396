"""What the agent sees: a contact sheet of a suite's tasks and settings, or one task in motion."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.environment import make_env, newest_picture
from harness.errors import UsageError, WorkError
from harness.results.text import escaped

if TYPE_CHECKING:
    from PIL import Image

    from harness.assets.store import AssetStore
    from harness.spec import Suite

MARGIN = 8  # pixels between pictures
SEAM = 2  # pixels between the cameras of one picture
FONT_SIZE = 14  # pixels
PREVIEW_STEPS = 20  # random steps before the picture, so that robot and video have moved
PREVIEW_SEED = 0
STRIP_STEPS = 50
STRIP_FRAME_MSEC = 60  # each picture of a strip is shown this long; GIF counts in 10 ms


def contact_sheet(
    suite: Suite,
    assets: AssetStore,
    *,
    size: int = 168,
    profile: str = "standard",
    tasks: tuple[str, ...] | None = None,
    episode: int = 0,
    save_to: Path | None = None,
) -> Image.Image:
    """Draws every task (rows) in every setting (columns), the training setting first.

    All pictures of a row show the same state: same seed, same actions. Each is the newest picture of the agent's
    own observation, enlarged without smoothing; nothing is drawn at another resolution. A task with several cameras has
    their pictures one below the other, in the agent's order.

    Args:
      suite: the suite's declaration.
      assets: where third-party files are looked up.
      size: height and width of each picture on the sheet, pixels.
      profile: render profile, "standard" or "fast".
      tasks: a choice of the suite's tasks; all if None.
      episode: number of the episode; what shifts draw for it and the start state differ from episode to episode.
      save_to: a PNG file to write as well.
    Returns:
      The sheet, an RGB picture.
    Raises:
      UsageError: for a task that does not exist, a size below the margin's, or a path that is not a `.png`.
      WorkError: if the file cannot be written.
    """
    _check_size(size)
    if save_to is not None and save_to.suffix.lower() != ".png":
        raise UsageError(f"A contact sheet is a PNG file; '{save_to}' does not end in .png.")
    rows = [suite.check_task(task) for task in tasks or suite.tasks]
    columns = [setting.name for setting in suite.all_settings]
    pictures = [[picture(suite, task, name, assets, profile, episode) for name in columns] for task in rows]
    sheet = _layout(pictures, rows, columns, size)
    if save_to is not None:
        with _writing(save_to):
            sheet.save(save_to)
    return sheet


def episode_strip(
    suite: Suite,
    task: str,
    assets: AssetStore,
    *,
    settings: tuple[str, ...] | None = None,
    num_steps: int = STRIP_STEPS,
    size: int = 168,
    profile: str = "standard",
    episode: int = 0,
    save_to: Path,
) -> int:
    """Writes an animated GIF of one task, its settings side by side, the training setting first.

    All settings play the same seed and the same random actions. Each picture is the newest of the agent's own
    observation, enlarged without smoothing; GIF leaves 256 colours to each frame. It stops where the episode does.

    Args:
      suite: the suite's declaration.
      task: one of its tasks.
      assets: where third-party files are looked up.
      settings: names of the settings to show; all if None.
      num_steps: agent steps after the reset.
      size: height and width of each picture, pixels.
      profile: render profile, "standard" or "fast".
      episode: number of the episode.
      save_to: the `.gif` file.
    Returns:
      The number of moments shown: the reset and every step. (In the file, frames that are alike are one, shown longer.)
    Raises:
      UsageError: for a task or setting that does not exist, no setting, less than one step, a size below the margin's,
        or a path that is not a `.gif`.
      WorkError: if the file cannot be written.
    """
    _check_size(size)
    if num_steps < 1:
        raise UsageError(f"A moving preview takes at least 1 step, not {num_steps}.")
    if save_to.suffix.lower() != ".gif":
        raise UsageError(f"A moving preview is a GIF file; '{save_to}' does not end in .gif.")
    suite.check_task(task)
    names = [setting.name for setting in suite.all_settings] if settings is None else list(settings)
    if not names:
        raise UsageError("A moving preview shows at least one setting.")
    chosen = [suite.setting(name).name for name in names]
    episodes = [play(suite, task, name, assets, profile, num_steps, episode) for name in chosen]
    frames = (_layout([row], [task], chosen, size) for row in _side_by_side(episodes))
    with _writing(save_to):
        next(frames).save(save_to, save_all=True, append_images=frames, duration=STRIP_FRAME_MSEC, loop=0)
    return max(map(len, episodes))


def _side_by_side(episodes: list[list[np.ndarray]]) -> Iterator[list[np.ndarray]]:
    """The pictures of each moment. Where one setting ends before the others (other shapes may), its last one stays."""
    for moment in range(max(map(len, episodes))):
        yield [episode[min(moment, len(episode) - 1)] for episode in episodes]


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise WorkError(f"Cannot write '{path}' ({error.strerror or error}).") from error


def picture(suite: Suite, task: str, setting: str, assets: AssetStore, profile: str, episode: int = 0) -> np.ndarray:
    """The agent's newest picture after some seeded random steps, uint8 (N * H, W, 3) for N cameras."""
    return play(suite, task, setting, assets, profile, PREVIEW_STEPS, episode)[-1]


def play(
    suite: Suite, task: str, setting: str, assets: AssetStore, profile: str, num_steps: int, episode: int = 0
) -> list[np.ndarray]:
    """The agent's newest pictures at the reset and after each of up to `num_steps` seeded random steps.

    Returns:
      uint8 (N * H, W, 3) each, N cameras one below the other; fewer than `num_steps + 1` where the episode ends before.
    """
    with contextlib.closing(make_env(suite, task, setting, assets=assets, profile=profile)) as env:
        observation, _ = env.reset(seed=PREVIEW_SEED, options={"episode": episode})
        env.action_space.seed(PREVIEW_SEED)
        pictures = [newest_picture(env, observation)]
        for _ in range(num_steps):
            observation, _, terminated, truncated, _ = env.step(env.action_space.sample())
            pictures.append(newest_picture(env, observation))
            if terminated or truncated:
                break
        return pictures


def _num_views(pixels: np.ndarray) -> int:
    return pixels.shape[0] // pixels.shape[1]  # each is square


def _check_size(size: int) -> None:
    if size < 2 * MARGIN:
        raise UsageError(f"A picture of {size} pixels is too small for a preview; use at least {2 * MARGIN}.")


def _layout(pictures: list[list[np.ndarray]], rows: list[str], columns: list[str], size: int) -> Image.Image:
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(FONT_SIZE)
    left = MARGIN + max(int(font.getlength(name)) for name in rows) + MARGIN
    step = max(size, *(int(font.getlength(name)) for name in columns)) + MARGIN
    heights = [_num_views(shown[0]) * (size + SEAM) - SEAM for shown in pictures]
    y = FONT_SIZE + 2 * MARGIN
    sheet = Image.new("RGB", (left + step * len(columns), y + sum(heights) + MARGIN * len(rows)), "white")
    draw = ImageDraw.Draw(sheet)
    for column, name in enumerate(columns):
        draw.text((left + column * step, MARGIN), escaped(name), fill="black", font=font)
    for name, shown, height in zip(rows, pictures, heights, strict=True):
        draw.text((MARGIN, y + height // 2), escaped(name), fill="black", font=font, anchor="lm")
        for column, pixels in enumerate(shown):
            for number, view in enumerate(np.split(pixels, _num_views(pixels))):
                enlarged = Image.fromarray(view).resize((size, size), Image.Resampling.NEAREST)
                sheet.paste(enlarged, (left + column * step, y + number * (size + SEAM)))
        y += height + MARGIN
    return sheet
