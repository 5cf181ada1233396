"""The same measurements from Python."""

from __future__ import annotations

import contextlib
import operator
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from harness.assets.store import AssetStore, user_path
from harness.environment import PixelEnv
from harness.environment import make_env as _make_env
from harness.errors import UsageError, unknown
from harness.registry import load_suite
from harness.results.rows import Row, is_text, to_dict
from harness.results.store import RowStore
from harness.running.cells import missing_cells
from harness.running.evaluation import Failure
from harness.running.handed_plan import Call, Shown, plan_call
from harness.running.held_rows import HeldRows
from harness.running.plan import RunPlan
from harness.running.run import execute
from harness.running.seeds import MAX_SEED
from harness.running.session import Session
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
    agent_files: str | Path | Sequence[str | Path] = (),
    assets: str | Path | None = None,
    stand_ins: bool = True,
    profile: str = "standard",
    workers: int | None = None,
    on_error: Literal["raise", "record"] = "raise",
    save: str | Path | None = None,
) -> pd.DataFrame:
    """Evaluates a policy zero-shot; one that keeps anything between steps needs a `reset()`, see `agent.Policy`.

    Args:
      policy: an object with `act(observations, *, explore)`, or a function from a batch of observations
        (uint8 (1, C, H, W)) to a batch of actions (float (1, A), values in [-1, 1]).
      suite: a suite or its name.
      tasks, settings: some of its tasks and settings; None for all, the training setting first.
      shifts: more settings, evaluated beside those, `[setting+]name=value` each, as of `--shift`.
      protocol: numbers instead of the suite's own: image_size, action_repeat, frame_stack, episode_frames. Rows say so,
        and never share a cell with rows of the suite's own protocol.
      episodes: per task and setting.
      eval_seed: the stream of episodes; training seed 0 of `harness run` uses 42.
      name: what the rows call the policy.
      identity: what tells it from others of its name, such as a checkpoint's digest. Rows of two calls share a table's
        cell only if both agree, and the policy's own `identity()`, if any. With neither every call is its own.
      agent_files: files and folders that the policy is made of, too: their contents count beside its identity.
      assets: folders to look third-party files up in before $HARNESS_ASSETS.
      stand_ins: whether missing ones may be replaced by stand-ins; a warning and the rows say so.
      profile: render profile, "standard" or "fast".
      workers: processes that play episodes with a copy of the policy and one thread each; None: this one, with itself.
      on_error: "record" goes on where the policy fails: such an episode has no row, and `.attrs["failed"]` lists it.
      save: a folder for the rows, as a run keeps them. The same call with the same `identity` goes on from there. What
        the policy reads of files that are not named while it acts is recorded there, and rows say so; where such a file
        has changed the folder is refused.
    Returns:
      One row per episode, the columns of `harness.results.rows.Row`.
    Raises:
      UsageError: for a name or number that cannot be, or a folder that keeps something else.
      AgentError: if the policy raises or returns an action that breaks the contract; names episode and step. As any
        other error on the way, it has the rows measured before as `error.rows`.
    """
    _check_kinds(suite, {"name": name, "identity": identity}, {"tasks": tasks, "settings": settings})
    episodes, eval_seed, workers = _checked(episodes, eval_seed, on_error, workers)
    shown = _shown(suite, _several(tasks), _several(settings), _several(shifts), protocol)
    store = AssetStore.from_environment(None if assets is None else str(assets), allow_stand_ins=stand_ins)
    files = [str(each) for each in _several(agent_files)]
    call = Call(shown, policy, name, identity, files, episodes, eval_seed, workers, profile, store)
    plan = plan_call(call, None if save is None else user_path(str(save)))
    _warn_of_stand_ins([shown.suite.setting(setting) for setting in shown.settings], store)
    return _measure(plan, keep=save is not None, goes_on=on_error == "record")


def _measure(plan: RunPlan, *, keep: bool, goes_on: bool) -> pd.DataFrame:
    """Carries a plan out; whatever it ends with, the rows there are are told."""
    store = RowStore(plan.folder / "rows") if keep else HeldRows()
    failures: list[Failure] = []
    on_failure = failures.append if goes_on else None
    try:
        if keep:
            execute(plan, quiet=True, on_failure=on_failure)
        else:
            Session(plan, store, missing_cells(plan, store), quiet=True, on_failure=on_failure).run()
    except BaseException as error:  # an interrupt too: what was measured is not lost
        with contextlib.suppress(Exception):  # that error is the one to tell
            error.rows = _frame(_asked(plan, store))  # type: ignore[attr-defined]  # whatever error it is
        raise
    frame = _frame(_asked(plan, store))
    frame.attrs["failed"] = [asdict(failure) for failure in failures]
    if failures:
        warnings.warn(
            f"The policy failed in {len(failures)} of {len(failures) + len(frame)} episodes, which have no row "
            f"(.attrs['failed'] lists them); the first: {failures[0].error}",
            stacklevel=3,
        )
    return frame


