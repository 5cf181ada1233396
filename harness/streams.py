"""Standard output and standard error as a shell may hand them over: closed, full, or without a reader.

What is told on standard error (progress, notes) never stops the work. What standard output cannot take is an OSError
that names "standard output", whatever was wrong with it, so that the exit status can say so.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from typing import Any

OUTPUT = "standard output"
_OUT, _ERR = 1, 2  # descriptors


def prepare_streams() -> None:
    """Makes the streams of the command line's process so; streams that somebody put in their places stay.

    Descriptors that are closed are taken first: else the next file that is opened would get the number of standard
    output, and whatever prints to it would write into that file.
    """
    closed = _fill_closed()
    if sys.stdout is sys.__stdout__:  # both None where the descriptor was closed when Python started
        sys.stdout = _text(_Output(_OUT, closed=_OUT in closed), like=sys.stdout)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _text(_Telling(_ERR), like=sys.stderr, line_buffering=True)


def prepare_worker_streams() -> None:
    """Makes the streams of a worker so: what agents print there is told, and never lands in a table."""
    _fill_closed()
    os.dup2(_ERR, _OUT)
    sys.stdout = sys.stderr = _text(_Telling(_ERR), like=sys.stderr, line_buffering=True)


def abandon_output() -> None:
    """Sends what is left of standard output nowhere: it failed, and would fail again when the process ends."""
    if not isinstance(getattr(getattr(sys.stdout, "buffer", None), "raw", None), _Output):
        return  # somebody else's stream
    with contextlib.suppress(OSError):  # no descriptor is left: then that is what will be told
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, _OUT)
        sys.stdout = io.open(nowhere, "w", closefd=False)  # noqa: SIM115, UP020 (a user's module may have hidden the other)


class _Output(io.FileIO):
    """Standard output, whose errors name it."""

    def __init__(self, descriptor: int, *, closed: bool) -> None:
        super().__init__(descriptor, "wb", closefd=False)
        self._was_closed = closed

    def write(self, data: Any, /) -> int:
        if self._was_closed:
            raise OSError(errno.EBADF, "it is closed", OUTPUT)
        try:
            return super().write(data)
        except OSError as error:
            raise OSError(error.errno, error.strerror, OUTPUT) from error


class _Telling(io.FileIO):
    """Standard error, which swallows what cannot be told."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "wb", closefd=False)

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError:
            return len(data)


def _fill_closed() -> set[int]:
    """Opens descriptors 0 to 2 where they are closed, on nothing; returns those."""
    closed = set()
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            closed.add(descriptor)
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest number that is free is this one
    return closed


def _text(raw: io.FileIO, *, like: Any, line_buffering: bool = False) -> io.TextIOWrapper:
    """Text over it, in the encoding of the stream it replaces; characters that this lacks are shown as `\\x..`."""
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=getattr(like, "encoding", None) or "utf-8",
        errors="backslashreplace",
        line_buffering=line_buffering or raw.isatty(),
    )
