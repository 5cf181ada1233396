"""Suites and agents by name: one file is one suite or one agent, and nothing else needs to be edited."""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import math
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from harness.errors import UsageError, unknown
from harness.spec import Setting, Suite

if TYPE_CHECKING:
    from harness.agent import AgentSpec


def suite_names() -> list[str]:
    """Names of the suites in `suites/`, sorted."""
    return _names_in("suites")


def agent_names() -> list[str]:
    """Names of the agents in `baselines/`, sorted."""
    return _names_in("baselines")


def load_suite(name: str) -> Suite:
    """The suite called `name`, or from outside as `package.module:ATTRIBUTE`.

    Raises:
      UsageError: if there is none, or what is there is not a `Suite`.
    """
    suite = _from_outside(name, "suite") if ":" in name else _from_folder("suites", name, "suite", "SUITE")
    if not isinstance(suite, Suite):
        raise UsageError(f"'{name}' is a {type(suite).__name__}, not a harness.spec.Suite.")
    return suite


def add_shifts(suite: Suite, texts: Sequence[str]) -> Suite:
    """The suite with one more setting per text, evaluated beside its own.

    Args:
      suite: any suite.
      texts: each `[SETTING+]NAME=VALUE[+NAME=VALUE...]`: axes of `harness list shifts`, on top of one of the suite's
        settings or, if none is named, of the training setting.
    Raises:
      UsageError: for a name that does not exist, a value out of range, or an axis of another domain.
    """
    added = {setting.name: setting for setting in (_composed(suite, text) for text in texts)}
    return replace(suite, settings=(*suite.settings, *added.values()))


def shift_axes() -> Mapping[str, Any]:
    """Every continuous shift by name, see `suites/shifts/axes.py`."""
    return importlib.import_module("suites.shifts.axes").AXES


def _composed(suite: Suite, text: str) -> Setting:
    parts = [part.strip() for part in text.split("+")]
    base = suite.train if "=" in parts[0] else suite.setting(parts.pop(0))
    if not parts:
        raise UsageError(f"--shift takes [setting+]name=value, and '{text}' names no shift.")
    settings = [_axis_setting(suite, part, text) for part in parts]
    _check_composable([base, *settings])
    names = ([] if base == suite.train else [base.name]) + [setting.name for setting in settings]
    shifts = [shift for setting in settings for shift in setting.shifts]
    # What overwrites goes first, whatever was named first: a turn is then a turn of the camera where it has gone.
    overwriting, others = [s for s in shifts if s.sets], [s for s in shifts if not s.sets]
    return Setting("+".join(names), (*overwriting, *base.shifts, *others))


def _check_composable(settings: Sequence[Setting]) -> None:
    """Sees to it that no part of a setting undoes another.

    Raises:
      UsageError: if an axis is named twice, or two parts overwrite the same field of the model.
    """
    for first, second in itertools.combinations(settings, 2):
        fields = [{field for shift in setting.shifts for field in shift.sets} for setting in (first, second)]
        same_axis = "=" in first.name and first.name.partition("=")[0] == second.name.partition("=")[0]
        if same_axis or fields[0] & fields[1]:
            raise UsageError(f"'{first.name}' and '{second.name}' set the same thing: ask for one of them.")


def _axis_setting(suite: Suite, part: str, text: str) -> Setting:
    name, equals, value = part.partition("=")
    axis = importlib.import_module("suites.shifts.axes").find_axis(name, suite.domain)
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not equals or not math.isfinite(number):
        raise UsageError(f"--shift takes [setting+]name=value with a number, not '{text}'.")
    return axis.setting(number, suite.domain)


def load_agent(name: str) -> AgentSpec:
    """The agent called `name`, or from outside as `package.module:ATTRIBUTE`.

    From outside it may be an `AgentSpec`; or, to be evaluated only, an object with `act(observations, *, explore)`, a
    plain function from observations to actions, or a class that is built with the `AgentContext`.

    Raises:
      UsageError: if there is none, or it cannot act.
    """
    from harness.agent import AgentSpec  # here: it loads pydantic, which suites do not need

    if ":" not in name:
        agent = _from_folder("baselines", name, "agent", "AGENT")
    else:
        agent = _from_outside(name, "agent")
        if not isinstance(agent, AgentSpec):
            return _acting_only(name, agent)
    if not isinstance(agent, AgentSpec):
        raise UsageError(f"'{name}' is a {type(agent).__name__}, not a harness.agent.AgentSpec.")
    return agent


def _names_in(package: str) -> list[str]:
    folder = Path(importlib.import_module(package).__file__ or "").parent
    return sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_"))


def _from_folder(package: str, name: str, kind: str, attribute: str) -> Any:
    if name not in _names_in(package):
        raise unknown(kind, name, _names_in(package))
    return getattr(importlib.import_module(f"{package}.{name}"), attribute)


def _from_outside(name: str, kind: str) -> Any:
    module_name, _, attribute = name.partition(":")
    if not re.fullmatch(r"[A-Za-z_][\w.]*", module_name) or not attribute.isidentifier():
        raise UsageError(f"{kind.capitalize()} '{name}' is not of the form package.module:ATTRIBUTE.")
    module = _import_outside(module_name, kind)
    if not hasattr(module, attribute):
        raise unknown(f"attribute of {module_name}", attribute, [n for n in vars(module) if not n.startswith("_")])
    return getattr(module, attribute)


def _import_outside(module_name: str, kind: str) -> ModuleType:
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))  # a user's own file lies where the command is given
    try:
        found = importlib.util.find_spec(module_name)
    except ModuleNotFoundError:
        found = None
    if found is None:
        raise UsageError(f"There is no module '{module_name}' to take the {kind} from, here or in {sys.executable}.")
    try:
        return importlib.import_module(module_name)
    except Exception as error:
        # A user's own file may fail in any way while it is imported; the sentence must say that it was that file.
        raise UsageError(f"Module '{module_name}' cannot be imported ({type(error).__name__}: {error}).") from error


def _acting_only(name: str, policy: Any) -> AgentSpec:
    from harness.agent import AgentSpec

    as_policy(policy)
    label = re.sub(r"[^\w.-]", "_", name)
    return AgentSpec(
        name=label,
        version=1,
        maker=name,
        description="a policy from outside",
        source=name,
        learns=False,
        ready_made=True,
    )


class FunctionPolicy:
    """Lets a plain function from a batch of observations to a batch of actions act."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self._function = function

    def act(self, observations: Any, *, explore: bool) -> Any:
        return self._function(observations)


def as_policy(policy: Any) -> Any:
    """The object itself if it has `act`, a wrapper if it is a function.

    Raises:
      UsageError: if it is neither.
    """
    if callable(getattr(policy, "act", None)):
        return policy
    if callable(policy):
        return FunctionPolicy(policy)
    raise UsageError(f"A policy has act(observations, *, explore) or is a function, not a {type(policy).__name__}.")
