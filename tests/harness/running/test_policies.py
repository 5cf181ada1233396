"""Damaged policies are refused before any work, small and large ones alike."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from harness.agent import AgentSpec
from harness.errors import CheckpointError
from harness.running import policies
from harness.running.policies import NEEDED, PolicySource, find_policies, safetensors_length, store_policy

SPEC = AgentSpec(name="stub", version=1, maker="", description="", source="")


class Stub:
    """Saves the same two tensors each time."""

    def save_policy(self, folder: Path) -> None:
        save_file({"a": np.arange(6.0).reshape(2, 3), "b": np.ones(2, np.uint8)}, folder / "policy.safetensors")
        (folder / "policy.json").write_text("{}")


@pytest.fixture
def policy(tmp_path: Path) -> PolicySource:
    facts = {"agent": "stub", "agent_version": 1, "task": "t", "train_seed": 0, "conditions": {}}
    return store_policy(Stub(), tmp_path / "policy", {**dict.fromkeys(NEEDED), **facts})  # type: ignore[arg-type]


def torch_pickle() -> bytes:
    stream = io.BytesIO()
    torch.save({"a": torch.ones(3)}, stream)
    return stream.getvalue()


DAMAGE = {
    "cut": lambda data: data[:-1],
    "longer": lambda data: data + b"x",
    "no tensors": lambda data: data[: 8 + int.from_bytes(data[:8], "little")],
    "cut header": lambda data: data[:20],
    "empty": lambda data: b"",
    "pickle": lambda data: pickle.dumps({"a": [1.0] * 100}),
    "torch pickle": lambda data: torch_pickle(),
    "list": lambda data: (2).to_bytes(8, "little") + b"[]",
    "no offsets": lambda data: (8).to_bytes(8, "little") + b'{"a":{}}',
}


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_policies_are_refused_when_they_are_found(
    policy: PolicySource, monkeypatch: pytest.MonkeyPatch, damage: str, large: bool
) -> None:
    if large:
        monkeypatch.setattr(policies, "HASH_BELOW", 0)
        monkeypatch.setattr(policies, "sha256_of", lambda *_: pytest.fail("read gigabytes"))
    assert find_policies(policy.folder, SPEC) == {("t", 0): policy}
    file = policy.folder / "policy.safetensors"
    file.write_bytes(DAMAGE[damage](file.read_bytes()))
    with pytest.raises(CheckpointError, match="damaged") as caught:
        find_policies(policy.folder, SPEC)
    assert str(policy.folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_length_in_the_header_is_that_of_the_file(policy: PolicySource) -> None:
    file = policy.folder / "policy.safetensors"
    assert safetensors_length(file) == file.stat().st_size
    save_file({}, file, metadata={"about": "nothing"})
    assert safetensors_length(file) == file.stat().st_size


def test_a_changed_byte_of_a_small_policy_is_seen(policy: PolicySource) -> None:
    file = policy.folder / "policy.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    policy.check_lengths()
    with pytest.raises(CheckpointError, match="do not match its own record"):
        find_policies(policy.folder, SPEC)
