"""A small run (one training with checkpoints and an evaluation in it, two settings) suffers one fault of the disk, the
same command is given again, and the run's folder must be that of a run that nothing happened to, file by file.

    python -m tests.campaigns.kills                  a kill at every change, in the parent and in its worker
    python -m tests.campaigns.kills --kind full      instead: the disk is full from that change on
    python -m tests.campaigns.kills --kind EIO       instead: that change is refused
    python -m tests.campaigns.kills --every 7        every seventh alone

Processes are forked from one that has imported all, so that a run takes a tenth of a second; they are processes all the
same, with SIGKILL, pipes and locks as ever.
"""

from __future__ import annotations

import argparse
import importlib
import multiprocessing
import os
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.running.provenance import code_revision
from tests.campaigns.file_faults import Fault, FaultyDisk
from tests.campaigns.folders import differences, snapshot

COMMAND = (
    *("run", "--suite", "harness.testing:SUITE", "--agent", "tests.harness.learner:AGENT", "--device", "cpu"),
    *("--task", "dot_reach", "--preset", "laptop", "--seeds", "0", "--frames", "150", "--episodes", "2"),
    *("--workers", "1", "--checkpoint-sec", "0", "--quiet", "--json"),
)
ROLES = ("parent", "worker")
KILLED = -9
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


@dataclass(frozen=True)
class Ended:
    """How a command ended: exit status (-9 for killed), standard output, standard error."""

    status: int
    out: str = field(repr=False)
    err: str


class Campaign:
    """Runs the command in folders of its own below `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root
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
        again = self._command(folder, None)
        if (again.status, again.err) != (0, "") or again.out != self.out:
            table = "the right" if again.out == self.out else "another"
            problems.append(f"the same command ended with {again} and {table} table")
        return problems + differences(self.whole, snapshot(folder))

    def faults(self, kind: str, every: int = 1) -> Iterator[Fault]:
        """Every fault there is, or each so-and-so-manieth."""
        numbers = [(role, number) for role in ROLES for number in range(1, self.changes[role] + 1)]
        for role, number in numbers[every // 2 :: every]:
            yield Fault(role, number, kind, self._root / "marker")

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

    def _command(self, folder: Path, fault: Fault | None, log: Path | None = None) -> Ended:
        """Runs the command in a process of its own; nothing of it is left afterwards."""
        out, err = self._root / "out", self._root / "err"
        child = os.fork()
        if not child:
            _become_command(folder, out, err, FaultyDisk(folder, fault, log))
        _, status = os.waitpid(child, 0)
        _wait_for_session(child)
        return Ended(os.waitstatus_to_exitcode(status), out.read_text(), err.read_text())


def _become_command(folder: Path, out: Path, err: Path, disk: FaultyDisk) -> None:
    """The life of the forked process."""
    from harness.cli import main

    status: Any = 99
    try:
        os.setsid()
        os.chdir(folder)
        for number, path in ((1, out), (2, err)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
        sys.argv = ["harness", *COMMAND]
        disk.install()
        main()
    except SystemExit as stop:
        status = stop.code or 0
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)


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


def _wrong_ending(fault: Fault, ended: Ended) -> Iterator[str]:
    expected = (
        {KILLED} if fault.kind == "kill" and fault.role == "parent" else {0} if fault.kind == "kill" else {0, 1, 2}
    )
    if ended.status not in expected:
        yield f"the command ended with {ended}"
    if fault.kind != "kill" and (ended.status != 0) != bool(re.fullmatch(r"error: [^\n]+\n", ended.err)):
        yield f"not one sentence: {ended}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", default="kill", help="kill, full, or the name of an error such as EIO")
    parser.add_argument("--every", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        campaign, wrong, suffered = Campaign(Path(root)), 0, Counter[str]()
        for fault in campaign.faults(options.kind, options.every):
            suffered[fault.role] += 1
            if problems := campaign.suffer(fault):
                wrong += 1
                print(f"{fault.role} {fault.number} ({campaign.operation(fault)}): " + "; ".join(problems), flush=True)
    of = f"{dict(suffered)} of {dict(campaign.changes)} changes"
    print(f"{options.kind}: {of}; {wrong} did not end as if nothing had been")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
