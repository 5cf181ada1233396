"""Places that the operating system refuses: made in an empty folder, and returned as a user writes them."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

Place = Callable[[Path, str], str]  # (an empty folder, what the name is to end in) -> path


def a_file(folder: Path, end: str) -> str:
    (folder / f"file{end}").write_text("text")
    return str(folder / f"file{end}")


def below_a_file(folder: Path, end: str) -> str:
    return f"{a_file(folder, '')}/below{end}"


def a_folder(folder: Path, end: str) -> str:
    (folder / f"folder{end}").mkdir()
    return str(folder / f"folder{end}")


def a_loop(folder: Path, end: str) -> str:
    (folder / f"loop{end}").symlink_to(folder / "other")
    (folder / "other").symlink_to(folder / f"loop{end}")
    return str(folder / f"loop{end}")


def below_a_loop(folder: Path, end: str) -> str:
    return f"{a_loop(folder, '')}/below{end}"


def a_link_to_nowhere(folder: Path, end: str) -> str:
    (folder / f"link{end}").symlink_to(folder / "no" / "such" / "place")
    return str(folder / f"link{end}")


def nowhere(folder: Path, end: str) -> str:
    return str(folder / "no" / "such" / f"place{end}")


def too_long_a_name(folder: Path, end: str) -> str:
    return str(folder / ("n" * 300 + end))


def too_long_a_path(folder: Path, end: str) -> str:
    return str(folder / "/".join(["long"] * 1000)) + end


def a_pipe(folder: Path, end: str) -> str:
    os.mkfifo(folder / f"pipe{end}")
    return str(folder / f"pipe{end}")


def a_socket(folder: Path, end: str) -> str:
    before = os.getcwd()
    os.chdir(folder)  # the name of a socket has at most 107 bytes
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(f"socket{end}")
    os.chdir(before)
    return str(folder / f"socket{end}")


def an_endless_device(folder: Path, end: str) -> str:
    (folder / f"zero{end}").symlink_to("/dev/zero")
    return str(folder / f"zero{end}")


def below_a_device(folder: Path, end: str) -> str:
    return f"/dev/null/below{end}"


def a_system_folder(folder: Path, end: str) -> str:
    return f"/proc/self/place{end}"  # where not even root makes anything


def no_text(folder: Path, end: str) -> str:
    return str(folder / (os.fsdecode(b"\xff\xfe-place") + end))


def a_home_of_nobody(folder: Path, end: str) -> str:
    return f"~nobody-of-this-name/place{end}"


# What is there and not what is due, or what nothing can be made in.
SPECIAL: tuple[Place, ...] = (
    *(below_a_file, a_loop, below_a_loop, a_link_to_nowhere, too_long_a_name, too_long_a_path),
    *(a_pipe, a_socket, below_a_device, a_system_folder),
)
FOR_NEW_FOLDERS: tuple[Place, ...] = (*SPECIAL, a_file, an_endless_device)
FOR_FOLDERS: tuple[Place, ...] = (*FOR_NEW_FOLDERS, nowhere, no_text)
FOR_NEW_FILES: tuple[Place, ...] = (*SPECIAL, a_folder, nowhere)
