"""Faults of the disk for this process and its children: a kill, or a refusal, at the n-th change below a folder.

A change is a file operation that another process could notice: a file is opened for writing, made empty, written (once
before and once in the middle, which leaves half of it), synced, renamed or removed; a folder is made or removed.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHANGING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
KILLS = ("kill", "back")
TAKES_SPACE = ("open", "made", "write", "half", "os.mkdir")


@dataclass(frozen=True)
class Fault:
    """What happens, and when.

    Attributes:
      role: "parent" for the process that installs it, "worker" for its children.
      number: of the change, from 1; 0 for none.
      kind: "kill"; "back": the same, and the clock is set back before the next command; "two": the same command is
        given a second time, and has ended before this one goes on; "full": from then on nothing that takes space
        succeeds; "EIO" and the like: that change is refused.
      marker: a file that is made when it happens, so that no second process suffers it.
      second: what is called for "two", in a process of its own.
    """

    role: str
    number: int
    kind: str
    marker: Path
    second: Callable[[], None] | None = None


class FaultyDisk:
    """Counts the changes below a folder; `install` cannot be taken back, so a process is given up to it."""

    def __init__(self, under: Path, fault: Fault | None, log: Path | None = None) -> None:
        self._under = str(under)
        self._fault, self._log = fault, log
        self._role, self._count, self._is_full = "parent", 0, False
        self._inside = False  # what the counting itself does is no change
        self._write, self._fsync, self._open = os.write, os.fsync, io.open

    def install(self) -> None:
        os.register_at_fork(after_in_child=self._become_worker)
        os.write, os.fsync = self._counted_write, self._counted_fsync
        builtins.open = io.open = self._counted_open  # type: ignore[assignment]
        sys.addaudithook(self._audit)

    def change(self, operation: str, path: str, half: Callable[[], Any] | None = None) -> None:
        """Counts one change, and lets the fault happen where it is due."""
        if self._inside or not path.startswith(self._under):
            return
        self._inside = True
        try:
            self._count += 1
            self._note(operation, path)
            fault = self._fault
            if self._is_full and operation in TAKES_SPACE:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
            if fault and (fault.role, fault.number) == (self._role, self._count) and not fault.marker.exists():
                fault.marker.touch()
                self._happen(fault, operation, path, half)
        finally:
            self._inside = False

    def _happen(self, fault: Fault, operation: str, path: str, half: Callable[[], Any] | None) -> None:
        kind = fault.kind
        if kind == "two":
            _in_another_process(fault.second)
            return
        if half is not None:
            half()
        if kind in KILLS:
            os.kill(os.getpid(), signal.SIGKILL)
        if kind == "full":
            self._is_full = True
            if operation not in TAKES_SPACE:
                return
        number = errno.ENOSPC if kind == "full" else getattr(errno, kind)
        raise OSError(number, os.strerror(number), path)

    def _note(self, operation: str, path: str) -> None:
        if self._log is not None:
            with self._open(self._log, "a") as log:
                log.write(f"{self._role} {operation} {path.removeprefix(self._under)}\n")

    def _become_worker(self) -> None:
        self._role, self._count, self._is_full = "worker", 0, False

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._inside:
            return
        if event == "open":
            path, _, flags = arguments
            if isinstance(path, str | bytes | os.PathLike) and flags & CHANGING:
                self.change("open", _absolute(path))
        elif event in ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod", "os.truncate"):
            folder = arguments[-1] if isinstance(arguments[-1], int) else -1
            self.change(event, _absolute(arguments[0], folder))

    def _counted_write(self, file: int, data: Any) -> int:
        path = _path_of(file)
        self.change("write", path)
        self.change("half", path, lambda: self._write(file, bytes(data)[: len(data) // 2]))
        return self._write(file, data)

    def _counted_fsync(self, file: int) -> None:
        self.change("fsync", _path_of(file))
        self._fsync(file)

    def _counted_open(
        self,
        file: Any,
        mode: str = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        closefd: bool = True,
        opener: Any = None,
    ) -> Any:
        writes = any(letter in mode for letter in "wax+")
        if isinstance(file, int) or not writes or not _absolute(file).startswith(self._under):
            return self._open(file, mode, buffering, encoding, errors, newline, closefd, opener)
        raw = _CountedFile(file, mode.replace("b", "").replace("t", ""), opener=opener)
        raw.disk = self
        self.change("made", raw.path)
        if buffering == 0:
            return raw
        binary: Any = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
        return binary if "b" in mode else io.TextIOWrapper(binary, encoding, errors, newline)


def _in_another_process(function: Callable[[], None] | None) -> None:
    """Calls it in a forked process, whose changes are not counted, and waits for that."""
    if child := os.fork():
        os.waitpid(child, 0)
    elif function is not None:
        function()


class _CountedFile(io.FileIO):
    """A file whose writes are counted; the rest of them all is buffers over it."""

    disk: FaultyDisk

    @property
    def path(self) -> str:
        return _absolute(os.fspath(self.name))

    def write(self, data: Any, /) -> int:
        self.disk.change("write", self.path)
        self.disk.change("half", self.path, lambda: super(_CountedFile, self).write(bytes(data)[: len(data) // 2]))
        return super().write(data)


def _absolute(path: Any, folder: int = -1) -> str:
    """The path as one text; `folder` is the descriptor it starts from, where there is one."""
    if isinstance(path, int):
        return _path_of(path)
    text = os.fsdecode(path)
    return os.path.join(_path_of(folder), text) if folder >= 0 else os.path.abspath(text)


def _path_of(file: int) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{file}")
    except OSError:
        return ""
