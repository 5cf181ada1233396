"""A command that runs code from outside is the child of a process that only waits for it, and says what ended it.

Such code can end its process in ways that no code within survives: a signal, a crash in C. Importing it in a child
first would cost its import twice; so the child goes on as the command, and the parent ends as the child does.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import re
import signal
import sys
import time
from collections.abc import Sequence
from typing import NoReturn

from harness.outside import use_board
from harness.results.text import escaped

BOARD_BYTES = 4096
GRACE_SEC = 0.1  # for a signal that was sent to the whole group: it reaches the child by itself
_NAMES = re.compile(r"(?:.*=)?(?!harness\.)[A-Za-z_][\w.]*:[A-Za-z_]\w*")  # package.module:ATTRIBUTE, but of ours
_PASSED_ON = {signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2}
_RUN_WHAT_RECORDS_NAME = {"diagnose", "verify"}  # commands


def may_run_code_from_outside(arguments: Sequence[str]) -> bool:
    """Whether a command line names code from outside, or a file or a run that may name some."""
    if arguments and (arguments[0] in _RUN_WHAT_RECORDS_NAME or "--videos" in arguments):
        return True
    return any(
        text.split("=")[0] == "--config" or any(_NAMES.fullmatch(part) for part in text.split(","))
        for text in arguments
    )


def supervise() -> None:
    """Returns in a child of this process, which is to go on as the command; this process ends as the child does."""
    board = mmap.mmap(-1, BOARD_BYTES)  # shared: the child writes on it what it is about to run
    told, tell = os.pipe()  # the numbers of signals that the child caught
    os.set_blocking(told, False)
    os.set_blocking(tell, False)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # where it is ignored, nobody is told how a child ended
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED_ON | {signal.SIGCHLD})
    parent, child = os.getpid(), os.fork()
    if child:
        os.close(tell)
        _end_as(*_wait_for(child, told), board)
    _die_with(parent)
    os.close(told)
    signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    use_board(board)


def _die_with(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:  # it died before the line above
        os._exit(1)


def _wait_for(child: int, told: int) -> tuple[int, set[int]]:
    """Waits for the child, passing on signals; returns how it ended, as `os.waitpid`, and the signals that came."""
    came: set[int] = set()
    while True:
        found = signal.sigwaitinfo(_PASSED_ON | {signal.SIGCHLD})
        if found.si_signo != signal.SIGCHLD:
            came.add(found.si_signo)
            _pass_on(found, child, told)
            continue
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return status, came


def _pass_on(found: signal.struct_siginfo, child: int, told: int) -> None:
    """Gives the child a signal of this process, unless it had it too: one interrupt must not become two, the second
    of which would meet the clean-up after the first.

    Where the child has yet to run, the one sent here and the one that it has are one.
    """
    number = found.si_signo
    time.sleep(GRACE_SEC)
    while signal.sigtimedwait({number}, 0):  # sent to this process and to the group, as `timeout` does
        pass
    had = number in _read(told)
    by_terminal = found.si_code > 0 and number != signal.SIGHUP  # that of keys; a hang-up comes to session leaders only
    if not had and not by_terminal:
        os.kill(child, number)


def _read(told: int) -> bytes:
    try:
        return os.read(told, BOARD_BYTES)
    except BlockingIOError:
        return b""


def _end_as(status: int, came: set[int], board: mmap.mmap) -> NoReturn:
    what = board[:].rstrip(b"\0").decode(errors="replace")
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    if what and number not in came:  # what was about to run did not return
        how = f"{signal.Signals(number).name} ended the process" if number else "it ended the process"
        try:
            os.write(2, escaped(f"error: {what} ({how}).").encode(errors="replace") + b"\n")
        finally:
            os._exit(2)
    if number:
        with contextlib.suppress(OSError):  # SIGKILL cannot be set
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
        os.kill(os.getpid(), number)
    os._exit(128 + number if number else os.WEXITSTATUS(status))
