"""What kills leave behind is found and removed, and nothing else; a run belongs to one process."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.running import run_folder
from harness.running.run_folder import clean, leftovers, locked

KEPT = (
    "record.json",
    "lock",
    "notes.txt",
    "rows/dot_stay+train+seed0.parquet",
    "train/dot_stay-seed0/train.jsonl",
    "train/dot_stay-seed0/policy/provenance.json",
    "train/dot_stay-seed0/policy/policy.tmp",
    "train/dot_reach-seed0/checkpoints/000000000050/progress.json",
    "train/dot_reach-seed0/memory/000.npz",
)
LEFT = (
    ".record.json.123.tmp",
    "rows/dot_stay+train+seed0.parquet.tmp",
    "train/dot_stay-seed0/.policy.tmp/weights.safetensors",
    "train/dot_stay-seed0/.revisions.json.7.tmp",
    "train/dot_stay-seed0/checkpoints/.000000000100.tmp/state.json",
    "train/dot_stay-seed0/memory/000.npz",
)


def fill(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def test_leftovers_are_removed_and_the_rest_stays(tmp_path: Path) -> None:
    fill(tmp_path, *KEPT)
    assert leftovers(tmp_path) == []
    fill(tmp_path, *LEFT)
    assert len(leftovers(tmp_path)) == len(LEFT)
    clean(tmp_path)
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()} == set(KEPT)
    assert leftovers(tmp_path) == []


def test_a_leftover_that_is_a_link_does_not_reach_further(tmp_path: Path) -> None:
    fill(tmp_path, "elsewhere/file", "run/record.json")
    (tmp_path / "run" / ".policy.tmp").symlink_to(tmp_path / "elsewhere")
    clean(tmp_path / "run")
    assert (tmp_path / "elsewhere" / "file").exists()
    assert not (tmp_path / "run" / ".policy.tmp").is_symlink()


def test_a_run_belongs_to_one_process(tmp_path: Path) -> None:
    with locked(tmp_path / "run"), pytest.raises(UsageError, match="Another process"), locked(tmp_path / "run"):
        pass
    with locked(tmp_path / "run"):
        pass


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_without_locks_it_goes_on_with_a_note(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    run_folder._tell_of_no_locks.cache_clear()
    monkeypatch.setattr(run_folder.fcntl, "flock", refuse)
    for _ in range(2):
        with locked(tmp_path / "run"):
            pass
    assert capsys.readouterr().err.count("Note: this file system has no locks") == 1


def test_a_place_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").touch()
    with pytest.raises(UsageError, match=r"Cannot write into .*run"), locked(tmp_path / "run"):
        pass
