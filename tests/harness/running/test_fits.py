"""What cannot fit is refused by the plan, with the number of bytes or the tensor that does not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from harness.agent import AgentSpec, Sizes
from harness.baselines.drqv2 import AGENT
from harness.errors import CheckpointError, UsageError
from harness.running import fits
from harness.running.fits import check_memory, check_policy, machine_bytes
from harness.running.policies import PROVENANCE_FILE, find_policies, store_policy
from harness.testing import SUITE
from tests.harness.running.test_policies import FACTS

TASK = SUITE.tasks[0]
SMALL = {"feature_dim": 4, "hidden_dim": 8}


def check(**settings: Any) -> None:
    check_memory(AGENT, AGENT.configure({**SMALL, **settings}), SUITE.protocol, TASK)


def test_the_machine_has_memory() -> None:
    assert 10**8 < machine_bytes() < 10**15


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        # Actor and critic have three such squares with gradient and two averages, the target two: 56 bytes of each.
        ({"hidden_dim": 2**31}, r"at least 258,254,[\d,]{19} bytes"),
        ({"hidden_dim": 99999999999999999999}, r"at least 560,000,0[\d,]{46,} bytes"),
        ({"feature_dim": 2147483648}, r"at least [\d,]{18,} bytes of memory"),
        ({"batch_size": 10**12}, r"at least [\d,]{18,} bytes of memory"),
        ({"shift_pad": 10**9}, r"at least [\d,]{18,} bytes of memory"),
        ({"hidden_dim": 10**4000}, r"at least 10\^60 bytes"),
    ],
)
def test_what_no_memory_holds_is_refused_with_its_bytes(settings: dict[str, int], words: str) -> None:
    with pytest.raises(UsageError, match=f"Training drqv2 on {TASK} would take {words}"):
        check(**settings)
    check()


def test_the_machine_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fits, "machine_bytes", lambda: 1000)
    with pytest.raises(UsageError, match="this machine has 1,000: set smaller sizes"):
        check()
    check_memory(replace(AGENT, training_bytes=None), AGENT.configure(SMALL), SUITE.protocol, TASK)


class Stored:
    """Stores random tensors of the right shapes."""

    def save_policy(self, folder: Path) -> None:
        assert AGENT.tensors is not None
        wanted = AGENT.tensors(AGENT.configure(SMALL), Sizes((9, 24, 24), 2, 3))
        save_file({name: np.zeros(shape, np.float32) for name, (_, shape) in wanted.items()}, folder / "p.safetensors")


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    config = AGENT.configure(SMALL).model_dump(mode="json")
    facts = {**FACTS, "agent": "drqv2", "agent_version": AGENT.version, "config": config}
    return store_policy(Stored(), tmp_path / "policy", facts).folder  # type: ignore[arg-type]


def read(folder: Path, spec: AgentSpec = AGENT) -> None:
    for source in find_policies(folder, spec).values():
        check_policy(spec, source)


def restore(folder: Path, tensors: dict[str, np.ndarray], **changes: Any) -> None:
    """Stores other tensors or facts with a record that knows nothing of it: all its digests are right."""

    class Other:
        def save_policy(self, into: Path) -> None:
            save_file(tensors, into / "p.safetensors")

    facts = json.loads((folder / PROVENANCE_FILE).read_text())
    for name in ("record_digest", "digest", "tensors"):
        del facts[name]
    store_policy(Other(), folder, {**facts, **changes})  # type: ignore[arg-type]


def test_a_policy_fits_its_own_agent(stored: Path) -> None:
    read(stored)


def test_every_tensor_has_to_fit(stored: Path) -> None:
    whole = load_file(stored / "p.safetensors")
    for name, tensor in whole.items():
        others = {key: value for key, value in whole.items() if key != name}
        for wrong in ({}, {name: tensor.astype(np.float64)}, {name: np.zeros((*tensor.shape, 1), np.float32)}):
            restore(stored, {**others, **wrong})
            with pytest.raises(CheckpointError, match=f"does not fit drqv2 as it was set: .*'{name}'"):
                read(stored)
    restore(stored, {**whole, "more": np.zeros(1, np.float32)})
    with pytest.raises(CheckpointError, match="it holds 'more'"):
        read(stored)
    restore(stored, whole)
    read(stored)


@pytest.mark.parametrize("change", [{"hidden_dim": 9}, {"feature_dim": 5}, {"hidden_dim": 10**30}])
def test_a_width_in_the_record_has_to_fit(stored: Path, change: dict[str, int]) -> None:
    facts = json.loads((stored / PROVENANCE_FILE).read_text())
    restore(stored, load_file(stored / "p.safetensors"), config={**facts["config"], **change})
    with pytest.raises(CheckpointError, match="does not fit"):
        read(stored)


@pytest.mark.parametrize("wrong", [None, [1], "3", True, 1.5, -1])
def test_a_wrong_setting_in_the_record_is_named(stored: Path, wrong: Any) -> None:
    facts = json.loads((stored / PROVENANCE_FILE).read_text())
    restore(stored, load_file(stored / "p.safetensors"), config={**facts["config"], "hidden_dim": wrong})
    with pytest.raises(CheckpointError, match=rf"{PROVENANCE_FILE} is damaged: 'config\.hidden_dim' should be"):
        read(stored)
