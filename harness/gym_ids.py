"""Gymnasium ids of every suite x task x setting, so that `gymnasium.make` works in any other library.

`harness/<suite>-<task>-<setting>-v<version>`; where a suite has one shifted setting, `harness/<suite>-<task>-v<n>`
means that one. `import harness` is enough, before or after Gymnasium is imported; so is the id
`harness:harness/<suite>-<task>-v<n>` where only a string can be given.
"""

from __future__ import annotations

from collections.abc import Sequence

import gymnasium

from harness.errors import unknown

NAMESPACE = "harness"


def register() -> None:
    """Registers every suite found in `suites/`; loads no simulator."""
    from harness.registry import load_suite, suite_names

    for name in suite_names():
        suite = load_suite(name)
        for task in suite.all_tasks:
            for setting in suite.all_settings:
                _register(f"{suite.name}-{task}-{setting.name}-v{suite.version}", suite.name, task, setting.name)
            if len(suite.settings) == 1:
                _register(f"{suite.name}-{task}-v{suite.version}", suite.name, task, suite.settings[0].name)


def _register(name: str, suite: str, task: str, setting: str) -> None:
    if f"{NAMESPACE}/{name}" not in gymnasium.registry:
        kwargs = {"suite": suite, "task": task, "setting": setting}
        gymnasium.register(f"{NAMESPACE}/{name}", entry_point="harness.gym_ids:make_registered", kwargs=kwargs)


def make_registered(
    suite: str,
    task: str,
    setting: str,
    *,
    stand_ins: bool = True,
    profile: str = "standard",
    assets: str | None = None,
    render_mode: str | None = None,
    shift: str | Sequence[str] = (),
    image_size: int | None = None,
    action_repeat: int | None = None,
    frame_stack: int | None = None,
    episode_frames: int | None = None,
) -> gymnasium.Env:
    """Makes one of the registered environments.

    Args:
      suite: name of a suite.
      task: one of its tasks.
      setting: one of its settings.
      stand_ins: whether missing third-party files may be replaced by stand-ins (a warning says so).
      profile: render profile, "standard" or "fast".
      assets: folders to look third-party files up in before $HARNESS_ASSETS.
      render_mode: "rgb_array", which it is anyway; Gymnasium's wrappers and its checker ask for it by name.
      shift: more shifts on top of the setting, `name=value` each, as of `--shift` (harness list shifts).
      image_size, action_repeat, frame_stack, episode_frames: numbers instead of the suite's protocol's. (Named one by
        one: TorchRL tries arguments of its own, and wants Python's own error for those that there are not.)
    Raises:
      UsageError: for a render mode, a shift or a number of the protocol that there is not.
    """
    from harness.api import make_env

    asked = {
        "image_size": image_size,
        "action_repeat": action_repeat,
        "frame_stack": frame_stack,
        "episode_frames": episode_frames,
    }
    protocol = {name: value for name, value in asked.items() if value is not None}
    if render_mode not in (None, "rgb_array"):
        raise unknown("render mode", render_mode, ["rgb_array"])
    return make_env(
        suite, task, setting, assets=assets, stand_ins=stand_ins, profile=profile, shift=shift, protocol=protocol
    )