def _asked(plan: RunPlan, store: RowStore) -> list[Row]:
    """The rows of a plan's cells and episodes, in table order; a folder may hold more."""
    cells = [store.rows(task.task, setting, seed) for task, setting, seed in plan.cells()]
    return [row for cell in cells for row in cell if row.episode < plan.episodes]


def _shown(
    suite: str | Suite,
    tasks: Sequence[str],
    settings: Sequence[str],
    shifts: Sequence[str],
    changes: Mapping[str, int] | None,
) -> Shown:
    """The names of a call, checked: the suite with its settings, those added by shifts last."""
    whole = load_suite(suite) if isinstance(suite, str) else suite
    chosen = [whole.setting(name) for name in settings] or list(whole.all_settings)
    chosen += add_shifts(whole, shifts).settings[len(whole.settings) :]
    others = tuple(dict.fromkeys(setting for setting in chosen if setting.name != whole.train.name))
    return Shown(
        suite=replace(whole, settings=others, views={}),
        settings=tuple(dict.fromkeys(setting.name for setting in chosen)),
        tasks=tuple(dict.fromkeys(whole.check_task(task) for task in tasks)) or whole.tasks,
        protocols={task: _protocol(whole, task, changes) for task in whole.all_tasks},
    )


def _check_kinds(suite: Any, texts: Mapping[str, Any], several: Mapping[str, Any]) -> None:
    """Refuses what is of another kind than it should be before anything is done with it, and choices of nothing."""
    for name, names in several.items():
        if names is not None and not list(names):
            raise UsageError(f"{name} names none: leave it out for all.")
    if not isinstance(suite, str | Suite):
        raise UsageError(f"suite is a suite or its name, not a {type(suite).__name__}.")
    for name, value in texts.items():
        if value is None and name == "identity":
            continue
        if not isinstance(value, str):
            raise UsageError(f"{name} is a text, not a {type(value).__name__}.")
        if not is_text(value):
            raise UsageError(f"{name} holds half a character: {value!a}.")


def _whole(name: str, value: Any) -> int:
    """An integer, numpy's included."""
    try:
        if not isinstance(value, bool):
            return operator.index(value)
    except TypeError:
        pass
    raise UsageError(f"{name} is an integer, not {value!r}.")


def _checked(episodes: Any, eval_seed: Any, on_error: str, workers: Any) -> tuple[int, int, int | None]:
    """The numbers of a call as plain integers."""
    episodes, eval_seed = _whole("episodes", episodes), _whole("eval_seed", eval_seed)
    workers = None if workers is None else _whole("workers", workers)
    if episodes < 1:
        raise UsageError(f"episodes must be at least 1, not {episodes}.")
    if not 0 <= eval_seed <= MAX_SEED:
        raise UsageError(f"eval_seed goes from 0 to {MAX_SEED}, not {eval_seed}.")
    if on_error not in ("raise", "record"):
        raise unknown("on_error", on_error, ["raise", "record"])
    if workers is not None and not 1 <= workers <= MAX_SEED:
        raise UsageError(f"workers must be at least 1, or None for this process, not {workers}.")
    return episodes, eval_seed, workers


def _several(names: Any) -> list[Any]:
    """What is given by one name or path, by several, or by None."""
    return [names] if isinstance(names, str | Path) else list(names or ())


def _warn_of_stand_ins(settings: Sequence[Setting], store: AssetStore) -> None:
    for name in dict.fromkeys(asset for setting in settings for asset in setting.assets):
        found = store.find(name)
        if found.stand_in:
            warnings.warn(found.stand_in_sentence(), stacklevel=3)


def _frame(rows: Sequence[Row]) -> pd.DataFrame:
    import pandas as pd

    from harness.results.rows import COLUMNS

    return pd.DataFrame([to_dict(row) for row in rows], columns=list(COLUMNS))
