"""Runs through a real Ray: two nodes on this machine. Skipped without Ray."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UsageError, WorkError
from harness.running import ray_cluster
from harness.running.node_needs import NodeNeeds
from harness.running.provenance import code_revision, package_versions
from harness.running.ray_options import RayOptions
from harness.running.status import statuses
from tests.launchers.runs import CAMPAIGN, ONE, ROOT, command, parameters, rows, wait_for


@dataclass
class Ray:
    """A cluster, and the environment of commands and nodes."""

    cluster: Any
    environment: dict[str, str]

    @property
    def address(self) -> str:
        return str(self.cluster.address)

    @property
    def options(self) -> tuple[str, ...]:
        return ("--launcher", "ray", "--ray-address", self.address)

    def run(self, runs: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        where = {"cwd": runs.parent, "env": self.environment, "timeout": 500}
        return subprocess.run(command(runs, *arguments), capture_output=True, text=True, check=False, **where)

    def start(self, runs: Path, *arguments: str) -> subprocess.Popen[str]:
        where = {"cwd": runs.parent, "env": self.environment}
        return subprocess.Popen(command(runs, *arguments), stdout=-1, stderr=-1, text=True, **where)


@pytest.fixture(scope="module")
def ray() -> Iterator[Ray]:
    if importlib.util.find_spec("ray") is None:
        pytest.skip("needs Ray: pip install 'visual-rl-harness[ray]'")
    from ray.cluster_utils import Cluster

    Path(tempfile.gettempdir(), "ray").mkdir(exist_ok=True)  # Ray notes its address there and wants it to exist
    folder = tempfile.mkdtemp(prefix="ray")  # a short path, for the sockets
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", path)
        head = {"num_cpus": 1, "include_dashboard": False, "temp_dir": folder}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        try:
            yield Ray(cluster, {**os.environ})
        finally:
            cluster.shutdown()
            left = _left_of(folder)
            shutil.rmtree(folder, ignore_errors=True)
    assert not left  # other tests need the machine


def _left_of(folder: str) -> list[str]:
    """The processes of a cluster that was shut down, after they were given ten seconds to end."""
    deadline = time.monotonic() + 10
    while (left := [line for line in _processes() if folder in line]) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left


@pytest.mark.slow
def test_a_node_killed_in_mid_run_changes_no_byte(ray: Ray, tmp_path: Path) -> None:
    slow = (*CAMPAIGN, "--set", "delay_sec=0.02")  # so that the node dies while jobs are on it
    local = ray.run(tmp_path / "local", *slow)
    assert local.returncode == 0, local.stderr
    node = ray.cluster.add_node(num_cpus=1)
    process = ray.start(tmp_path / "remote", *slow, *ray.options)
    wait_for(tmp_path / "remote", "*/train/*/checkpoints/*")
    ray.cluster.remove_node(node, allow_graceful=False)
    out, errors = process.communicate(timeout=400)
    assert process.returncode == 0, errors
    assert "was lost" in errors
    assert out == local.stdout
    assert rows(tmp_path / "remote") == rows(tmp_path / "local")
    assert parameters(tmp_path / "remote") == parameters(tmp_path / "local")
    assert len(parameters(tmp_path / "remote")) == 4
    assert {status.state for status in statuses(tmp_path / "remote")} == {"done"}


@pytest.mark.exhaustive
def test_an_interrupt_leaves_nobody_at_work(ray: Ray, tmp_path: Path) -> None:
    work = (*ONE, "--seeds", "0", "--frames", "200", "--episodes", "1", "--checkpoint-sec", "0")
    slow = (*work, "--set", "delay_sec=0.04")
    process = ray.start(tmp_path / "runs", *slow, *ray.options)
    wait_for(tmp_path / "runs", "*/train/*/checkpoints/*")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Interrupted; the same command goes on from here." in errors
    assert not [line for line in _processes() if "run_on_node" in line or "training of dot_reach" in line]
    again = ray.run(tmp_path / "runs", *slow)  # by another launcher, which is the same run
    assert again.returncode == 0, again.stderr
    assert ray.run(tmp_path / "whole", *slow).returncode == 0
    assert rows(tmp_path / "runs") == rows(tmp_path / "whole")
    assert parameters(tmp_path / "runs") == parameters(tmp_path / "whole")


def _processes() -> list[str]:
    """What runs on this machine; Ray's workers are called by what they do."""
    return subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout.splitlines()


def test_what_ray_does_not_have_is_refused_before_any_work(ray: Ray, tmp_path: Path) -> None:
    large = ray.run(tmp_path / "runs", *ONE, *ray.options, "--ray", "cpus=64")
    assert large.returncode == 2
    assert large.stderr.startswith("error: No node of Ray has 64 CPUs and 0 GPUs for a job (there is ")
    assert large.stderr.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_a_node_that_lacks_something_is_named(ray: Ray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import ray as library

    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken" / "harness").mkdir(parents=True)
    (tmp_path / "broken" / "harness" / "__init__.py").write_text("raise ImportError('no module named harness')\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{tmp_path / 'broken'}{os.pathsep}{os.environ['PYTHONPATH']}")
        node = ray.cluster.add_node(num_cpus=1)
    needs = NodeNeeds(tmp_path, code_revision(), package_versions(), [tmp_path], [], [])
    with monkeypatch.context() as patch:
        patch.setattr(library, "__version__", "1.0.0")
        with pytest.raises(UsageError, match=r"is of another version\. .*Ray: 1\.0\.0"):
            ray_cluster._connect(library, ray.address)
    with ray_cluster.joined(ray.address):
        deadline = time.monotonic() + 60  # a node that was killed before is thought alive for a while
        while sum(each["Alive"] for each in library.nodes()) != 2 and time.monotonic() < deadline:
            time.sleep(0.5)
        nodes = ray_cluster._large_enough(library.nodes(), RayOptions(), 1)
        with pytest.raises(WorkError, match=r"Node .* of Ray cannot import the harness \(no module named harness\)"):
            ray_cluster._look_at(library, nodes, needs)
    ray.cluster.remove_node(node)
