"""What code from outside reads while it runs is seen, and nothing else is taken for its own."""

from __future__ import annotations

import colorsys
import sqlite3
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import harness
from harness.watching import Watch, import_watched, is_own, read_by_import, reading_watched


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path.resolve()


def test_files_opened_for_reading_are_seen_and_no_others(here: Path) -> None:
    Path("before").write_text("b")
    Path("read").write_text("r")
    Path("input").write_text("i")
    np.save("weights.npy", np.zeros(3))
    sqlite3.connect("data.db").execute("create table t (x)").connection.close()
    Path("before").read_text()
    with reading_watched() as watch:
        assert Path("read").read_text() == "r"
        np.load("weights.npy")
        sqlite3.connect("data.db").close()
        reader = threading.Thread(target=Path("input").read_bytes)
        reader.start()
        reader.join()
        Path("made").write_text("m")
        Path("made").read_text()  # a product of its own
        Path("gone").write_text("g")
        with pytest.raises(FileNotFoundError):
            Path("absent").read_text()
        Path(colorsys.__file__).read_text()
        Path(np.__file__).read_text()
        Path(harness.__file__).read_text()
    Path("before").read_text()
    assert watch.files == {here / name for name in ("read", "weights.npy", "data.db", "input")}


def test_a_watch_goes_on_and_passes_over_folders(here: Path) -> None:
    for name in ("one", "two", "store/three"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(name)
    watch = Watch([Path("store")])
    for name in ("one", "two", "store/three"):
        with watch, watch:
            Path(name).read_text()
    assert watch.files == {here / "one", here / "two"}


def test_modules_imported_within_are_seen_even_from_their_caches(here: Path) -> None:
    for number in range(2):
        Path(f"lazy_{here.name}_{number}.py".replace("-", "_")).write_text("x = 1\n")
    first, second = sorted(path.stem for path in here.glob("lazy*.py"))
    __import__(first)
    del sys.modules[first]  # its bytecode is there now
    watch = Watch()
    with watch:
        __import__(first)
        with watch:
            __import__(second)
        import statistics  # noqa: F401
    assert watch.files == {here / f"{first}.py", here / f"{second}.py"}


def test_an_import_is_remembered(here: Path) -> None:
    Path("data").write_text("d")
    with import_watched("some_name"):
        Path("data").read_text()
    with import_watched("some_name"):
        pass  # a second one reads nothing
    assert read_by_import("some_name") == {here / "data"}
    assert read_by_import("another_name") == frozenset()


def test_what_is_not_there_or_no_file_is_nobodys(here: Path) -> None:
    (here / "link").symlink_to(here / "link")
    assert not any(map(is_own, (here, here / "absent", here / "link", Path("/etc/hostname"), Path("a\0b"))))
