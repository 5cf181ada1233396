"""Code from outside (a user's module, an agent, a suite): whatever it does, the command does not end without a word.

`sys.exit` and every other exception is caught where such code is called. What ends a process at once (`os._exit`,
`os.abort`, `os.exec...`) is made an exception for as long as such code runs; a library that ends it from C is not met.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from harness.errors import UsageError

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
      UsageError: instead of whatever it raises, but for an interrupt.
    """
    allow = forbid_ending()
    try:
        yield
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise UsageError(f"{what} ({described(error)}).") from error
    finally:
        allow()


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
