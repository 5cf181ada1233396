"""Reading files that may be anything: a pipe would be waited for, and a device never ends."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def read_plain(path: Path, limit: int = -1) -> bytes:
    """The contents of a plain file, or its first `limit` bytes.

    Raises:
      FileNotFoundError: if there is no such file.
      OSError: if it cannot be read, or is a folder, a pipe, a device or a socket.
    """
    with open(path, "rb", opener=_open_at_once) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is no plain file", str(path))
        return file.read(limit)


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)
