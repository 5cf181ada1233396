"""Every refusal of the operating system is one sentence with the path, and a status that fits."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import cli
from harness.errors import AgentError, UsageError
from harness.refusals import SHOWN, in_one_sentence
from harness.streams import OUTPUT


def refused(number: int, *names: str) -> OSError:
    return OSError(number, os.strerror(number), *([names[0], None, names[1]] if len(names) > 1 else names))


def while_importing(cause: OSError) -> ImportError:
    error = ImportError("numpy could not be imported\n\nmany lines of advice")
    error.__cause__ = cause
    return error


TOLD = {
    "absent": (refused(errno.ENOENT, "a/b"), 2, "Cannot use 'a/b': No such file or directory."),
    "a file for a folder": (refused(errno.ENOTDIR, "a/b"), 2, "Cannot use 'a/b': Not a directory."),
    "a loop": (refused(errno.ELOOP, "a"), 2, "Cannot use 'a': its links lead in a circle."),
    "two names": (refused(errno.EACCES, "a", "b"), 2, "Cannot use 'a and b': Permission denied."),
    "bytes": (OSError(errno.EISDIR, "Is a directory", b"a\xff"), 2, "Cannot use 'a\\udcff': Is a directory."),
    "a descriptor": (OSError(errno.EBADF, "Bad file descriptor", 7), 1, "The system refused to go on: Bad file desc"),
    "full": (refused(errno.ENOSPC, "a"), 1, "Cannot use 'a': the disk is full."),
    "too many files": (refused(errno.EMFILE), 1, "The system refused to go on: too many files are open; raise the"),
    "full output": (refused(errno.ENOSPC, OUTPUT), 1, "Cannot write standard output: the disk is full."),
    "closed output": (OSError(errno.EBADF, "it is closed", OUTPUT), 1, "Cannot write standard output: it is closed."),
    "without a number": (OSError("strange"), 1, "The system refused to go on: strange."),
    "a name that is no text": ("a\udcff".encode, 2, "is no text here"),
    "bytes that are no text": (b"\xff".decode, 2, "is no text here"),
    "nested": (RecursionError("maximum recursion depth exceeded"), 2, "nested too deeply"),
    "memory": (MemoryError(), 1, "not enough memory"),
    "an import without descriptors": (while_importing(refused(errno.EMFILE, "x.so")), 1, "Cannot use 'x.so': too many"),
    "a library without descriptors": (ImportError("x.so: cannot open: Too many open files"), 1, "too many files are"),
}


@pytest.mark.parametrize("case", TOLD)
def test_a_refusal_is_one_sentence(case: str) -> None:
    error, status, words = TOLD[case]
    if callable(error):
        with pytest.raises(UnicodeError) as caught:
            error()
        error = caught.value
    told = in_one_sentence(error)
    assert told is not None
    assert words in str(told).replace("are no text here", "is no text here")
    assert told.exit_code == status
    assert "\n" not in str(told)


def test_our_own_errors_stay_and_faults_of_the_program_are_not_hidden() -> None:
    for ours in (AgentError("x"), UsageError("y")):
        assert in_one_sentence(ours) is ours
    for fault in (TypeError("x"), KeyError("y"), ImportError("no module"), ValueError("z")):
        assert in_one_sentence(fault) is None


def test_a_path_that_is_too_long_is_shown_by_its_ends() -> None:
    told = str(in_one_sentence(refused(errno.ENAMETOOLONG, "a" * 3000 + "z")))
    assert len(told) < 2 * SHOWN + 100
    assert told.endswith("az': File name too long.")


def test_a_deleted_current_folder_is_told_as_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(FileNotFoundError) as caught:
        Path("x").absolute()
    assert str(in_one_sentence(caught.value)) == "The current folder was deleted: change into another one."


Harness = Callable[..., tuple[int, str, str]]


@pytest.fixture
def harness(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Harness:
    """Runs the command line in this process, in an empty folder; returns exit status, output and errors."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["harness", *arguments])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        captured = capsys.readouterr()
        return int(stop.value.code or 0), captured.out, captured.err

    return call


def test_the_command_line_tells_what_nobody_caught(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise refused(errno.ELOOP, "somewhere")

    monkeypatch.setattr("harness.listing.presets", fail)
    assert harness("list", "presets") == (2, "", "error: Cannot use 'somewhere': its links lead in a circle.\n")


def test_values_that_are_nested_too_deeply_are_wrong_use(harness: Harness) -> None:
    run = ("run", "--suite", "harness.testing:SUITE", "--agent", "tests.harness.learner:AGENT")
    status, out, err = harness(*run, "--set", "rate=" + "[" * 100_000)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "Traceback" not in err


@pytest.fixture
def no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container whose user has no entry in the list of users."""

    def nobody(user: object) -> None:
        raise KeyError(user)

    for name in ("HOME", "XDG_CACHE_HOME", "HARNESS_ASSETS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", nobody)


@pytest.mark.usefixtures("no_home")
def test_without_a_home_folder_only_what_needs_one_is_refused(harness: Harness) -> None:
    status, out, _ = harness("assets", "list")
    assert (status, "resnet18" in out) == (0, True)
    status, out, err = harness("assets", "fetch", "resnet18")
    assert (status, out) == (2, "")
    assert err == "error: There is no home folder to keep files in: set HOME, or XDG_CACHE_HOME.\n"
    status, _, err = harness("assets", "list", "--assets", "~/files")
    assert (status, err.count("\n"), "'~/files'" in err) == (2, 1, True)
