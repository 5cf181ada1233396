"""The same work through Slurm: a real controller and two real node daemons on this machine, if installed."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.running.status import statuses
from tests.launchers.runs import CAMPAIGN, ONE, ROOT, command, parameters, rows, wait_for

NEEDED = ("slurmctld", "slurmd", "munged", "sbatch")
SLURM = ("--launcher", "slurm", "--slurm", "partition=main,time=5")


@pytest.fixture(scope="module")
def cluster() -> Iterator[dict[str, str]]:
    """The environment in which commands find the cluster."""
    if missing := [name for name in NEEDED if shutil.which(name) is None]:
        pytest.skip(f"needs {', '.join(missing)}: apt-get install slurm-wlm munge")
    if os.geteuid() != 0:
        pytest.skip("a cluster on this machine is started by root")
    if importlib.util.find_spec("submitit") is None:
        pytest.skip("needs submitit: pip install 'visual-rl-harness[slurm]'")
    folder = Path(tempfile.mkdtemp(prefix="slurm"))  # a short path, for the socket
    script = ["sh", str(Path(__file__).parent / "cluster.sh")]
    try:
        started = subprocess.run([*script, "start", folder, str(_free_ports())], stdout=2, timeout=60)
        if started.returncode:
            pytest.skip("a cluster does not start on this machine")
        path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        yield {**os.environ, "SLURM_CONF": str(folder / "slurm.conf"), "PYTHONPATH": path}
    finally:
        subprocess.run([*script, "stop", folder], timeout=60, check=False)
        shutil.rmtree(folder, ignore_errors=True)


def _free_ports() -> int:
    """The first of three ports that are free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return min(int(probe.getsockname()[1]), 65_000)


