"""A run's folder: what lies where in it, who may write it, and what a kill may have left in it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from harness.errors import UsageError
from harness.running.plan import RunPlan
from harness.running.training_folder import RESUME_ONLY, has_policy

TEMPORARY = (  # what is renamed when it is whole
    ".*.tmp",
    "rows/*.tmp",
    "train/*/.*.tmp",
)
LOCK_FILE = "lock"


def train_folder(plan: RunPlan, task: str, seed: int) -> Path:
    """Where the training of a task and seed keeps everything."""
    return plan.folder / "train" / f"{task}-seed{seed}"


def policy_folder(plan: RunPlan, task: str, seed: int) -> Path:
    """Where that training leaves its policy."""
    return train_folder(plan, task, seed) / "policy"


def is_trained(plan: RunPlan, task: str, seed: int) -> bool:
    """Whether that training is over."""
    return has_policy(train_folder(plan, task, seed))


def leftovers(folder: Path) -> list[Path]:
    """What kills have left in a run's folder and nobody needs any more."""
    found = [path for pattern in TEMPORARY for path in folder.glob(pattern)]
    trained = [training for training in folder.glob("train/*") if has_policy(training)]
    return found + [training / name for training in trained for name in RESUME_ONLY if (training / name).exists()]


def clean(folder: Path) -> None:
    """Removes the leftovers; for whoever holds the run's lock."""
    for path in leftovers(folder):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds the run for this process.

    Raises:
      UsageError: if the folder cannot be written, or another process holds the run.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise UsageError(f"Cannot write into {folder}: {error.strerror}. Choose another place with --runs.") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"Another process is at work on {folder}; wait for it or stop it.") from None
        yield
    finally:
        os.close(descriptor)
