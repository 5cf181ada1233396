"""What a training keeps in its folder, and whether it is as it was written: checkpoints, revisions, the policy."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, NonNegativeFloat, NonNegativeInt

from harness.errors import CheckpointError
from harness.files import contents_digest, write_json
from harness.reading import SHA256, SealedRecord, read_json, read_sealed, seal
from harness.running.policies import HASH_BELOW, PROVENANCE_FILE

PROGRESS_FILE = "progress.json"
REVISIONS_FILE = "revisions.json"
RESUME_ONLY = ("checkpoints", "collecting", "demos", "memory")


class Progress(SealedRecord):
    """The record of a checkpoint: how far training had come, and which files it is."""

    num_frames: NonNegativeInt
    num_steps: NonNegativeInt
    num_episodes: NonNegativeInt
    elapsed_sec: NonNegativeFloat
    digest: str | None = Field(default=None, pattern=SHA256)  # over its files; None: of an earlier version


def has_policy(folder: Path) -> bool:
    """Whether the training that works in a folder is over."""
    return (folder / "policy" / PROVENANCE_FILE).exists()


def remove_leftovers(folder: Path) -> None:
    """Removes what only a resume needs, tens of gigabytes at times; for trainings whose policy is there."""
    for name in RESUME_ONLY:
        shutil.rmtree(folder / name, ignore_errors=True)


def newest_checkpoint(folder: Path) -> Path | None:
    """The newest complete checkpoint of the training in a folder; None before the first."""
    return max((folder / "checkpoints").glob("[0-9]*"), default=None)


def write_progress(checkpoint: Path, counters: Mapping[str, Any]) -> None:
    """Writes the record of a checkpoint whose other files are there."""
    digest = contents_digest(checkpoint, leave_out=PROGRESS_FILE)
    write_json(checkpoint / PROGRESS_FILE, seal({**counters, "digest": digest}))


def read_progress(checkpoint: Path) -> Progress:
    """Reads the record of a checkpoint.

    Raises:
      CheckpointError: if it is missing, damaged or edited.
    """
    try:
        return read_sealed(
            checkpoint / PROGRESS_FILE, Progress, error=CheckpointError, remedy=f"remove {checkpoint} to start over"
        )
    except FileNotFoundError:
        raise CheckpointError(f"{checkpoint} has no {PROGRESS_FILE}: remove that folder to start over.") from None


def check_checkpoint(checkpoint: Path, progress: Progress) -> None:
    """Compares the files of a checkpoint with its record.

    Raises:
      CheckpointError: if they differ.
    """
    try:
        found = contents_digest(checkpoint, leave_out=PROGRESS_FILE)
    except OSError as error:
        raise CheckpointError(f"{checkpoint} cannot be read ({error.strerror or error}).") from error
    if progress.digest not in (None, found):
        raise CheckpointError(
            f"{checkpoint} is damaged: its files do not match its {PROGRESS_FILE}; remove that folder to start over."
        )


def read_revisions(folder: Path) -> list[str]:
    """The code revisions that have worked on a training, the first one first.

    Raises:
      CheckpointError: if their file is damaged.
    """
    try:
        remedy = f"remove {folder} to train again"
        return read_json(folder / REVISIONS_FILE, list[str], error=CheckpointError, remedy=remedy)
    except FileNotFoundError:
        return []


def note_revision(folder: Path, revision: str) -> str:
    """Adds the revision to those that have worked on this training, and returns them all, joined by commas."""
    known = read_revisions(folder)
    if revision not in known:
        known.append(revision)
        write_json(folder / REVISIONS_FILE, known)
    return ", ".join(known)


def check_unfinished(folder: Path) -> None:
    """Checks what a training would go on from; of large checkpoints the record alone, as a worker reads them whole.

    Raises:
      CheckpointError: if any of it is damaged.
    """
    read_revisions(folder)
    checkpoint = newest_checkpoint(folder)
    if checkpoint is not None:
        progress = read_progress(checkpoint)
        if sum(file.stat().st_size for file in checkpoint.rglob("*")) < HASH_BELOW:
            check_checkpoint(checkpoint, progress)
