"""What Ray is asked for is read exactly, and what cannot be is refused in one sentence before Ray is loaded."""

from __future__ import annotations

import importlib.util
import socket
import sys
from dataclasses import replace
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.running.launchers import LauncherOptions
from harness.running.node_needs import NodeNeeds, lacking
from harness.running.provenance import code_revision, package_versions
from harness.running.ray_cluster import _large_enough
from harness.running.ray_options import RayOptions, check_ray, parse_ray


def test_options_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert parse_ray(None, None) == RayOptions("auto", None, 0.0)
    assert parse_ray("cpus=2, gpus=0.25", "head:6379") == RayOptions("head:6379", 2, 0.25)
    assert parse_ray("gpus=2", "auto").gpus == 2
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:1")
    assert parse_ray(None, None).address == "10.0.0.1:1"
    assert LauncherOptions("ray", ray="gpus=0.5").has_gpu()
    assert not LauncherOptions("ray").has_gpu()


@pytest.mark.parametrize(
    ("text", "address", "sentence"),
    [
        ("gpu=1", None, "Did you mean 'gpus'"),
        ("gpus", None, "key=value"),
        ("gpus=1,gpus=1", None, "given twice"),
        ("gpus=1.5", None, "a share of a card"),
        ("gpus=-1", None, "a share of a card"),
        ("cpus=0", None, "whole number"),
        ("cpus=0.5", None, "whole number"),
        (None, "ray://head:10001", "no Ray client's address"),
        (None, "head", "host:port"),
        (None, "head:99999", "host:port"),
    ],
)
def test_slips_are_one_sentence(text: str | None, address: str | None, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        parse_ray(text, address)


def test_a_machine_without_ray_and_an_address_without_it_are_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for absent in (None, ModuleSpec("ray", None, is_package=True)):  # the second: of a folder called `ray`
        monkeypatch.setattr(importlib.util, "find_spec", lambda name, found=absent: found)
        with pytest.raises(UsageError, match=r"needs Ray: pip install 'visual-rl-harness\[ray\]'"):
            check_ray(RayOptions())
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: ModuleSpec("ray", None, origin="ray/__init__.py"))
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"There is no Ray at 127.0.0.1:{port}: Connection refused"):
            check_ray(RayOptions(f"127.0.0.1:{port}"))


def test_a_node_must_be_large_enough_for_a_job() -> None:
    def node(cpus: float, gpus: float, alive: bool = True) -> dict[str, object]:
        there = {"NodeManagerHostname": "a", "NodeManagerAddress": "1.2.3.4", "NodeManagerPort": 5}
        return {**there, "Alive": alive, "Resources": {"CPU": cpus, "GPU": gpus}}

    nodes = [node(0, 0), node(4, 1), node(64, 8, alive=False)]
    assert _large_enough(nodes, RayOptions(gpus=0.5), 4) == [nodes[1]]
    with pytest.raises(UsageError, match=r"No node of Ray has 8 CPUs and 0 GPUs .*a \(1\.2\.3\.4:5\): 4 and 1"):
        _large_enough(nodes, RayOptions(), 8)


def test_what_a_node_lacks_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    names = [("harness.testing:SUITE", "random")]
    needs = NodeNeeds(tmp_path, code_revision(), package_versions(), [tmp_path], names, [])
    assert lacking(needs) == ""
    assert sys.path.index(str(tmp_path)) == len(sys.path) - 1
    assert lacking(replace(needs, versions={**needs.versions, "mujoco": "1.0"})).endswith("this machine 1.0")
    assert lacking(replace(needs, revision="another")).startswith("has other code of the harness")
    assert lacking(replace(needs, paths=[tmp_path / "absent"])).startswith(f"does not see {tmp_path / 'absent'}")
    assert "no_such_agent" in lacking(replace(needs, names=[("harness.testing:SUITE", "no_such_agent")]))
