"""What a training goes on from is checked before it does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.errors import CheckpointError
from harness.running import training_folder
from harness.running.training_folder import (
    check_unfinished,
    newest_checkpoint,
    note_revision,
    read_progress,
    read_revisions,
    write_progress,
)

COUNTERS = {"num_frames": 100, "num_steps": 50, "num_episodes": 2, "elapsed_sec": 1.5}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in (50, 100):
        checkpoint = tmp_path / "checkpoints" / f"{number:012d}"
        (checkpoint / "replay").mkdir(parents=True)
        (checkpoint / "agent.json").write_text("{}")
        (checkpoint / "replay" / "0.npy").write_bytes(b"123")
        write_progress(checkpoint, COUNTERS)
    (tmp_path / "checkpoints" / ".000000000200.tmp").mkdir()
    note_revision(tmp_path, "abc")
    return tmp_path


def test_the_newest_checkpoint_counts(folder: Path) -> None:
    checkpoint = newest_checkpoint(folder)
    assert checkpoint == folder / "checkpoints" / "000000000100"
    assert read_progress(checkpoint).model_dump(include=set(COUNTERS)) == COUNTERS
    check_unfinished(folder)
    assert newest_checkpoint(folder / "nowhere") is None
    check_unfinished(folder / "nowhere")


def test_revisions_are_noted_once(folder: Path) -> None:
    assert note_revision(folder, "def") == "abc, def"
    assert note_revision(folder, "abc") == "abc, def"
    assert read_revisions(folder) == ["abc", "def"]


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("name", ["agent.json", "replay/0.npy"])
def test_a_changed_file_of_a_checkpoint_is_seen(
    folder: Path, name: str, large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "checkpoints" / "000000000100" / name).write_text("{ }")
    if large:  # left to the worker, which reads it anyway
        monkeypatch.setattr(training_folder, "HASH_BELOW", 0)
        check_unfinished(folder)
        return
    with pytest.raises(CheckpointError, match=r"files do not match its progress.json; remove that folder"):
        check_unfinished(folder)


@pytest.mark.parametrize("text", ["null", "{}", "3", '["a", 1]', '"abc"', "[" * 9999, "[[1]]"])
def test_damaged_revisions_are_refused(folder: Path, text: str) -> None:
    (folder / "revisions.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"revisions\.json is damaged: .*; remove .* to train again"):
        check_unfinished(folder)


def test_a_checkpoint_of_an_earlier_version_is_read(folder: Path) -> None:
    progress = folder / "checkpoints" / "000000000100" / "progress.json"
    progress.write_text(json.dumps(COUNTERS))
    check_unfinished(folder)
    progress.unlink()
    with pytest.raises(CheckpointError, match=r"has no progress\.json"):
        check_unfinished(folder)
