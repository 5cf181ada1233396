"""Closed, full and abandoned streams: the table comes or the status is 1, and what is only told stops nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.results.store import RowStore

ROOT = Path(__file__).resolve().parents[2]
LIST = "list presets"
RUN = "run --suite harness.testing:SUITE --agent tests.harness.learner:NOISY --task dot_stay --episodes 1 --workers 1"


def shell(line: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a line of bash in which `harness` is the command."""
    text = f'harness() {{ "{sys.executable}" -m harness "$@"; }}\n{line}'
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(["bash", "-c", text], cwd=folder, capture_output=True, text=True, env=environment)


@pytest.mark.parametrize(("to", "why"), [("-", "it is closed"), ("/dev/full", "the disk is full")])
def test_output_that_nothing_can_be_written_to_is_status_one(to: str, why: str, tmp_path: Path) -> None:
    arrow = f">{'&' if to == '-' else ''}{to}"
    for command in (LIST, "list presets --json", "--help"):
        done = shell(f"harness {command} {arrow}", tmp_path)
        assert (done.returncode, done.stderr) == (1, f"error: Cannot write standard output: {why}.\n")


def test_a_reader_who_left_is_status_one_without_a_word(tmp_path: Path) -> None:
    done = shell(f"harness {LIST} | true; exit ${{PIPESTATUS[0]}}", tmp_path)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize("to", ["&-", "/dev/full"])
def test_errors_that_nobody_can_be_told_stop_nothing(to: str, tmp_path: Path) -> None:
    done = shell(f"harness {RUN} 2>{to}", tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith("dots · noisy\n")
    assert "episodes" not in done.stdout.partition("\n\n")[0]  # of the progress
    done = shell(f"harness {RUN} --agent nobody 2>{to}", tmp_path)
    assert (done.returncode, done.stdout) == (2, "")


def test_with_every_stream_closed_the_work_is_done_and_no_file_takes_their_numbers(tmp_path: Path) -> None:
    done = shell(f"harness {RUN} --runs closed <&- >&- 2>&-", tmp_path)
    (run,) = (tmp_path / "closed").iterdir()
    assert len(RowStore(run / "rows").rows()) == 2
    done = shell(f"harness {RUN} --runs open", tmp_path)
    assert done.returncode == 0
    (other,) = (tmp_path / "open").iterdir()
    for name in ("rows/dot_stay+train+seed0.parquet", "rows/dot_stay+backdrop+seed0.parquet", "lock"):
        assert (run / name).read_bytes() == (other / name).read_bytes()


def test_what_agents_print_is_told_and_not_part_of_the_table(tmp_path: Path) -> None:
    done = shell(f"harness {RUN} --json", tmp_path)
    assert done.stdout.startswith("{\n")
    assert done.stdout.endswith("}\n")
    assert "noise" not in done.stdout
    assert "printed noise" in done.stderr
    assert "noise of a library" in done.stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_characters_that_the_output_lacks_stop_nothing(encoding: str, tmp_path: Path) -> None:
    done = shell(f"harness {RUN} > table", tmp_path, PYTHONIOENCODING=encoding)
    assert done.returncode == 0
    assert b"train\n  dot_stay " in (tmp_path / "table").read_bytes()


def test_too_few_descriptors_are_one_sentence(tmp_path: Path) -> None:
    done = shell(f"ulimit -n 9; harness {RUN} --quiet", tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith("too many files are open; raise the limit with: ulimit -n 1024.\n")
    assert done.stderr.count("\n") == 1


def test_a_deleted_current_folder_is_one_sentence(tmp_path: Path) -> None:
    done = shell(f'mkdir gone; cd gone; rmdir "$PWD"; harness {RUN} --quiet', tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: The current folder was deleted: change into another one.\n"
