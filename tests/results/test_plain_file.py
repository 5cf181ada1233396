"""Only plain files are read, and nothing is waited for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.results.plain_file import read_plain


def test_a_plain_file_is_read_also_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("file")
    assert read_plain(tmp_path / "file") == read_plain(tmp_path / "link") == b"12345"
    assert read_plain(tmp_path / "file", 3) == b"123"


def test_an_absent_file_is_absent(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_plain(tmp_path / "file")


@pytest.mark.parametrize("kind", ["pipe", "zero", "full", "folder"])
def test_what_is_no_plain_file_is_refused_at_once(kind: str, tmp_path: Path) -> None:
    path = {"zero": Path("/dev/zero"), "full": Path("/dev/full")}.get(kind, tmp_path / kind)
    if kind == "pipe":
        os.mkfifo(path)
    if kind == "folder":
        path.mkdir()
    with pytest.raises(OSError, match=r"no plain file|Is a directory"):
        read_plain(path)
