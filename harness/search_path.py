"""Where modules are searched: what lies in the current folder is found, but only after what is installed.

Put first, a user's `random.py` or `results.py` would take the place of everybody's.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

SAFE_PATH = "PYTHONSAFEPATH"  # tells Python not to put the current folder first by itself


def append_current_folder() -> None:
    """Lets modules of the current folder be found, after all others."""
    if not {"", _current_folder()} & set(sys.path):
        sys.path.append(_current_folder())


def move_current_folder_last() -> None:
    """Undoes that `python -m` puts the current folder first."""
    if not sys.flags.safe_path and sys.path[:1] in ([""], [_current_folder()]):
        sys.path.append(sys.path.pop(0))


def _current_folder() -> str:
    """Its full path; "", which means the same to Python, where it was deleted."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return ""


@contextlib.contextmanager
def starting_python() -> Iterator[str | None]:
    """Around the start of a process by `multiprocessing`, which runs `python -c`: the current folder comes not first.

    The process takes over this one's path as soon as it has imported `multiprocessing`. What is given is for `restore`.
    """
    before = os.environ.get(SAFE_PATH)
    os.environ[SAFE_PATH] = "1"
    try:
        yield before
    finally:
        restore(before)


def restore(before: str | None) -> None:
    """Ends what `starting_python` began: here, or in the process that was started, for those that it starts in turn."""
    if before is None:
        os.environ.pop(SAFE_PATH, None)
    else:
        os.environ[SAFE_PATH] = before
