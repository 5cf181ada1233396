"""What Slurm is asked for is read exactly, and what cannot be is refused in one sentence."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UsageError
from harness.running import launchers, stopping
from harness.running.slurm_options import SlurmOptions, check_slurm, parse_slurm


def test_options_are_read() -> None:
    found = parse_slurm("partition=gpu, time=1-02:03:04, gpus=2, cpus=8, mem=16G, jobs=20, account=a, qos=q")
    assert found.limit_min == 24 * 60 + 2 * 60 + 3 + 1
    assert found.has_gpu
    assert found.parameters == {
        "slurm_partition": "gpu",
        "slurm_gpus_per_node": 2,
        "slurm_cpus_per_task": 8,
        "slurm_mem": "16G",
        "slurm_array_parallelism": 20,
        "slurm_account": "a",
        "slurm_qos": "q",
    }
    assert parse_slurm(None) == SlurmOptions()
    assert parse_slurm("time=90").limit_min == 90
    assert not parse_slurm("gpus=0").has_gpu


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("partiton=main", "Did you mean 'partition'"),
        ("partition", "key=value"),
        ("partition=", "key=value"),
        ("time=0", "at least a minute"),
        ("time=soon", "at least a minute"),
        ("gpus=two", "takes a number"),
        ("cpus=0", "takes a number"),
        ("time=1,time=2", "given twice"),
    ],
)
def test_slips_are_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        parse_slurm(text)


def test_a_machine_without_sbatch_is_told_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "submitit" else object())
    with pytest.raises(UsageError, match=r"needs submitit: pip install 'visual-rl-harness\[slurm\]'"):
        check_slurm(SlurmOptions())
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match=r"needs 'sbatch', and there is none on the path"):
        check_slurm(SlurmOptions())


def test_launchers_have_names() -> None:
    def named(*arguments: Any, **options: Any) -> launchers.Launch:
        return launchers.named(launchers.LauncherOptions(*arguments, **options), [])

    assert named() is launchers.local
    for arguments, sentence in (
        (("slrum",), "Did you mean 'slurm'"),
        (("local", "time=1"), "--slurm goes with --launcher slurm"),
        (("local", None, True), "--detach goes with --launcher slurm"),
        (("ray", None, True), "--detach goes with --launcher slurm"),
        (("ray", "time=1"), "--slurm goes with --launcher slurm"),
        (("slurm", None, False, "cpus=1"), "--ray goes with --launcher ray"),
        (("local", None, False, None, "auto"), "--ray-address goes with --launcher ray"),
    ):
        with pytest.raises(UsageError, match=sentence):
            named(*arguments)


def test_a_request_to_stop_is_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "_ASKED", [])
    stopping.check()
    stopping.ask()
    with pytest.raises(stopping.StoppedError):
        stopping.check()
