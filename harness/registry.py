"""Suites and agents by name: one file is one suite or one agent, and nothing else needs to be edited."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from harness.errors import UsageError, unknown
from harness.outside import code_from_outside
from harness.policy import as_policy
from harness.search_path import append_current_folder
from harness.spec import Suite
from harness.watching import import_watched

if TYPE_CHECKING:
    from harness.agent import AgentSpec

_ABSENT = object()


def suite_names() -> list[str]:
    """Names of the suites in `suites/`, sorted."""
    return _names_in("harness.suites")


def agent_names() -> list[str]:
    """Names of the agents in `baselines/`, sorted."""
    return _names_in("harness.baselines")


def load_suite(name: str) -> Suite:
    """The suite called `name`, or from outside as `package.module:ATTRIBUTE`.

    Raises:
      UsageError: if there is none, or what is there is not a `Suite`.
    """
    suite = _from_outside(name, "suite") if ":" in name else _from_folder("harness.suites", name, "suite", "SUITE")
    if not isinstance(suite, Suite):
        raise UsageError(f"'{name}' is a {type(suite).__name__}, not a harness.spec.Suite.")
    return suite


def load_agent(name: str) -> AgentSpec:
    """The agent called `name`, or from outside as `package.module:ATTRIBUTE`.

    From outside it may be an `AgentSpec`; or, to be evaluated only, an object with `act(observations, *, explore)`, a
    plain function from observations to actions, or a class that is built with the `AgentContext`.

    Raises:
      UsageError: if there is none, or it cannot act.
    """
    from harness.agent import AgentSpec  # here: it loads pydantic, which suites do not need

    if ":" not in name:
        agent = _from_folder("harness.baselines", name, "agent", "AGENT")
    else:
        agent = _from_outside(name, "agent")
        if not isinstance(agent, AgentSpec):
            return _acting_only(name, agent)
    if not isinstance(agent, AgentSpec):
        raise UsageError(f"'{name}' is a {type(agent).__name__}, not a harness.agent.AgentSpec.")
    return agent


def load_outside(name: str, kind: str) -> Any:
    """Whatever `package.module:ATTRIBUTE` names.

    Args:
      name: as the user wrote it.
      kind: what it should be, for sentences.
    Raises:
      UsageError: if there is nothing of this name, or its module cannot be imported.
    """
    return _from_outside(name, kind)


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
    with import_watched(module_name):
        module = _import_outside(module_name, kind)
        with code_from_outside(f"'{name}' cannot be read"):
            found = getattr(module, attribute, _ABSENT)
    if found is _ABSENT:
        _check_not_another(module, Path.cwd())
        raise unknown(f"attribute of {module_name}", attribute, [n for n in vars(module) if not n.startswith("_")])
    return found


def _import_outside(module_name: str, kind: str) -> ModuleType:
    append_current_folder()  # a user's own file lies where the command is given
    # A user's own file may do anything while it is imported; the sentence must say that it was that file.
    # What it prints is no answer of the command, and where it goes is not where the command's paths begin.
    here = contextlib.chdir(Path.cwd())
    with code_from_outside(f"Module '{module_name}' cannot be imported"), contextlib.redirect_stdout(sys.stderr), here:
        try:
            found = importlib.util.find_spec(module_name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
                raise  # a package above it lacks something else
            found = None
        if found is not None:
            return importlib.import_module(module_name)
    raise UsageError(f"There is no module '{module_name}' to take the {kind} from, here or in {sys.executable}.")


def _check_not_another(module: ModuleType, folder: Path) -> None:
    """Refuses a module of another place where the folder has one of the same name."""
    top, _, _ = module.__name__.partition(".")
    here = [path for path in (folder / f"{top}.py", folder / top / "__init__.py") if path.is_file()]
    origin = getattr(module, "__file__", None)
    if here and (origin is None or not Path(origin).resolve().is_relative_to(folder.resolve())):
        raise UsageError(
            f"'{module.__name__}' is {origin or 'a part of Python'}, which is found before {here[0]}: give yours "
            "another name."
        )


def _acting_problem(policy: Any) -> UsageError | None:
    try:
        as_policy(policy)
    except UsageError as problem:
        return problem
    return None


def _acting_only(name: str, policy: Any) -> AgentSpec:
    from harness.agent import AgentSpec

    with code_from_outside(f"'{name}' cannot be taken as an agent"):
        problem = _acting_problem(policy)
    if problem is not None:
        raise problem
    label = re.sub(r"[^\w.-]", "_", name)
    return AgentSpec(
        name=label,
        version=1,
        maker=name,
        description="a policy from outside",
        source=name,
        learns=False,
        seeded=isinstance(policy, type),  # a class is built with the context, which has the seed
        ready_made=True,
    )
