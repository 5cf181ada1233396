"""An agent that learns from demonstrations before its first step: wherever it is killed, it ends the same."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

SETTINGS = (
    *("protocol.image_size=24", "crop_size=20", "num_filters=4", "feature_dim=8", "hidden_dim=16", "batch_size=8"),
    *("num_demos=4", "warm_up_updates=12", "num_catch_up_updates=3", "update_every_steps=4", "replay_capacity=200"),
)
SUITE = "tests.harness.demonstrated:SUITE"


def command(runs: Path) -> list[str]:
    names = ["run", "--suite", SUITE, "--agent", "ferm", "--task", "dot_reach", "--frames", "120", "--episodes", "1"]
    more = ["--device", "cpu", "--workers", "1", "--threads", "1", "--checkpoint-sec", "0", "--quiet"]
    settings = [part for setting in SETTINGS for part in ("--set", setting)]
    return [sys.executable, "-m", "harness", *names, *more, "--runs", str(runs), *settings]


def trained(runs: Path) -> tuple[dict[str, np.ndarray], list[dict[str, Any]]]:
    """Parameters of the policy, and the log without times."""
    (policy,) = runs.rglob("policy/policy.safetensors")
    (log,) = runs.rglob("train.jsonl")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    return load_file(policy), [{k: v for k, v in line.items() if k != "elapsed_sec"} for line in lines]


def found(runs: Path, pattern: str) -> list[Path]:
    """As `rglob`, of a folder in which another process works."""
    try:
        return sorted(runs.rglob(pattern))
    except OSError:  # a folder was just replaced
        return []


def progress_of(runs: Path) -> tuple[int, int]:
    """Of the newest checkpoint: updates before the first step, and frames; (-1, -1) where there is none."""
    for path in reversed(found(runs, "agent.json")):
        try:
            number = int(path.parent.name)  # a checkpoint that is not finished has another name
            return json.loads(path.read_text())["num_prepared"], number
        except (OSError, ValueError):
            continue
    return -1, -1


PHASES: dict[str, Callable[[Path], bool]] = {
    "demonstrations": lambda runs: bool(found(runs, "episode00001.safetensors")),
    "warm-up": lambda runs: 2 <= progress_of(runs)[0] < 12,
    "updates before the first step": lambda runs: progress_of(runs)[0] == 13,
    "training": lambda runs: progress_of(runs)[1] > 0,
}


@pytest.mark.slow
def test_a_training_killed_in_every_phase_ends_as_if_nothing_had_happened(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run(command(whole), check=True, stdout=subprocess.DEVNULL)
    for name, reached in PHASES.items():
        process = subprocess.Popen(command(killed), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not reached(killed):
            assert process.poll() is None, f"it ended before it was killed in: {name}"
            time.sleep(0.001)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        time.sleep(0.5)  # the orphaned worker ends
        assert not any(killed.rglob("policy.safetensors")), name
    subprocess.run(command(killed), check=True, stdout=subprocess.DEVNULL)
    wanted, ended = trained(whole), trained(killed)
    assert ended[1] == wanted[1]
    assert {"warm_up_loss_first", "warm_up_loss_last"} <= wanted[1][0].keys()
    assert ended[0].keys() == wanted[0].keys()
    for name, array in wanted[0].items():
        np.testing.assert_array_equal(array, ended[0][name])
    (record,) = whole.rglob("policy/provenance.json")
    assert "demos:expert-" in record.read_text()
