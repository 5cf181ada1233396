"""Damaged policies are refused before any work, small and large ones alike."""

from __future__ import annotations

import io
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from harness.agent import AgentSpec
from harness.errors import CheckpointError
from harness.reading import SEAL, seal
from harness.running import policies
from harness.running.policies import (
    PROVENANCE_FILE,
    UNSEALED,
    PolicySource,
    find_policies,
    load_policy_source,
    store_policy,
)

SPEC = AgentSpec(name="stub", version=1, maker="", description="", source="")


class Stub:
    """Saves the same two tensors each time."""

    def save_policy(self, folder: Path) -> None:
        save_file({"a": np.arange(6.0).reshape(2, 3), "b": np.ones(2, np.uint8)}, folder / "policy.safetensors")
        (folder / "policy.json").write_text("{}")


CONDITIONS = {
    "action_repeat": 2,
    "code_revision": "abc",
    "compute": "cpu, threads 1",
    "config_hash": "0123456789abcdef",
    "curve": [0, 0],
    "episode_frames": 50,
    "frame_stack": 3,
    "image_size": 24,
    "packages": {"numpy": "2"},
    "render_profile": "standard",
    "suite": "dots",
    "suite_version": 1,
    "train_frames": 100,
}
FACTS = {
    "agent": "stub",
    "agent_version": 1,
    "assets": {},
    "compute": "cpu, threads 1",
    "conditions": CONDITIONS,
    "config": {"rate": 0.5, "sizes": [1, 2]},
    "config_hash": "0123456789abcdef",
    "notes": ["a note"],
    "preset": "quick",
    "stand_ins": [],
    "task": "t",
    "train_frames": 100,
    "train_seed": 0,
    "trained_frames": 100,
    "pixels": [9, 24, 24],
    "actions": 2,
}


@pytest.fixture
def policy(tmp_path: Path) -> PolicySource:
    return store_policy(Stub(), tmp_path / "policy", FACTS)  # type: ignore[arg-type]


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
        monkeypatch.setattr(policies, "contents_digest", lambda *_, **__: pytest.fail("read gigabytes"))
    assert find_policies(policy.folder, SPEC) == {("t", 0): policy}
    file = policy.folder / "policy.safetensors"
    file.write_bytes(DAMAGE[damage](file.read_bytes()))
    with pytest.raises(CheckpointError, match="damaged") as caught:
        find_policies(policy.folder, SPEC)
    assert str(policy.folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_changed_byte_of_a_small_policy_is_seen(policy: PolicySource) -> None:
    file = policy.folder / "policy.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    policy.check_tensors()
    with pytest.raises(CheckpointError, match="do not match its own record"):
        find_policies(policy.folder, SPEC)


def test_a_record_comes_back_as_it_was_written(policy: PolicySource) -> None:
    assert policy.facts == json.loads((policy.folder / PROVENANCE_FILE).read_text())
    assert {name: policy.facts[name] for name in FACTS} == FACTS
    assert policy.conditions == CONDITIONS
    assert policy.facts["tensors"] == {"policy.safetensors": {"a": ["F64", [2, 3]], "b": ["U8", [2]]}}


@pytest.mark.parametrize(
    "change", [{"train_seed": 1}, {"preset": "paper"}, {"notes": []}, {"config": {"rate": 0.6}}, {"digest": "0" * 64}]
)
def test_an_edited_record_is_seen(policy: PolicySource, change: dict[str, object]) -> None:
    path = policy.folder / PROVENANCE_FILE
    path.write_text(json.dumps({**policy.facts, **change}))
    with pytest.raises(CheckpointError, match=f"{PROVENANCE_FILE} was edited"):
        load_policy_source(policy.folder)


def test_a_record_without_its_digest_is_read_and_says_so(policy: PolicySource) -> None:
    values = {name: value for name, value in policy.facts.items() if name != SEAL}
    (policy.folder / PROVENANCE_FILE).write_text(json.dumps(values))
    source = find_policies(policy.folder, SPEC)["t", 0]
    assert source.facts["notes"] == ["a note", UNSEALED]


def test_a_record_that_contradicts_itself_is_seen(policy: PolicySource) -> None:
    values = seal({**policy.facts, "train_frames": 200})
    (policy.folder / PROVENANCE_FILE).write_text(json.dumps(values))
    with pytest.raises(CheckpointError, match=r"'train_frames' and 'conditions.train_frames' are two: 200 and 100"):
        load_policy_source(policy.folder)


TENSORS = {
    "another shape": ({"a": np.zeros((3, 2)), "b": np.ones(2, np.uint8)}, r"'a' is F64 \[3, 2\], not F64 \[2, 3\]"),
    "another type": ({"a": np.zeros((2, 3), np.int64), "b": np.ones(2, np.uint8)}, "'a' is I64"),
    "one less": ({"b": np.ones(2, np.uint8)}, "it lacks 'a'"),
    "one more": ({"a": np.zeros((2, 3)), "b": np.ones(2, np.uint8), "c": np.ones(1)}, "it holds 'c'"),
}


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("case", TENSORS)
def test_tensors_that_are_not_those_of_the_record_are_named(
    policy: PolicySource, monkeypatch: pytest.MonkeyPatch, case: str, large: bool
) -> None:
    monkeypatch.setattr(policies, "HASH_BELOW", 0 if large else policies.HASH_BELOW)
    tensors, words = TENSORS[case]
    save_file(tensors, policy.folder / "policy.safetensors")
    with pytest.raises(CheckpointError, match=words):
        find_policies(policy.folder, SPEC)


def test_files_of_folders_below_are_part_of_a_policy(policy: PolicySource) -> None:
    class Nested(Stub):
        def save_policy(self, folder: Path) -> None:
            (folder / "more").mkdir()
            (folder / "more" / "x.json").write_text("1")

    source = store_policy(Nested(), policy.folder.with_name("nested"), FACTS)  # type: ignore[arg-type]
    (source.folder / "more" / "x.json").write_text("2")
    with pytest.raises(CheckpointError, match="do not match"):
        find_policies(source.folder, SPEC)
