"""Errors a user may meet; each carries the exit status of the command line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from harness.results.text import escaped

MAX_NAMES = 60  # of which a message lists all; a suite has 50 tasks, a module from outside hundreds of names


class HarnessError(Exception):
    """Base of every error this project raises on purpose; `exit_code` is the command's status.

    Its text is one line, and safe to show whatever the names in it: see `escaped`.
    """

    exit_code = 1
    rows: Any = None  # of `harness.evaluate`: a table of what had been measured before

    def __str__(self) -> str:
        return escaped(super().__str__())


class UsageError(HarnessError):
    """What was asked for cannot be: a wrong name, path, number or combination."""

    exit_code = 2


class MissingAssetError(UsageError):
    """A third-party file is needed and absent; the message names the command that gets it."""


class CorruptAssetError(UsageError):
    """A third-party file is there but is not what its digest says."""


class CheckpointError(UsageError):
    """A checkpoint is missing, damaged, or was made for something else."""


class AgentError(HarnessError):
    """An agent raised, or returned an action that breaks its contract."""


class WorkError(HarnessError):
    """The work itself failed: a full disk, a dead worker, a renderer that does not start."""


def unknown(kind: str, asked: str, available: Iterable[str]) -> UsageError:
    """The error for a name that does not exist: what was asked, the nearest match, what exists.

    Args:
      kind: what is looked up, singular and lower case, such as `"suite"` or `"setting of agent pieg"`.
      asked: the name as the user wrote it.
      available: every name that would have worked.
    """
    names = sorted(available)
    near = difflib.get_close_matches(asked, names, n=1, cutoff=0.5)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    noun, of, whose = kind.partition(" of ")
    plural = noun[:-1] + "ies" if noun.endswith("y") else noun + "s"
    shown = names
    if len(names) > MAX_NAMES:
        shown = [*difflib.get_close_matches(asked, names, n=8, cutoff=0.4), f"{len(names)} in all"]
    return UsageError(f"Unknown {kind} '{asked}'.{hint} {plural.capitalize()}{of}{whose}: {', '.join(shown)}")
