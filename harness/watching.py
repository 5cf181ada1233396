"""Which files code from outside opens for reading, and which modules it imports, while it runs.

Python tells an audit hook of every file that it opens itself. What a library opens in C, Rust or another process
(safetensors, HDF5) is not seen; such files have to be named.
"""

from __future__ import annotations

import os
import site
import sys
import sysconfig
import threading
from collections.abc import Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

SYSTEM = ("/proc", "/dev", "/sys", "/etc", "/run", "/usr/lib", "/usr/share", "/lib", "/lib64")
INSTALLED = {"site-packages", "dist-packages", "__pycache__"}  # a folder of such a name holds nobody's own files
OURS = ("suites", "baselines", "results", "reports")  # beside `harness` in a checkout

_lock = threading.Lock()
_active: list[Watch] = []
_hooked = False
_read_by_import: dict[str, frozenset[Path]] = {}  # module -> what was read and imported while it was


class Watch:
    """Collects what is read while its `with` block runs, in whichever thread; may be entered again and again.

    Attributes:
      files: the user's own files that were opened for reading or imported; not those that were opened for writing
        before, which are no input.

    Args:
      ignored: folders whose files do not count.
    """

    def __init__(self, ignored: Iterable[Path] = ()) -> None:
        self._ignored = tuple(folder.resolve() for folder in ignored)
        self._opened: dict[str, None] = {}
        self._written: set[str] = set()
        self._looked_at: set[str] = set()
        self._modules: set[str] = set()
        self.files: set[Path] = set()

    def __enter__(self) -> Watch:
        _hook()
        if self not in _active and len(self._modules) != len(sys.modules):
            self._modules = set(sys.modules)
        with _lock:
            _active.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        with _lock:
            _active.remove(self)
        if len(self._opened) != len(self._looked_at) or len(sys.modules) != len(self._modules):
            self._look()

    def opened(self, path: str, *, reads: bool) -> None:
        """Takes note of a file that is being opened; called from within that, so it does next to nothing."""
        if not reads:
            self._written.add(path)
        elif path not in self._written:
            self._opened[path] = None

    def _look(self) -> None:
        new = [path for path in list(self._opened) if path not in self._looked_at]
        self._looked_at.update(new)
        files = {Path(path) for path in new} | files_of_modules(set(sys.modules) - self._modules)
        self.files |= {path.resolve() for path in files if self._counts(path)}

    def _counts(self, path: Path) -> bool:
        return is_own(path) and not any(path.resolve().is_relative_to(folder) for folder in self._ignored)


@contextmanager
def reading_watched(ignored: Iterable[Path] = ()) -> Iterator[Watch]:
    """Watches what is read within; see `Watch`."""
    with Watch(ignored) as watch:
        yield watch


@contextmanager
def import_watched(module: str) -> Iterator[None]:
    """Around an import of a user's module: remembers what it read and imported, for `read_by_import`."""
    with reading_watched() as watch:
        yield
    # A second import gives what is there already and reads nothing.
    _read_by_import[module] = _read_by_import.get(module, frozenset()) | watch.files


def read_by_import(module: str) -> frozenset[Path]:
    """The user's own files that were read or imported when a module was imported or looked at in this process."""
    return _read_by_import.get(module, frozenset())


def files_of_modules(names: Iterable[str]) -> set[Path]:
    """The user's own files among those that imported modules come from."""
    files = (getattr(sys.modules.get(name), "__file__", None) for name in names)
    return {Path(file) for file in files if isinstance(file, str) and is_own(Path(file))}


def is_own(path: Path) -> bool:
    """Whether a file is a user's: there, and of neither Python, an installed package, this project nor the system."""
    try:
        resolved = path.resolve()
        if not resolved.is_file() or INSTALLED & set(resolved.parts):
            return False
    except (OSError, ValueError, RuntimeError):
        return False
    return not any(resolved.is_relative_to(folder) for folder in _not_own())


def _not_own() -> tuple[Path, ...]:
    if not _NOT_OWN:
        package = Path(__file__).resolve().parent
        ours = [package, *(package.parent / name for name in OURS if not (package / name).is_dir())]
        python = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
        found = [*python, *site.getsitepackages(), site.getusersitepackages(), *SYSTEM]
        _NOT_OWN.extend(dict.fromkeys([*ours, *(Path(folder).resolve() for folder in found)]))
    return tuple(_NOT_OWN)


_NOT_OWN: list[Path] = []


def _hook() -> None:
    global _hooked
    if not _hooked:
        _hooked = True
        sys.addaudithook(_audit)  # for good: Python takes none back


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if not _active or event not in ("open", "sqlite3.connect"):
        return
    path = arguments[0]
    if not isinstance(path, str | bytes | os.PathLike):
        return  # a descriptor that is open already
    flags = arguments[2] if event == "open" and isinstance(arguments[2], int) else os.O_RDONLY
    full = os.path.abspath(os.fsdecode(path))
    reads = flags & (os.O_WRONLY | os.O_RDWR | os.O_TRUNC) in (os.O_RDONLY, os.O_RDWR)
    for watch in list(_active):
        watch.opened(full, reads=reads and not flags & os.O_EXCL)
