"""A small run (one training with checkpoints and an evaluation in it, two settings) suffers one fault of the disk, the
same command is given again, and the run's folder must be that of a run that nothing happened to, file by file.

    python -m tests.campaigns.kills                  a kill at every change, in the parent and in its worker
    python -m tests.campaigns.kills --kind full      instead: the disk is full from that change on
    python -m tests.campaigns.kills --kind EIO       instead: that change is refused
    python -m tests.campaigns.kills --kind back      a kill, and the clock goes back by an hour before what follows
    python -m tests.campaigns.kills --kind two       instead: the same command is given a second time at that change
    python -m tests.campaigns.kills --every 7        every seventh alone
    python -m tests.campaigns.kills --size 3         a run of two seeds and three times as many episodes
    python -m tests.campaigns.kills --times 6        the same command, given again, is killed five more times

Processes are forked from one that has imported all, so that a run takes a tenth of a second; they are processes all the
same, with SIGKILL, pipes and locks as ever.
"""

from __future__ import annotations

import argparse
import importlib
import multiprocessing
import os
import random
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.running.provenance import code_revision
from tests.campaigns.file_faults import KILLS, Fault, FaultyDisk
from tests.campaigns.folders import differences, snapshot

COMMAND = (
    *("run", "--suite", "harness.testing:SUITE", "--agent", "tests.harness.learner:AGENT", "--device", "cpu"),
    *("--task", "dot_reach", "--preset", "laptop", "--workers", "1", "--checkpoint-sec", "0", "--quiet", "--json"),
)
ROLES = ("parent", "worker")
CALM = (*KILLS, "two")  # kinds that the command itself, if it lives, does not end with an error of
KILLED = -9
BACK_SEC = 3600.0
IMPORTED = (
    "harness.cli",
    "harness.reports.filling",
    "harness.reports.render",
    "harness.results.store",
    "harness.running.run",
    "harness.running.train",
    "pyarrow.parquet",
    "safetensors.numpy",
    "tensorboard.summary.writer.record_writer",
    "tests.harness.learner",
)


def command(size: int) -> list[str]:
    """The arguments of a run; of size 1, one seed and a few episodes."""
    seeds = "0" if size == 1 else "0-1"
    return [*COMMAND, "--seeds", seeds, "--frames", str(150 * size), "--episodes", str(2 * size)]


@dataclass(frozen=True)
class Ended:
    """How a command ended: exit status (-9 for killed), standard output, standard error."""

    status: int
    out: str = field(repr=False)
    err: str


