"""What the operating system refuses ends in one sentence and status 2, in under a second, and nothing is touched.

Two tables are made from their kinds: every option that takes a path with every place that is refused; and every piece
of a run's folder with every thing that may lie there instead.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness import cli
from tests.harness import wrong_places
from tests.harness.wrong_places import FOR_FOLDERS, FOR_NEW_FILES, FOR_NEW_FOLDERS, Place
from tests.prompt import AT_ONCE

DOTS = ("--suite", "harness.testing:SUITE", "--task", "dot_stay")
LEARNER = ("--agent", "tests.harness.learner:AGENT", "--device", "cpu", "--quiet", "--workers", "1")
DEMOS = ("demos", "collect", "--suite", "drawerworld", "--task", "drawer_open")

NEW_FOLDERS = {
    "run --runs": ("run", *DOTS, *LEARNER, "--runs"),
    "assets fetch --into": ("assets", "fetch", "resnet18", "--into"),
    "demos collect --out": (*DEMOS, "--out"),
}
ASSETS = {
    "run --assets": ("run", *DOTS, *LEARNER, "--assets"),
    "preview --assets": ("preview", *DOTS, "--assets"),
    "assets list --assets": ("assets", "list", "--assets"),
    "assets verify --assets": ("assets", "verify", "--assets"),
    "demos collect --assets": (*DEMOS, "--assets"),
}
FOLDERS = {"run --checkpoint": ("run", *DOTS, *LEARNER, "--checkpoint"), "curves": ("curves",), **ASSETS}
NEW_FILES = {
    "preview --out": ("preview", *DOTS, "--out"),
    "preview --gif": ("preview", *DOTS, "--gif"),
    "curves --out": ("curves", "{run}", "--out"),
}


def options() -> Iterator[tuple[tuple[str, ...], Place, str]]:
    """(arguments before the path, the place, what its name ends in)."""
    for table, places in ((NEW_FOLDERS, FOR_NEW_FOLDERS), (FOLDERS, FOR_FOLDERS), (NEW_FILES, FOR_NEW_FILES)):
        for name, arguments in table.items():
            end = {"preview --gif": ".gif"}.get(name, ".png" if table is NEW_FILES else "")
            for place in (*places, *((wrong_places.a_home_of_nobody,) if name in ASSETS else ())):
                yield pytest.param(arguments, place, end, id=f"{name}, {place.__name__}")  # type: ignore[misc]


Told = tuple[int, str, str, float]


@pytest.fixture
def harness(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Told]:
    """Runs the command line in this process; returns exit status, output, errors and CPU seconds."""
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/self/cache")  # none, and nobody makes one
    monkeypatch.delenv("HARNESS_ASSETS", raising=False)

    def call(*arguments: str) -> Told:
        monkeypatch.setattr(sys, "argv", ["harness", *arguments])
        started = time.process_time()
        with pytest.raises(SystemExit) as stop:
            cli.main()
        took = time.process_time() - started
        captured = capsys.readouterr()
        return int(stop.value.code or 0), captured.out, captured.err, took

    return call


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run."""
    from harness.running.plan import RunOptions
    from harness.running.planning import make_plan
    from harness.running.run import execute

    asked = RunOptions(
        suite="harness.testing:SUITE",
        agent="tests.harness.learner:AGENT",
        tasks=["dot_stay"],
        frames=100,
        episodes=1,
        workers=1,
        device="cpu",
        runs=tmp_path_factory.mktemp("whole"),
    )
    return execute(make_plan(asked), quiet=True).folder.parent


def contents(folder: Path) -> dict[str, object]:
    """What lies in a folder; of a file its time of change, of a link where it leads."""
    return {
        str(path): os.readlink(path) if path.is_symlink() else path.stat().st_mtime_ns
        for path in sorted(folder.rglob("*"))
        if not path.is_dir() or path.is_symlink()
    } | {str(path): "folder" for path in folder.rglob("*") if path.is_dir() and not path.is_symlink()}


def check_refused(told: Told) -> None:
    status, out, err, took = told
    assert (status, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    assert took < AT_ONCE


@pytest.mark.parametrize(("arguments", "place", "end"), options())
def test_a_place_that_is_refused(
    arguments: tuple[str, ...],
    place: Place,
    end: str,
    harness: Callable[..., Told],
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    path = place(tmp_path, end)
    before = contents(tmp_path), contents(whole)
    told = harness(*(argument.format(run=whole) for argument in arguments), path)
    check_refused(told)
    name = Path(path).name
    assert name[:50].encode("utf-8", "backslashreplace").decode() in told[2] or Path(path).parent.name in told[2]
    assert (contents(tmp_path), contents(whole)) == before


TRAINING = "train/dot_stay-seed0"
PIECES = (
    *("", "record.json", "lock", "rows", "rows/dot_stay+train+seed0.parquet", "train", TRAINING),
    *(f"{TRAINING}/{name}" for name in ("policy", "policy/provenance.json", "policy/weights.safetensors")),
    *(f"{TRAINING}/{name}" for name in ("train.jsonl", "revisions.json", "tensorboard")),
)
POLICY = (TRAINING, *(piece for piece in PIECES if "policy" in piece))
UNFINISHED = tuple(piece for piece in PIECES if "policy" not in piece and "rows" not in piece)
CURVES = (TRAINING, f"{TRAINING}/train.jsonl")
COMMANDS = {
    "run": (("run", *DOTS, *LEARNER, "--frames", "100", "--episodes", "2", "--runs", "{above}"), PIECES),
    "unfinished": (("run", *DOTS, *LEARNER, "--frames", "100", "--episodes", "1", "--runs", "{above}"), UNFINISHED),
    "run --checkpoint": (("run", *DOTS, *LEARNER, "--checkpoint", "{run}"), POLICY),
    "curves": (("curves", "{run}"), CURVES),
}
INSTEAD = ("other", "loop", "link", "pipe", "device", "zero")


def put_instead(path: Path, what: str) -> None:
    """Puts something else where a file or folder was."""
    was_folder = path.is_dir()
    shutil.rmtree(path) if was_folder else path.unlink()
    if what == "other":
        path.write_text("x") if was_folder else path.mkdir()
    elif what == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to({"loop": path, "link": "/no/such/place", "device": "/dev/full", "zero": "/dev/zero"}[what])


@pytest.mark.parametrize("what", INSTEAD)
@pytest.mark.parametrize(
    ("command", "piece"),
    [(name, piece) for name, (_, pieces) in COMMANDS.items() for piece in pieces],
    ids=lambda text: text or "folder",
)
def test_a_piece_of_a_runs_folder_that_is_something_else(
    command: str,
    piece: str,
    what: str,
    harness: Callable[..., Told],
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    run = tmp_path / whole.name
    shutil.copytree(whole, run)
    if command == "unfinished":
        shutil.rmtree(run / "rows")
        shutil.rmtree(run / TRAINING / "policy")
    put_instead(run / piece, what)
    before = contents(tmp_path)
    arguments = (argument.format(above=tmp_path, run=run) for argument in COMMANDS[command][0])
    told = harness(*arguments)
    check_refused(told)
    assert (piece.rpartition("/")[2] or run.name) in told[2] or "holds no" in told[2] or "no checkpoint" in told[2]
    assert contents(tmp_path) == before


def test_there_are_enough_of_them() -> None:
    assert len(list(options())) > 150
    assert sum(len(pieces) for _, pieces in COMMANDS.values()) * len(INSTEAD) > 150
