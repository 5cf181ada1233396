"""A command that runs code from outside is the child of a process that only waits for it, and says what ended it.

Such code can end its process in ways that no code within survives: a signal, a crash in C. Importing it in a child
first would cost its import twice; so the child goes on as the command, and the parent ends as the child does.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import re
import signal
import sys
from collections.abc import Iterable
from typing import NoReturn

from harness.outside import use_board
from harness.results.text import escaped

BOARD_BYTES = 4096
_NAMES = re.compile(r"(?:.*=)?(?!harness\.)[A-Za-z_][\w.]*:[A-Za-z_]\w*")  # package.module:ATTRIBUTE, but of ours
_PASSED_ON = {signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2}


def may_run_code_from_outside(arguments: Iterable[str]) -> bool:
    """Whether a command line names code from outside, or a file that may name some."""
    return any(_NAMES.fullmatch(text) or text.split("=")[0] == "--config" for text in arguments)


def supervise() -> None:
    """Returns in a child of this process, which is to go on as the command; this process ends as the child does."""
    board = mmap.mmap(-1, BOARD_BYTES)  # shared: the child writes on it what it is about to run
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED_ON | {signal.SIGCHLD})
    parent, child = os.getpid(), os.fork()
    if child:
        _end_as(_wait_for(child), board)
    _die_with(parent)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    use_board(board)


def _die_with(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:  # it died before the line above
        os._exit(1)


def _wait_for(child: int) -> int:
    """Waits for the child, passing on signals; returns how it ended, as `os.waitpid`."""
    while True:
        found = signal.sigwaitinfo(_PASSED_ON | {signal.SIGCHLD})
        if found.si_signo == signal.SIGCHLD:
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid:
                return status
        elif found.si_code <= 0:  # sent to this process; a terminal, whose code is positive, reaches the child as well
            os.kill(child, found.si_signo)


def _end_as(status: int, board: mmap.mmap) -> NoReturn:
    what = board[:].rstrip(b"\0").decode(errors="replace")
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    if what:  # what was about to run did not return
        how = f"{signal.Signals(number).name} ended the process" if number else "it ended the process"
        try:
            os.write(2, escaped(f"error: {what} ({how}).").encode(errors="replace") + b"\n")
        finally:
            os._exit(2)
    if number:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
        os.kill(os.getpid(), number)
    os._exit(128 + number if number else os.WEXITSTATUS(status))