def run(cluster: dict[str, str], runs: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    where = {"cwd": runs.parent, "env": cluster, "timeout": 500}
    return subprocess.run(command(runs, *arguments), capture_output=True, text=True, check=False, **where)


@pytest.mark.slow
def test_two_nodes_leave_the_rows_of_one_machine(cluster: dict[str, str], tmp_path: Path) -> None:
    local = run(cluster, tmp_path / "local", *CAMPAIGN)
    remote = run(cluster, tmp_path / "remote", *CAMPAIGN, *SLURM)
    assert (local.returncode, remote.returncode) == (0, 0), remote.stderr
    assert local.stdout == remote.stdout
    assert rows(tmp_path / "local") == rows(tmp_path / "remote")
    assert parameters(tmp_path / "local") == parameters(tmp_path / "remote")
    assert len(parameters(tmp_path / "remote")) == 4
    assert "train" not in run(cluster, tmp_path / "remote", *CAMPAIGN, *SLURM).stderr.partition("Run")[0]
    assert {status.state for status in statuses(tmp_path / "remote")} == {"done"}


@pytest.mark.exhaustive
def test_a_node_that_goes_down_is_replaced(cluster: dict[str, str], tmp_path: Path) -> None:
    work = (*ONE, "--seeds", "0-1", "--frames", "600", "--episodes", "2", "--checkpoint-sec", "0")
    slow = (*work, "--set", "delay_sec=0.02")
    whole = run(cluster, tmp_path / "whole", *slow)
    assert whole.returncode == 0, whole.stderr
    process = subprocess.Popen(
        command(tmp_path / "down", *slow, *SLURM), cwd=tmp_path, env=cluster, stdout=-1, stderr=-1, text=True
    )
    wait_for(tmp_path / "down", "*/train/*/checkpoints/*")
    _scontrol(cluster, "node1", "down")
    try:
        _, errors = process.communicate(timeout=300)
    finally:
        _scontrol(cluster, "node1", "resume")  # if it has not come back by itself
    assert process.returncode == 0, errors
    assert rows(tmp_path / "down") == rows(tmp_path / "whole")
    assert parameters(tmp_path / "down") == parameters(tmp_path / "whole")


def _scontrol(cluster: dict[str, str], node: str, state: str) -> None:
    subprocess.run(["scontrol", "update", f"nodename={node}", f"state={state}", "reason=test"], env=cluster)


@pytest.mark.slow
def test_a_command_may_leave_and_the_same_one_goes_on(cluster: dict[str, str], tmp_path: Path) -> None:
    work = (*ONE, "--frames", "200", "--episodes", "2", "--set", "delay_sec=0.02", *SLURM)
    left = run(cluster, tmp_path / "runs", *work, "--detach")
    assert left.returncode == 0, left.stderr
    assert "Left: 1 jobs are with Slurm; the same command goes on from here." in left.stderr
    assert [status.state for status in statuses(tmp_path / "runs")] == ["detached"]
    again = run(cluster, tmp_path / "runs", *work)
    assert again.returncode == 0, again.stderr
    assert [status.state for status in statuses(tmp_path / "runs")] == ["done"]
    trainings = list((tmp_path / "runs" / "slurm" / "jobs").glob("*_submission.sh"))
    assert len(trainings) == 2  # one array of trainings, one of evaluations: nothing was submitted twice


@pytest.mark.exhaustive
def test_a_time_limit_interrupts_a_training_and_changes_nothing(cluster: dict[str, str], tmp_path: Path) -> None:
    work = (*ONE, "--frames", "10000", "--episodes", "2", "--set", "delay_sec=0.05", "--checkpoint-sec", "1000")
    limited = run(cluster, tmp_path / "limited", *work, "--launcher", "slurm", "--slurm", "time=2")
    assert limited.returncode == 0, limited.stderr
    assert "was stopped" in limited.stderr
    assert run(cluster, tmp_path / "whole", *work).returncode == 0
    assert rows(tmp_path / "limited") == rows(tmp_path / "whole")
    assert parameters(tmp_path / "limited") == parameters(tmp_path / "whole")


@pytest.mark.exhaustive
def test_a_training_that_was_left_goes_on_by_itself_after_its_time_limit(
    cluster: dict[str, str], tmp_path: Path
) -> None:
    work = (*ONE, "--frames", "1000", "--episodes", "1", "--set", "delay_sec=0.05", "--checkpoint-sec", "1000")
    left = run(cluster, tmp_path / "runs", *work, "--launcher", "slurm", "--slurm", "time=1", "--detach")
    assert left.returncode == 0, left.stderr
    wait_for(tmp_path / "runs", "*/train/*/policy/*", 500)  # Slurm lets what it requeues wait for two minutes
    logs = "".join(path.read_text() for path in (tmp_path / "runs" / "slurm" / "jobs").glob("*_log.out"))
    assert logs.count("Loading pickle") > 1
    assert run(cluster, tmp_path / "runs", *work, *SLURM).returncode == 0
    assert run(cluster, tmp_path / "whole", *work).returncode == 0
    assert parameters(tmp_path / "runs") == parameters(tmp_path / "whole")


def test_what_slurm_does_not_have_is_refused_before_any_work(cluster: dict[str, str], tmp_path: Path) -> None:
    wrong = run(cluster, tmp_path / "runs", *ONE, "--launcher", "slurm", "--slurm", "partition=mian")
    here = run(cluster, tmp_path / "runs", *ONE, "--launcher", "slurm", "--replay")
    assert (here.returncode, here.stderr.startswith("error: --replay plays on this machine")) == (2, True)
    assert wrong.returncode == 2
    assert wrong.stderr == "error: Unknown partition of Slurm 'mian'. Did you mean 'main'? Partitions of Slurm: main\n"
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_a_killed_command_finds_its_jobs_and_an_interrupted_one_cancels_them(
    cluster: dict[str, str], tmp_path: Path
) -> None:
    work = (*ONE, "--seeds", "0-2", "--frames", "400", "--set", "delay_sec=0.05", *SLURM)
    runs = tmp_path / "runs"
    killed = subprocess.Popen(command(runs, *work, "--episodes", "2"), cwd=tmp_path, env=cluster, stdout=-3, stderr=-3)
    wait_for(runs, "*/train/*/train.jsonl")
    killed.kill()
    killed.wait()
    before = _queue(cluster)
    stopped = subprocess.Popen(command(runs, *work, "--episodes", "3"), cwd=tmp_path, env=cluster, stdout=-3, stderr=-3)
    wait_for(runs, "*/rows/*.jsonl")
    assert len(before) == 3
    assert len(list((runs / "slurm" / "jobs").glob("*_submission.sh"))) < 5  # of trainings only the killed command's
    stopped.send_signal(signal.SIGINT)
    assert stopped.wait(60) == 130
    again = run(cluster, runs, *work, "--episodes", "3")
    assert again.returncode == 0, again.stderr
    deadline = time.monotonic() + 60  # the last jobs have said that they are done, and still end
    while _queue(cluster):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert [row.episode for row in next(iter(rows(runs).values()))] == [0, 1, 2] * 3 * 2


def _queue(cluster: dict[str, str]) -> list[str]:
    asked = ["squeue", "--noheader", "--array", "--me", "--states=PENDING,RUNNING"]
    return subprocess.run(asked, env=cluster, capture_output=True, text=True, check=True).stdout.splitlines()
