"""The same measurements from Python, in one process."""

from __future__ import annotations

import contextlib
import uuid
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from harness.assets.store import AssetStore
from harness.environment import PixelEnv
from harness.environment import make_env as _make_env
from harness.errors import AgentError, UsageError, unknown
from harness.policy import as_policy
from harness.registry import load_suite
from harness.results.rows import Row, canonical_json, short_hash, to_dict
from harness.running import provenance
from harness.running.rollout import play_episode
from harness.running.seeds import MAX_SEED
from harness.shift_settings import add_shifts
from harness.spec import Protocol, Setting, Suite

if TYPE_CHECKING:
    import pandas as pd

    from harness.agent import Policy


def make_env(
    suite: str | Suite,
    task: str,
    setting: str,
    *,
    assets: str | None = None,
    stand_ins: bool = True,
    profile: str = "standard",
    shift: str | Sequence[str] = (),
    protocol: Mapping[str, int] | None = None,
) -> PixelEnv:
    """Builds one environment.

    Args:
      suite: a suite or its name.
      task: one of its tasks.
      setting: one of its settings; "train" is the training setting.
      assets: folders to look third-party files up in before $HARNESS_ASSETS.
      stand_ins: whether missing third-party files may be replaced by stand-ins.
      profile: render profile, "standard" or "fast".
      shift: more shifts on top of the setting, `name=value` each, as of `--shift`.
      protocol: numbers instead of the suite's own: image_size, action_repeat, frame_stack, episode_frames.
    Raises:
      UsageError: for a name or number that cannot be; MissingAssetError for files that are absent.
    """
    chosen = load_suite(suite) if isinstance(suite, str) else suite
    store = AssetStore.from_environment(assets, allow_stand_ins=stand_ins)
    shown = chosen.setting(setting)
    if shifts := _several(shift):
        base = [] if shown == chosen.train else [setting]
        shown = add_shifts(chosen, ["+".join([*base, *shifts])]).settings[-1]
    _warn_of_stand_ins([shown], store)
    numbers = _protocol(chosen, task, protocol)
    return _make_env(chosen, task, shown, assets=store, profile=profile, protocol=numbers)


def _protocol(suite: Suite, task: str, changes: Mapping[str, int] | None) -> Protocol:
    """The protocol of a task with some numbers changed."""
    protocol = suite.protocol.for_task(suite.check_task(task))
    for name, value in (changes or {}).items():
        if isinstance(value, bool) or not isinstance(value, int):
            raise UsageError(f"{name} is an integer, not {value!r}.")
        protocol = protocol.replace(task, name, value)
    return protocol


def evaluate(
    policy: Policy | Callable[[Any], Any],
    suite: str | Suite,
    *,
    tasks: str | Sequence[str] | None = None,
    settings: str | Sequence[str] | None = None,
    shifts: str | Sequence[str] = (),
    protocol: Mapping[str, int] | None = None,
    episodes: int = 1,
    eval_seed: int = 42,
    name: str = "policy",
    identity: str | None = None,
    assets: str | None = None,
    stand_ins: bool = True,
    profile: str = "standard",
    on_error: Literal["raise", "record"] = "raise",
) -> pd.DataFrame:
    """Evaluates a policy zero-shot, in this process.

    Args:
      policy: an object with `act(observations, *, explore)`, or a function from a batch of observations
        (uint8 (1, C, H, W)) to a batch of actions (float (1, A), values in [-1, 1]).
      suite: a suite or its name.
      tasks: some of its tasks; None for all.
      settings: some of its settings; None for all, the training setting first.
      shifts: more settings, evaluated beside those, `[setting+]name=value` each, as of `--shift`.
      protocol: numbers instead of the suite's own: image_size, action_repeat, frame_stack, episode_frames. Rows say so,
        and never share a cell with rows of the suite's own protocol.
      episodes: episodes per task and setting.
      eval_seed: the stream of episodes; training seed 0 of `harness run` uses 42.
      name: what the rows call the policy.
      identity: what tells this policy from others of its name, such as a checkpoint's digest. Rows of two calls share a
        table's cell only if name and identity agree; None makes every call its own.
      assets: folders to look third-party files up in before $HARNESS_ASSETS.
      stand_ins: whether missing third-party files may be replaced by stand-ins; a warning and the rows say so.
      profile: render profile, "standard" or "fast".
      on_error: when the policy fails, "raise", or "record" to go on: a failed episode has no row, as it has no return,
        and is listed in `rows.attrs["failed"]`.
    Returns:
      One row per episode, the columns of `harness.results.rows.Row`.
    Raises:
      UsageError: for a name or number that cannot be.
      AgentError: if the policy raises or returns an action that breaks the contract; `error.rows` holds the rows of the
        episodes before.
    """
    _check_numbers(episodes, eval_seed, on_error)
    chosen = load_suite(suite) if isinstance(suite, str) else suite
    acting = as_policy(policy)
    store = AssetStore.from_environment(assets, allow_stand_ins=stand_ins)
    cells = _cells(chosen, _several(tasks), _several(settings), _several(shifts), protocol)
    _warn_of_stand_ins([setting for _, setting, _ in cells], store)
    call = short_hash([name, identity or uuid.uuid4().hex])
    measured = _Measured()
    for task, setting, numbers in cells:
        columns = {**_columns(chosen, setting, task, name, store, profile, numbers), "config_hash": call}
        made = _make_env(chosen, task, setting, assets=store, profile=profile, protocol=numbers)
        with contextlib.closing(made) as env:
            for episode in range(episodes):
                measured.add(env, acting, columns, eval_seed, episode, on_error == "raise")
    return measured.frame()


