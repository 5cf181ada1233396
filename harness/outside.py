"""Code from outside (a user's module, an agent, a suite): whatever it does, the command does not end without a word.

`sys.exit` and every other exception is caught where such code is called. What ends a process at once (`os._exit`,
`os.abort`, `os.exec...`) is made an exception for as long as such code runs; a library that ends it from C is not met.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from harness.errors import UsageError

STREAMS = {0: "standard input", 1: "standard output", 2: "standard error"}  # descriptor -> what it is
KEPT_FROM = 200  # number of the copies: far from what code closes that closes a range
ENDING = ("_exit", "abort", "execv", "execve")  # the others of os.exec... call these two

_end_at_once = os._exit


class EndedProcess(BaseException):
    """Code from outside tried to end its process; the text is the call."""


def end_process(status: int) -> NoReturn:
    """Ends this process at once, whatever is forbidden."""
    _end_at_once(status)


def forbid_ending() -> Callable[[], None]:
    """Makes calls that would end this process raise `EndedProcess`; processes it forks may end themselves as ever.

    Returns:
      What allows them again.
    """
    before = {name: getattr(os, name) for name in ENDING}
    for name, real in before.items():
        setattr(os, name, _refusing(name, real, os.getpid()))

    def allow() -> None:
        for name, real in before.items():
            setattr(os, name, real)

    return allow


def _refusing(name: str, real: Callable[..., Any], owner: int) -> Callable[..., Any]:
    def refuse(*arguments: Any) -> Any:
        if os.getpid() != owner:
            return real(*arguments)
        shown = ", ".join(map(repr, arguments[:1]))
        raise EndedProcess(f"os.{name}({shown})")

    return refuse


@contextlib.contextmanager
def code_from_outside(what: str) -> Iterator[None]:
    """Around the import of such code, and looks at what it offers.

    Args:
      what: the beginning of the sentence, such as `"Module 'mine' cannot be imported"`.
    Raises:
      UsageError: instead of whatever it raises, but for an interrupt; and where it closes a standard stream.
    """
    allow = forbid_ending()
    try:
        with _standard_streams():
            yield
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise UsageError(f"{what} ({described(error)}).") from error
    finally:
        allow()


@contextlib.contextmanager
def _standard_streams() -> Iterator[None]:
    """Opens standard streams again that are closed within: the next file or pipe would get the number of one.

    Raises:
      RuntimeError: if one was.
    """
    kept: dict[int, int] = {}
    for descriptor in STREAMS:
        with contextlib.suppress(OSError):  # closed already, or none is left
            kept[descriptor] = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, KEPT_FROM)
    closed = []
    try:
        yield
    finally:
        for descriptor, copy in kept.items():
            if not _is_open(descriptor):
                closed.append(STREAMS[descriptor])
                with contextlib.suppress(OSError):  # the copy was closed, too
                    os.dup2(copy, descriptor)
            with contextlib.suppress(OSError):
                os.close(copy)
        closed += [STREAMS[descriptor] for descriptor in _closed_objects()]
    if closed:
        raise RuntimeError(f"it closed {' and '.join(dict.fromkeys(closed))}")


def _closed_objects() -> list[int]:
    """Puts new ones in the places of `sys.stdout` and `sys.stderr` where they are closed; the descriptors of those."""
    found = []
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        if getattr(getattr(sys, name), "closed", False):
            setattr(sys, name, open(descriptor, "w", errors="backslashreplace", closefd=False))  # noqa: SIM115
            found.append(descriptor)
    return found


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def described(error: BaseException) -> str:
    """An exception of such code, for a sentence: `ValueError: too small`, `SystemExit: it called sys.exit(3)`."""
    text = said(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def said(error: BaseException) -> str:
    """What it says, without its name."""
    if isinstance(error, EndedProcess):
        return f"it called {error}"
    if isinstance(error, SystemExit):
        return f"it called sys.exit({'' if error.code is None else repr(error.code)})"
    try:
        return str(error)
    except Exception:
        return "what it says cannot be shown"  # that text, too, is made by code from outside


def is_interrupt(error: BaseException) -> bool:
    """Whether somebody pressed Ctrl-C; where that is ignored, as in workers, the code itself raised it."""
    return isinstance(error, KeyboardInterrupt) and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