class Campaign:
    """Runs the command in folders of its own below `root`."""

    def __init__(self, root: Path, size: int = 1, times: int = 1) -> None:
        self._root, self._arguments, self._times = root, command(size), times
        self.happened = 0
        self._prepare()
        self.changes = self._count()
        self.whole = snapshot(root / "whole")

    def suffer(self, fault: Fault) -> list[str]:
        """What is wrong after one fault and the same command again; empty if all is well."""
        folder = self._fresh("suffered")
        fault.marker.unlink(missing_ok=True)
        first = self._command(folder, fault)
        problems = [] if fault.marker.exists() else ["the fault did not happen"]
        problems += list(_wrong_ending(fault, first))
        self.happened += fault.marker.exists()
        for later in _later(fault, self._times):
            if self._is_finished(folder):
                break
            fault.marker.unlink(missing_ok=True)
            problems += _wrong_ending(later, self._command(folder, later))
            self.happened += fault.marker.exists()
        problems += self._wrong_second(fault)
        again = self._command(folder, None, back_sec=BACK_SEC if fault.kind == "back" else 0.0)
        if (again.status, again.err) != (0, "") or again.out != self.out:
            table = "the right" if again.out == self.out else "another"
            problems.append(f"the same command ended with {again} and {table} table")
        return problems + differences(self.whole, snapshot(folder))

    def faults(self, kind: str, every: int = 1) -> Iterator[Fault]:
        """Every fault there is, or each so-and-so-manieth."""
        numbers = [(role, number) for role in ROLES for number in range(1, self.changes[role] + 1)]
        for role, number in numbers[every // 2 :: every]:
            if kind != "two" or role == "parent":
                yield Fault(role, number, kind, self._root / "marker", self._second)

    def _second(self) -> None:
        """The same command, at the same folder, while another is at it; ends its process."""
        _run(self._arguments, self._root / "second.out", self._root / "second.err", lambda: None)

    def _wrong_second(self, fault: Fault) -> Iterator[str]:
        """A second command finds the first at work and says so, or did all of the work before the first began."""
        if fault.kind != "two":
            return
        out, err = (self._root / f"second.{name}" for name in ("out", "err"))
        refused = re.fullmatch(r"error: Another process is at work on [^\n]*\n", err.read_text())
        if not (refused and not out.read_text()) and (out.read_text(), err.read_text()) != (self.out, ""):
            yield f"the second command said {out.read_text()!r} and {err.read_text()!r}"

    @staticmethod
    def _is_finished(folder: Path) -> bool:
        """Whether the run lacks nothing: it makes no more changes to be killed at."""
        return any('"status": "finished"' in record.read_text() for record in folder.glob("runs/*/record.json"))

    def operation(self, fault: Fault) -> str:
        """What was to be done when the fault came."""
        return self._log[fault.role][fault.number - 1]

    def _prepare(self) -> None:
        """Imports what commands import, and lets workers be forked: the suite draws nothing that would forbid it."""
        for name in IMPORTED:
            importlib.import_module(name)
        code_revision()  # kept: an edit of the code during the campaign is none of its faults
        fork = multiprocessing.get_context("fork")
        multiprocessing.get_context = lambda method=None: fork  # type: ignore[assignment,return-value]

    def _count(self) -> Counter[str]:
        folder, log = self._fresh("whole"), self._root / "log"
        ended = self._command(folder, None, log)
        if ended.status != 0:
            raise RuntimeError(f"the command does not even run in peace: {ended}")
        self.out = ended.out
        lines = [line.split(" ", 1) for line in log.read_text().splitlines()]
        self._log = {role: [what for whose, what in lines if whose == role] for role in ROLES}
        return Counter(role for role, _ in lines)

    def _fresh(self, name: str) -> Path:
        folder = self._root / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder

    def _command(self, folder: Path, fault: Fault | None, log: Path | None = None, back_sec: float = 0.0) -> Ended:
        """Runs the command in a process of its own; nothing of it is left afterwards."""
        out, err = self._root / "out", self._root / "err"
        child = os.fork()
        if not child:
            _set_clock_back(back_sec)
            _become_command(self._arguments, folder, out, err, FaultyDisk(folder, fault, log))
        _, status = os.waitpid(child, 0)
        _wait_for_session(child)
        return Ended(os.waitstatus_to_exitcode(status), out.read_text(), err.read_text())


def _become_command(arguments: list[str], folder: Path, out: Path, err: Path, disk: FaultyDisk) -> None:
    """The life of the forked process."""
    os.setsid()
    os.chdir(folder)
    _run(arguments, out, err, disk.install)


def _run(arguments: list[str], out: Path, err: Path, install: Callable[[], None]) -> None:
    """Runs a command in this process, which ends with it."""
    from harness.cli import main

    status: Any = 99
    try:
        for number, path in ((1, out), (2, err)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
        sys.argv = ["harness", *arguments]
        install()
        main()
    except SystemExit as stop:
        status = stop.code or 0
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)


def _set_clock_back(seconds: float) -> None:
    """Has the clock of this process, and of those it forks, tell an earlier time of day."""
    if seconds:
        now, parts = time.time, time.gmtime
        time.time = lambda: now() - seconds
        time.gmtime = lambda moment=None: parts(time.time() if moment is None else moment)


def _wait_for_session(leader: int, patience_sec: float = 5.0) -> None:
    """Waits until every process of a session is gone: a worker must not outlive its parent."""
    deadline = time.monotonic() + patience_sec
    while time.monotonic() < deadline:
        try:
            os.killpg(leader, 0)
        except ProcessLookupError:
            return
        time.sleep(0.005)
    raise RuntimeError("a worker outlived the command that had started it")


def _later(first: Fault, times: int) -> Iterator[Fault]:
    """Faults of the same command, given again after a first: soon after it starts, so that it does not finish."""
    for number in range(1, times):
        chance = random.Random(f"{first.role} {first.number} {number}")
        yield replace(first, role="parent", number=chance.randint(1, 10))


def _wrong_ending(fault: Fault, ended: Ended) -> Iterator[str]:
    expected = {KILLED} if fault.kind in KILLS and fault.role == "parent" else {0} if fault.kind in CALM else {0, 1, 2}
    if fault.kind in KILLS and not fault.marker.exists():
        expected = {0}  # it was done before the moment came
    if ended.status not in expected:
        yield f"the command ended with {ended}"
    if fault.kind not in CALM and (ended.status != 0) != bool(re.fullmatch(r"error: [^\n]+\n", ended.err)):
        yield f"not one sentence: {ended}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", default="kill", help="kill, back, two, full, or the name of an error such as EIO")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--size", type=int, default=1)
    parser.add_argument("--times", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        campaign, wrong, suffered = (
            Campaign(Path(root), options.size, options.times),
            0,
            Counter(dict.fromkeys(ROLES, 0)),
        )
        for fault in campaign.faults(options.kind, options.every):
            suffered[fault.role] += 1
            if problems := campaign.suffer(fault):
                wrong += 1
                print(f"{fault.role} {fault.number} ({campaign.operation(fault)}): " + "; ".join(problems), flush=True)
    of = f"{dict(suffered)} of {dict(campaign.changes)} changes"
    print(f"{options.kind}: {of}, {campaign.happened} in all; {wrong} did not end as if nothing had been")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
