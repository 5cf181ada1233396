"""What a user's own agent or suite is: its modules, the files it reads when it is imported, and what it says of itself.

Two runs are the same only where all of that is; the place where it lies does not count.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harness.agent import AgentSpec
from harness.assets.digests import sha256_of
from harness.assets.store import user_path
from harness.errors import UsageError, WorkError
from harness.outside import code_from_outside
from harness.registry import load_outside
from harness.results.rows import short_hash
from harness.spec import Suite
from harness.watching import import_watched, is_own, read_by_import

GONE = ""  # the digest of a file that is not there any more


@dataclass(frozen=True)
class UserFiles:
    """The identity of what a run takes from outside.

    Attributes:
      root: the folder its modules are searched in; names of files are relative to it.
      files: SHA-256 of every file that belongs to it, hex.
      said: what the policy's own `identity()` said; "" if it has none.
      late: SHA-256 of files that an earlier run is known to have read besides, while the policy was made or played.
      suite: what a suite from outside declares, as a hash: one module may hold several; "" of one of this project.
    """

    root: Path
    files: Mapping[Path, str]
    said: str = ""
    suite: str = ""
    late: Mapping[Path, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """First 16 hex digits of a SHA-256 over all of it."""
        kinds = ([[self.name_of(path), digest] for path, digest in each.items()] for each in (self.files, self.late))
        return short_hash([*map(sorted, kinds), self.said, *([self.suite] if self.suite else [])])

    def name_of(self, path: Path) -> str:
        """What a file is called whatever machine it lies on."""
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else path.name

    def check_unchanged(self) -> None:
        """Checks that the files are still those that the run is named by.

        Raises:
          WorkError: if one is not.
        """
        for path, digest in self.files.items():
            if file_digest(path) != digest:
                raise WorkError(f"{path} changed while the run was at work: start it again.")


def is_users(name: str) -> bool:
    """Whether an agent or suite is named from outside this project, whose own code has a revision."""
    return ":" in name and not name.startswith("harness.")


def identity(
    agent_name: str, agent: AgentSpec, suite_name: str, suite: Suite, named: Sequence[str]
) -> UserFiles | None:
    """The identity of what is the user's own of an agent and a suite.

    Args:
      agent_name, suite_name: as asked for.
      agent, suite: what they led to; the suite without settings that a command adds.
      named: files and folders that belong to it as well (`--agent-file`).
    Returns:
      None if both are of this project.
    Raises:
      UsageError: if a named file is not there, or what `identity()` says is no text.
    """
    names = [name for name in (agent_name, suite_name) if is_users(name)]
    if not names:
        if named:
            raise UsageError(f"--agent-file goes with an agent from outside, and '{agent_name}' is of this project.")
        return None
    given = named_files(named)
    said = _said(agent_name) if agent.ready_made and is_users(agent_name) else ""
    modules = [name.partition(":")[0] for name in names]
    files = files_of([*modules, *_named_in_texts(names, agent_name, agent, suite)])
    files |= {path for module in modules for path in read_by_import(module)}
    declared = declaration(suite) if is_users(suite_name) else ""
    return UserFiles(_root(modules[0]), {path: sha256_of(path) for path in sorted(files | given)}, said, declared)


def declaration(suite: Suite) -> str:
    """All that a suite says of itself, as a hash; where an object lies in memory does not count."""
    said = {each.name: re.sub(r" at 0x[0-9a-f]+", "", repr(getattr(suite, each.name))) for each in fields(suite)}
    return short_hash(said)


def files_for(agent_name: str, agent_names: Sequence[str], named: Sequence[str]) -> Sequence[str]:
    """What `--agent-file` names for one agent of several: nothing for the project's own beside one from outside."""
    return named if is_users(agent_name) or not any(map(is_users, agent_names)) else ()


def code_digest(name: str) -> str:
    """Of one part of an agent, `package.module:ATTRIBUTE` that was loaded: first 16 hex digits of a SHA-256."""
    module = name.partition(":")[0]
    files = files_of([module]) | read_by_import(module)
    return UserFiles(_root(module), {path: sha256_of(path) for path in sorted(files)}).digest