@dataclass
class _Measured:
    """The rows so far, and the episodes in which the policy failed."""

    rows: list[Row] = field(default_factory=list)
    failed: list[dict[str, Any]] = field(default_factory=list)

    def add(
        self, env: PixelEnv, policy: Any, columns: dict[str, Any], eval_seed: int, episode: int, raising: bool
    ) -> None:
        """Plays one episode."""
        try:
            self.rows.append(_row(env, policy, columns, eval_seed, episode))
        except AgentError as error:
            if raising:
                error.rows = self.frame()  # what was measured is not lost
                raise
            where = {"task": columns["task"], "setting": columns["setting"], "episode": episode}
            self.failed.append({**where, "error": str(error)})

    def frame(self) -> pd.DataFrame:
        """One line per row."""
        import pandas as pd

        from harness.results.rows import COLUMNS

        frame = pd.DataFrame([to_dict(row) for row in self.rows], columns=list(COLUMNS))
        frame.attrs["failed"] = self.failed
        return frame


def _cells(
    suite: Suite, tasks: list[str], settings: list[str], shifts: list[str], changes: Mapping[str, int] | None
) -> list[tuple[str, Setting, Protocol]]:
    """Every task and setting that is measured, with the task's protocol; all names are checked before any work."""
    chosen = [suite.setting(name) for name in settings] or list(suite.all_settings)
    chosen += add_shifts(suite, shifts).settings[len(suite.settings) :]
    protocols = {suite.check_task(task): _protocol(suite, task, changes) for task in tasks or suite.tasks}
    return [(task, setting, protocols[task]) for task in protocols for setting in chosen]


def _check_numbers(episodes: int, eval_seed: int, on_error: str) -> None:
    if on_error not in ("raise", "record"):
        raise unknown("value of on_error", on_error, ["raise", "record"])
    if episodes < 1:
        raise UsageError(f"episodes must be at least 1, not {episodes}.")
    if not 0 <= eval_seed <= MAX_SEED:
        raise UsageError(f"eval_seed goes from 0 to {MAX_SEED}, not {eval_seed}.")


def _several(names: str | Sequence[str] | None) -> list[str]:
    return [names] if isinstance(names, str) else list(names or ())


def _warn_of_stand_ins(settings: Sequence[Setting], store: AssetStore) -> None:
    for name in dict.fromkeys(asset for setting in settings for asset in setting.assets):
        found = store.find(name)
        if found.stand_in:
            warnings.warn(found.stand_in_sentence(), stacklevel=3)


def _row(env: PixelEnv, policy: Any, columns: dict[str, Any], eval_seed: int, episode: int) -> Row:
    result = play_episode(env, policy, seed=eval_seed, episode=episode)
    return Row(
        **columns,
        eval_seed=eval_seed,
        episode=episode,
        episode_return=result.episode_return,
        success=result.success,
        successes_json=canonical_json(result.successes),
        num_steps=result.num_steps,
        num_frames=result.num_frames,
        shift_json=canonical_json(result.shift),
        first_pixels=result.first_pixels,
        trajectory=result.trajectory,
        gl_renderer=env.simulation.renderer_name(),
    )


def _columns(
    suite: Suite, setting: Setting, task: str, name: str, store: AssetStore, profile: str, protocol: Protocol
) -> dict[str, Any]:
    found = [store.find(asset) for asset in setting.assets]
    return {
        "run_id": "",
        "suite": suite.name,
        "suite_version": suite.version,
        "task": task,
        "setting": setting.name,
        "agent": name,
        "agent_version": 0,
        "preset": "",
        "train_seed": None,
        "train_frames": 0,
        "action_repeat": protocol.action_repeat[task],
        "frame_stack": protocol.frame_stack,
        "image_size": protocol.image_size,
        "episode_frames": protocol.episode_frames,
        "render_profile": profile,
        "assets_json": canonical_json({asset.name: asset.identity for asset in found}),
        "stand_ins": ", ".join(asset.name for asset in found if asset.stand_in),
        "notes": "; ".join(asset.note for asset in found if asset.note),
        "training": "",
        "checkpoint": "",
        "packages_json": canonical_json(provenance.package_versions()),
        "compute": "policy from outside",
        "code_revision": provenance.code_revision(),
    }
