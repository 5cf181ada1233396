"""What the operating system refuses, as one sentence with the path; the one place for whatever nobody caught nearer."""

from __future__ import annotations

import errno
import os

from harness.errors import HarnessError, UsageError, WorkError
from harness.results.damage import CorruptRowsError
from harness.streams import OUTPUT

SHOWN = 200  # characters of each end of a path

# Of a path that was given or found; what else can be refused (space, descriptors, the device itself) is no wrong use.
_WRONG_PATHS = frozenset(
    {
        errno.EACCES,
        errno.EEXIST,
        errno.EINVAL,
        errno.EISDIR,
        errno.ELOOP,
        errno.ENAMETOOLONG,
        errno.ENODEV,
        errno.ENOENT,
        errno.ENOTDIR,
        errno.ENOTEMPTY,
        errno.ENXIO,
        errno.EPERM,
        errno.EROFS,
    }
)
_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EMFILE: "too many files are open; raise the limit with: ulimit -n 1024",
}
_REASONS |= {errno.ENFILE: "the whole system has too many files open", errno.ELOOP: "its links lead in a circle"}


def in_one_sentence(error: BaseException) -> HarnessError | CorruptRowsError | None:
    """The error as one that ends the command with a sentence and a status; None for a fault of this program."""
    if isinstance(error, HarnessError | CorruptRowsError):
        return error
    if isinstance(error, OSError):
        return _of_system(error)
    if isinstance(error, UnicodeError):
        return UsageError(f"What was given has bytes or characters that are no text here ({error}).")
    if isinstance(error, RecursionError):
        return UsageError("What was given is nested too deeply to be read.")
    if isinstance(error, MemoryError):
        return WorkError("There is not enough memory for what was asked for.")
    if isinstance(error, ImportError) and (hidden := _hidden(error)):
        return _of_system(hidden)
    return None


def _of_system(error: OSError) -> HarnessError:
    names = [name for name in (error.filename, error.filename2) if isinstance(name, str | bytes)]
    path = " and ".join(_shortened(os.fsdecode(name)) for name in names)
    reason = _REASONS.get(error.errno or 0) or error.strerror or str(error)
    if path == OUTPUT:
        return WorkError(f"Cannot write {OUTPUT}: {reason}.")
    if not path and not _has_current_folder():
        return UsageError("The current folder was deleted: change into another one.")
    kind = UsageError if error.errno in _WRONG_PATHS else WorkError
    return kind(f"Cannot use '{path}': {reason}." if path else f"The system refused to go on: {reason}.")


def _shortened(path: str) -> str:
    """A path that fits a sentence: of one that is too long for the system, its two ends."""
    return path if len(path) <= 2 * SHOWN else f"{path[:SHOWN]}…{path[-SHOWN:]}"


def _hidden(error: BaseException) -> OSError | None:
    """The refusal that made an import fail, as far as the error still knows it."""
    cause = error.__cause__ or error.__context__
    if isinstance(cause, OSError):
        return cause
    if os.strerror(errno.EMFILE) in str(error):  # of the loader of shared libraries, which has no numbers
        return OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    return _hidden(cause) if cause else None


def _has_current_folder() -> bool:
    try:
        os.getcwd()
    except OSError:
        return False
    return True
