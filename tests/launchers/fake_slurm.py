"""Slurm as scripts on the path, for the moments that a real one shows too rarely: jobs are told what becomes of them.

The folder holds `queue`, one line `id|STATE|name` a job; `calls`, what was called; and, if there is one, `down` (what
is named in it does not answer), `refuse` (the number of the first sbatch that is refused), `kept` (scancel succeeds at
nothing).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

PROGRAM = """#!{python} -S
import os, pathlib, re, sys
root, name = pathlib.Path({root!r}), os.path.basename(sys.argv[0])
queue = root / "queue"
lines = queue.read_text().splitlines() if queue.exists() else []
with open(root / "calls", "a") as calls:
    calls.write(" ".join([name, *sys.argv[1:]]) + "\\n")
if (root / "down").exists() and name in (root / "down").read_text().split():
    sys.exit("Unable to contact slurm controller")
if name == "sbatch":
    count = (root / "calls").read_text().count("sbatch ")
    if (root / "refuse").exists() and count >= int((root / "refuse").read_text()):
        sys.exit("sbatch: error: QOSMaxSubmitJobPerUserLimit")
    script = pathlib.Path(sys.argv[-1]).read_text()
    (root / f"script{{count}}").write_text(script)
    called = re.search("--job-name=(.*)", script)[1]
    array = re.search("--array=0-([0-9]+)", script)
    ids = [f"{{count}}_{{i}}" for i in range(int(array[1]) + 1)] if array else [str(count)]
    queue.write_text("".join(line + "\\n" for line in [*lines, *(f"{{i}}|PENDING|{{called}}" for i in ids)]))
    print(f"Submitted batch job {{count}}")
elif name == "squeue":
    print("\\n".join(lines))
elif name == "scancel":
    wanted = set()
    for word in sys.argv[1:]:
        base, _, some = word.partition("_")
        if not base.isdigit():
            sys.exit(f"scancel: error: Invalid job id {{word}}")
        for part in some.strip("[]").split(",") if some else [""]:
            first, _, last = part.partition("-")
            wanted |= {{f"{{base}}_{{i}}" for i in range(int(first), int(last or first) + 1)}} if part else {{base}}
    if not (root / "kept").exists():
        left = [line for line in lines if not {{line.split("|")[0], line.split("|")[0].split("_")[0]}} & wanted]
        queue.write_text("".join(line + "\\n" for line in left))
"""


class FakeSlurm:
    """A cluster that is a folder."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        root.mkdir()
        for name in ("sbatch", "squeue", "scancel", "srun", "scontrol"):
            program = root / name
            program.write_text(PROGRAM.format(python=sys.executable, root=str(root)))
            program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{root}{os.pathsep}{os.environ['PATH']}")

    def calls(self, name: str) -> list[str]:
        """Every call of a program."""
        path = self.root / "calls"
        return [line for line in path.read_text().splitlines() if line.split()[0] == name] if path.exists() else []

    def script(self, number: int) -> str:
        """What the sbatch of that number was given."""
        return (self.root / f"script{number}").read_text()

    def queue(self) -> list[str]:
        """The ids of the jobs that wait or run."""
        path = self.root / "queue"
        return [line.split("|")[0] for line in path.read_text().splitlines()] if path.exists() else []

    def ends(self, *ids: str) -> None:
        """Takes jobs out of the queue."""
        lines = (self.root / "queue").read_text().splitlines()
        (self.root / "queue").write_text("".join(f"{line}\n" for line in lines if line.split("|")[0] not in ids))

    def set(self, what: str, value: str = "") -> None:
        """Makes it misbehave, see above."""
        (self.root / what).write_text(value)

    def unset(self, what: str) -> None:
        """Ends that."""
        (self.root / what).unlink()