def named_files(named: Sequence[str], option: str = "--agent-file") -> set[Path]:
    """The files that an option names, those of folders included.

    Raises:
      UsageError: if there is none.
    """
    found: set[Path] = set()
    for text in named:
        if not text:
            raise UsageError(f"{option} names nothing: an empty text is no file.")
        path = user_path(text).resolve()
        inside = {path} if path.is_file() else _inside(path)
        if not inside:
            raise UsageError(f"There is {'no file in' if path.is_dir() else 'no'} {text} (given by {option}).")
        found |= {each.resolve() for each in inside}
    return found


def _inside(folder: Path) -> set[Path]:
    """The files below a folder, but what Python and this program put there: compiled modules, folders of runs."""
    runs = {each.parent for each in folder.rglob("record.json") if (each.parent / "rows").is_dir()}
    found = {each for each in folder.rglob("*") if each.is_file() and "__pycache__" not in each.parts}
    return {each for each in found if runs.isdisjoint(each.parents)}


def files_of(modules: Iterable[str]) -> set[Path]:
    """The user's own files among some modules and all that they import, inside functions too; nothing is executed."""
    found: set[Path] = set()
    seen: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for spec in _specs(name):
            path = Path(spec.origin or "")
            if spec.has_location and is_own(path) and (resolved := path.resolve()) not in found:
                found.add(resolved)
                waiting += _imported(resolved, spec.name, spec.submodule_search_locations is not None)
    return found


def file_digest(path: Path) -> str:
    """SHA-256 of a file, hex; `GONE` if it cannot be read."""
    try:
        return sha256_of(path)
    except OSError:
        return GONE


def _specs(name: str) -> Iterator[ModuleSpec]:
    """Where a module and the packages above it lie; as far as there are any."""
    parts, path = name.split("."), None
    for number in range(1, len(parts) + 1):
        try:
            # Below the top, importlib's own would import what lies above.
            spec = find_spec(parts[0]) if path is None else PathFinder.find_spec(".".join(parts[:number]), path)
        except (ImportError, ValueError, OSError):
            return
        if spec is None:
            return
        yield spec
        path = spec.submodule_search_locations
        if path is None:
            return


def _imported(path: Path, name: str, is_package: bool) -> list[str]:
    """The names that may be modules in the imports of a module's file; none where it is not Python that can be read."""
    try:
        tree = ast.parse(path.read_bytes()) if path.suffix == ".py" else ast.Module([], [])
    except (SyntaxError, ValueError, RecursionError, OSError):
        return []
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = name.split(".")[: None if is_package else -1]
            base = above[: len(above) + 1 - node.level] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names += [module, *(f"{module}.{alias.name}" for alias in node.names)]
    return [found for found in names if found]


def _named_in_texts(names: Sequence[str], agent_name: str, agent: AgentSpec, suite: Suite) -> list[str]:
    """Modules that declarations of the user's lead to without importing them."""
    found = [agent.maker.partition(":")[0], agent.config.__module__] if agent_name in names else []
    if len(names) > (agent_name in names):
        shifts = (shift for setting in suite.all_settings for shift in setting.shifts)
        found += [suite.domain, *(type(shift).__module__ for shift in shifts)]
    return found


def _root(module: str) -> Path:
    """The folder that a user's module is searched in."""
    for spec in _specs(module):
        if spec.has_location and spec.origin:
            return Path(spec.origin).resolve().parents[0 if spec.submodule_search_locations is None else 1]
    return Path.cwd()


def _said(name: str) -> str:
    """What a policy's `identity()` says."""
    policy: Any = load_outside(name, "agent")
    with import_watched(name.partition(":")[0]):
        return said_by(policy, f"'{name}'")


def said_by(policy: Any, called: str) -> str:
    """What the `identity()` of a policy, or of the object that a method is of, says; "" if there is none.

    Raises:
      AgentError: if it fails.
      UsageError: if it says no text.
    """
    with code_from_outside(f"identity() of {called} fails"):
        owner: Any = policy.__self__ if inspect.ismethod(policy) else policy
        if not inspect.isroutine(getattr(owner, "identity", None)):  # a layer of that name says nothing
            return ""
        if isinstance(owner, type) and not _needs_no_object(owner):
            raise TypeError("it is asked before one is made, so it must be a classmethod or a staticmethod")
        said = owner.identity()
    if not isinstance(said, str):
        raise UsageError(f"identity() of {called} must return a text, not a {type(said).__name__}.")
    return said


def _needs_no_object(owner: type) -> bool:
    return isinstance(inspect.getattr_static(owner, "identity"), classmethod | staticmethod)
