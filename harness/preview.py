"""A contact sheet: what the agent sees in every task and setting of a suite."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.environment import make_env
from harness.errors import UsageError, WorkError

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

    from harness.assets import AssetStore
    from harness.spec import Suite

MARGIN = 8  # pixels between pictures
FONT_SIZE = 14  # pixels
PREVIEW_STEPS = 20  # random steps before the picture, so that robot and video have moved
PREVIEW_SEED = 0


def contact_sheet(
    suite: Suite,
    assets: AssetStore,
    *,
    size: int = 168,
    profile: str = "standard",
    tasks: tuple[str, ...] | None = None,
    save_to: Path | None = None,
) -> Image.Image:
    """Draws every task (rows) in every setting (columns), the training setting first.

    All pictures of a row show the same state: same seed, same actions. Each is the newest picture of the agent's
    own observation, enlarged without smoothing; nothing is drawn at another resolution.

    Args:
      suite: the suite's declaration.
      assets: where third-party files are looked up.
      size: height and width of each picture on the sheet, pixels.
      profile: render profile, "standard" or "fast".
      tasks: a choice of the suite's tasks; all if None.
      save_to: a PNG file to write as well.
    Returns:
      The sheet, an RGB picture.
    Raises:
      UsageError: for a task that does not exist, a size below the margin's, or a path that is not a `.png`.
      WorkError: if the file cannot be written.
    """
    if size < 2 * MARGIN:
        raise UsageError(f"A picture of {size} pixels is too small for a contact sheet; use at least {2 * MARGIN}.")
    if save_to is not None and save_to.suffix.lower() != ".png":
        raise UsageError(f"A contact sheet is a PNG file; '{save_to}' does not end in .png.")
    rows = [suite.check_task(task) for task in tasks or suite.tasks]
    columns = [setting.name for setting in suite.all_settings]
    pictures = [[picture(suite, task, name, assets, profile) for name in columns] for task in rows]
    sheet = _layout(pictures, rows, columns, size)
    if save_to is not None:
        try:
            sheet.save(save_to)
        except OSError as error:
            raise WorkError(f"Cannot write '{save_to}' ({error.strerror or error}).") from error
    return sheet


def picture(suite: Suite, task: str, setting: str, assets: AssetStore, profile: str) -> np.ndarray:
    """The agent's newest picture after some seeded random steps, uint8 (H, W, 3)."""
    env = make_env(suite, task, setting, assets=assets, profile=profile)
    try:
        env.reset(seed=PREVIEW_SEED)
        env.action_space.seed(PREVIEW_SEED)
        for _ in range(PREVIEW_STEPS):
            _, _, terminated, truncated, _ = env.step(env.action_space.sample())
            if terminated or truncated:
                break
        return env.render()
    finally:
        env.close()


def _layout(pictures: list[list[np.ndarray]], rows: list[str], columns: list[str], size: int) -> Image.Image:
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(FONT_SIZE)
    left = MARGIN + max(int(font.getlength(name)) for name in rows) + MARGIN
    step = max(size, *(int(font.getlength(name)) for name in columns)) + MARGIN
    top = FONT_SIZE + 2 * MARGIN
    sheet = Image.new("RGB", (left + step * len(columns), top + (size + MARGIN) * len(rows)), "white")
    draw = ImageDraw.Draw(sheet)
    for column, name in enumerate(columns):
        draw.text((left + column * step, MARGIN), name, fill="black", font=font)
    for row, name in enumerate(rows):
        y = top + row * (size + MARGIN)
        draw.text((MARGIN, y + size // 2), name, fill="black", font=font, anchor="lm")
        for column, pixels in enumerate(pictures[row]):
            enlarged = Image.fromarray(pixels).resize((size, size), Image.Resampling.NEAREST)
            sheet.paste(enlarged, (left + column * step, y))
    return sheet
