"""The life of a worker process: jobs come in, messages and results go out, and it ends with its parent."""

from __future__ import annotations

import ctypes
import importlib
import os
import signal
import sys
import traceback
from multiprocessing.connection import Connection
from typing import Any

from harness.errors import HarnessError, WorkError
from harness.outside import described, end_process, forbid_ending
from harness.refusals import in_one_sentence
from harness.search_path import restore
from harness.streams import prepare_worker_streams

LINE_LOST = 77  # exit status of a worker that can tell nobody any more


class Line:
    """The worker's end of the pipe.

    Code from outside that closes descriptors closes this one too, and the next file that is opened gets its number: a
    worker whose line is lost ends with a status that says so, and writes nothing into that file.
    """

    def __init__(self, pipe: Connection) -> None:
        self._pipe, self._is = pipe, os.fstat(pipe.fileno()).st_ino

    def receive(self) -> Any:
        """The next job; ends the process where there is none and never will be."""
        try:
            self._check()
            return self._pipe.recv()
        except EOFError:
            end_process(0)
        except OSError:
            end_process(LINE_LOST)

    def send(self, kind: str, payload: Any) -> None:
        """Says something to the parent."""
        try:
            self._check()
            self._pipe.send((kind, payload))
        except OSError:
            end_process(LINE_LOST)

    def _check(self) -> None:
        if os.fstat(self._pipe.fileno()).st_ino != self._is:
            raise OSError("another file has its number")


def serve(pipe: Connection, parent: int, safe_path: str | None) -> None:
    """Does jobs until the parent closes the pipe."""
    restore(safe_path)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    prepare_worker_streams()
    _die_with_parent(parent)
    forbid_ending()  # agents and suites from outside run in here
    line = Line(pipe)
    while True:
        job = line.receive()
        line.send(*_do(job, line))


def _do(job: Any, line: Line) -> tuple[str, Any]:
    """Runs a job; ("done", its result) or ("error", what it raised)."""
    try:
        module, _, name = job.function.partition(":")
        function = getattr(importlib.import_module(module), name)
        return "done", function(job.arguments, lambda message: line.send("message", message))
    except BaseException as error:
        # The one place where anything may arrive.
        return "error", _portable(error)


def _portable(error: BaseException) -> HarnessError:
    """The error as one that surely survives pickling, with the traceback as a note for --debug."""
    told = error if isinstance(error, HarnessError) else WorkError(str(in_one_sentence(error) or described(error)))
    portable = type(told)(str(told))
    portable.worker_traceback = traceback.format_exc()  # type: ignore[attr-defined]
    return portable


def _die_with_parent(parent: int) -> None:
    # Without this a worker whose parent was killed would go on writing into a run that is being resumed.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:  # it died before the line above
        end_process(1)
