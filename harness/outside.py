"""Code from outside (a user's module, an agent, a suite): whatever it does, the command does not end without a word.

`sys.exit` and every other exception is caught where such code is called. What ends a process at once (`os._exit`,
`os.abort`, `os.exec...`) is made an exception for as long as such code runs. What ends it from C, or by a signal, is
told by the process that watches a command (`harness.supervision`), which reads on a board what was running.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from harness.errors import UsageError

if TYPE_CHECKING:
    import mmap

STREAMS = {0: "standard input", 1: "standard output", 2: "standard error"}  # descriptor -> what it is
KEPT_FROM = 200  # number of the copies: far from what code closes that closes a range
ENDING = ("_exit", "abort", "execv", "execve")  # the others of os.exec... call these two

_end_at_once = os._exit
_board: mmap.mmap | None = None


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
      UsageError: instead of whatever it raises, but for an interrupt from outside; or if it closes a standard stream.
    """
    allow = forbid_ending()
    try:
        with _on_board(what), _standard_streams(), _interrupts_told() as came:
            yield
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) and came():
            raise
        raise UsageError(f"{what} ({described(error)}).") from error
    finally:
        allow()


def use_board(board: mmap.mmap) -> None:
    """From now on, tells on the board which code from outside runs."""
    global _board
    _board = board


@contextlib.contextmanager
def _on_board(what: str) -> Iterator[None]:
    board = _board
    if board is None:
        yield
        return
    before = board[:]
    board[:] = what.encode(errors="replace")[: len(board)].ljust(len(board), b"\0")
    try:
        yield
    finally:
        board[:] = before


@contextlib.contextmanager
def _interrupts_told() -> Iterator[Callable[[], bool]]:
    """Whether somebody pressed Ctrl-C within; where that cannot be told, it is taken so."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler or not _is_main_thread():
        yield lambda: True
        return
    pressed: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        pressed.append(number)
        signal.default_int_handler(number, frame)

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield lambda: bool(pressed) or signal.getsignal(signal.SIGINT) not in (interrupt, signal.default_int_handler)
    finally:
        if signal.getsignal(signal.SIGINT) is interrupt:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


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
    objects = {name: getattr(sys, name) for name in ("stdout", "stderr")}
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
        closed += [STREAMS[descriptor] for descriptor in _closed_objects(objects)]
    if closed:
        raise RuntimeError(f"it closed {' and '.join(dict.fromkeys(closed))}")


def _closed_objects(before: Mapping[str, Any]) -> list[int]:
    """Puts new ones in the places of `sys.stdout` and `sys.stderr` where they are closed, or were replaced by what
    takes no text; the descriptors of those."""
    found = []
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        stream = getattr(sys, name, None)
        is_none = stream is not before[name] and not callable(getattr(stream, "write", None))
        if is_none or getattr(stream, "closed", False):
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
    try:
        if isinstance(error, EndedProcess):
            return f"it called {error}"
        if isinstance(error, SystemExit):
            return f"it called sys.exit({'' if error.code is None else repr(error.code)})"
        return str(error)
    except BaseException:
        return "what it says cannot be shown"  # that text, too, is made by code from outside


def is_interrupt(error: BaseException) -> bool:
    """Whether somebody pressed Ctrl-C; where that is ignored, as in workers, the code itself raised it."""
    return isinstance(error, KeyboardInterrupt) and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
