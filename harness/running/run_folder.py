"""A run's folder: what lies where in it, who may write it, and what a kill may have left in it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import os
import shutil
import sys
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
TRAINING = "train/*-seed*"
FOLDERS = (
    *(".", "rows", "train", TRAINING),
    *(f"{TRAINING}/{name}" for name in ("policy", "checkpoints", "memory", "tensorboard")),
)
FILES = (
    *("record.json", "late_files.json", "replays.json", LOCK_FILE, "rows/*.jsonl", "rows/*.parquet"),
    *(f"{TRAINING}/{name}" for name in ("*.json", "*.jsonl", "policy/*.json", "policy/*.safetensors")),
)


def train_folder(plan: RunPlan, task: str, seed: int) -> Path:
    """Where the training of a task and seed keeps everything."""
    return plan.folder / "train" / f"{task}-seed{seed}"


def policy_folder(plan: RunPlan, task: str, seed: int) -> Path:
    """Where that training leaves its policy."""
    return train_folder(plan, task, seed) / "policy"


def is_trained(plan: RunPlan, task: str, seed: int) -> bool:
    """Whether that training is over."""
    return has_policy(train_folder(plan, task, seed))


def check_layout(folder: Path) -> None:
    """Checks that what lies in a run's folder is folders and files where they are due; that there is none is well.

    Raises:
      UsageError: for a file in a folder's place, a link to nowhere, a pipe, and the like.
    """
    for patterns, is_right, due in ((FOLDERS, Path.is_dir, "folder"), (FILES, Path.is_file, "plain file")):
        for path in (path for pattern in patterns for path in _matches(folder, pattern)):
            if not is_right(path):
                raise UsageError(f"{path} is not a {due}, as a run keeps in this place: move it away.")


def _matches(folder: Path, pattern: str) -> list[Path]:
    """What is there, links to nowhere included, which a glob alone leaves out where it is asked for a whole name."""
    above, _, name = pattern.rpartition("/")
    parents = list(folder.glob(above)) if above else [folder]
    found = [path for parent in parents for path in (parent.glob(name) if "*" in name else [parent / name])]
    return [path for path in found if os.path.lexists(path)]


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


# What a file system says that knows no locks: NFS without its daemon, Lustre mounted without flock.
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


@functools.cache  # once, however many runs
def _tell_of_no_locks() -> None:
    print("Note: this file system has no locks: start no second command at a run that is at work.", file=sys.stderr)


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
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            _tell_of_no_locks()
        yield
    finally:
        os.close(descriptor)
