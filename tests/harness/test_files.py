"""Files appear whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from harness.errors import UsageError, WorkError
from harness.files import check_target, commit_folder, disk_errors, new_folder, sha256_of, write_json, write_text


def test_json_is_replaced_as_one_step(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    write_json(path, {"b": 1, "a": [2]})
    write_json(path, {"b": 2, "a": "ü"})
    assert json.loads(path.read_text(encoding="utf-8")) == {"a": "ü", "b": 2}
    assert [child.name for child in tmp_path.iterdir()] == ["record.json"]


def test_a_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    write_json(path, {"a": 1})
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert json.loads(path.read_text()) == {"a": 1}


def test_a_device_or_a_pipe_is_written_into_and_stays(tmp_path: Path) -> None:
    """Root, too, may say `--out /dev/null`."""
    pipe, device = tmp_path / "pipe", Path("/dev/null")
    os.mkfifo(pipe)
    with pytest.raises(UsageError, match="Cannot write"):
        check_target(pipe)  # which nobody reads
    with open(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK), "rb") as reader:
        check_target(pipe)
        write_text(pipe, "told")
        read = [reader.read(4)]
    write_text(device, "told")
    assert read == [b"told"]
    assert (pipe.is_fifo(), device.is_char_device(), [child.name for child in tmp_path.iterdir()]) == (
        True,
        True,
        ["pipe"],
    )


def test_a_link_stays_and_leads_to_what_was_written(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there/file")
    for text in ("old", "new"):
        write_text(tmp_path / "link", text)
        assert (tmp_path / "there" / "file").read_text() == text
        assert (tmp_path / "link").is_symlink()
    assert len(list((tmp_path / "there").iterdir())) == 1


def test_a_target_is_tried_and_left_as_it_was(tmp_path: Path) -> None:
    check_target(tmp_path / "new.png")
    assert not list(tmp_path.iterdir())
    (tmp_path / "old.png").write_bytes(b"old")
    check_target(tmp_path / "old.png")
    assert (tmp_path / "old.png").read_bytes() == b"old"
    for wrong in (tmp_path, tmp_path / "no" / "x.png", tmp_path / "old.png" / "x.png"):
        with pytest.raises(UsageError, match="Cannot write"):
            check_target(wrong)


def test_a_folder_replaces_another(tmp_path: Path) -> None:
    for content in ("old", "new"):
        temporary = tmp_path / "t"
        (temporary / "deep").mkdir(parents=True)
        (temporary / "deep" / "file").write_text(content)
        commit_folder(temporary, tmp_path / "final")
    assert (tmp_path / "final" / "deep" / "file").read_text() == "new"
    assert [child.name for child in tmp_path.iterdir()] == ["final"]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
def test_files_of_a_folder_follow_the_umask(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        temporary = tmp_path / "t"
        temporary.mkdir()
        save_file({"weights": np.zeros(2)}, temporary / "policy.safetensors")  # writes 0600 by itself
        write_json(temporary / "record.json", {})
        commit_folder(temporary, tmp_path / "final")
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "final").iterdir()} == {mode}


@pytest.mark.parametrize(
    ("number", "words"), [(errno.ENOSPC, "disk is full"), (errno.EROFS, "read-only"), (errno.EIO, "Input/output")]
)
def test_disk_errors_are_one_sentence(number: int, words: str) -> None:
    with pytest.raises(WorkError, match=rf"Cannot write the log: .*{words}"), disk_errors("the log"):
        raise OSError(number, os.strerror(number))


def test_a_full_disk_of_a_library_in_rust_is_one_too() -> None:
    from safetensors import SafetensorError

    told = "Error while serializing: I/O error: No space left on device (os error 28)"
    with pytest.raises(WorkError, match="Cannot write x: the disk is full"), disk_errors("x"):
        raise SafetensorError(told)
    with pytest.raises(SafetensorError), disk_errors("x"):
        raise SafetensorError("another matter")
    with pytest.raises(UsageError, match=r"^os error 28$"), disk_errors("x"):
        raise UsageError("os error 28")


def test_a_folder_that_could_not_be_filled_leaves_nothing(tmp_path: Path) -> None:
    with new_folder(tmp_path / "final") as folder:
        (folder / "file").write_text("old")
    with contextlib.suppress(KeyboardInterrupt), new_folder(tmp_path / "final") as folder:
        (folder / "file").write_text("new")
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.rglob("*")] == ["final", "file"]
    assert (tmp_path / "final" / "file").read_text() == "old"


def test_a_text_that_could_not_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    write_text(tmp_path / "text", "old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WorkError, match="disk is full"):
        write_text(tmp_path / "text", "new")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("text", "old")]


def test_digests_run_over_all_files_in_order(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_bytes(b"one" * 1_000_000)
    b.write_bytes(b"two")
    assert sha256_of(a, b) == hashlib.sha256(b"one" * 1_000_000 + b"two").hexdigest()
    assert sha256_of(a, b) != sha256_of(b, a)
