"""The current folder is searched last."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from harness import search_path


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A current folder, and a path that may be changed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["/first", "/last"])
    return str(tmp_path)


def test_the_current_folder_is_appended_once(here: str) -> None:
    search_path.append_current_folder()
    search_path.append_current_folder()
    assert sys.path == ["/first", "/last", here]


def test_what_the_user_put_in_front_stays_there(here: str) -> None:
    sys.path.insert(0, "")
    search_path.append_current_folder()
    assert sys.path == ["", "/first", "/last"]


@pytest.mark.parametrize("first", ["", None])
def test_what_python_put_in_front_goes_last(here: str, first: str | None) -> None:
    sys.path.insert(0, here if first is None else first)
    search_path.move_current_folder_last()
    search_path.move_current_folder_last()
    assert sys.path == ["/first", "/last", here if first is None else first]


def test_a_deleted_folder_is_no_error(here: str) -> None:
    Path(here).rmdir()
    search_path.append_current_folder()
    search_path.move_current_folder_last()
    assert sys.path == ["/first", "/last", ""]


@pytest.mark.parametrize("before", [None, "yes"])
def test_the_environment_is_as_before_once_a_process_was_started(
    monkeypatch: pytest.MonkeyPatch, before: str | None
) -> None:
    monkeypatch.delenv(search_path.SAFE_PATH, raising=False)
    if before is not None:
        monkeypatch.setenv(search_path.SAFE_PATH, before)
    with search_path.starting_python() as kept:
        assert os.environ[search_path.SAFE_PATH] == "1"
    assert kept == before
    assert os.environ.get(search_path.SAFE_PATH) == before
