"""Shapes in torch files, read without torch."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from harness.assets.torch_shapes import read_torch_shapes
from harness.errors import CorruptAssetError


def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(2, 5).half())


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("inner", [False, True])
def test_shapes_are_those_torch_reads(zipped: bool, inner: bool, tmp_path: Path) -> None:
    state = network().state_dict()
    torch.save({"model": state} if inner else state, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
    found = read_torch_shapes(tmp_path / "a.pth")
    assert found == {name: tuple(tensor.shape) for name, tensor in state.items()}
    assert len(found) == 9


def test_parameters_count_as_tensors(tmp_path: Path) -> None:
    torch.save(dict(network().named_parameters()), tmp_path / "a.pth")
    assert read_torch_shapes(tmp_path / "a.pth")["2.weight"] == (5, 2)


def test_it_needs_no_torch(tmp_path: Path) -> None:
    torch.save(network().state_dict(), tmp_path / "a.pth")
    code = (
        "import sys; from pathlib import Path; from harness.assets.torch_shapes import read_torch_shapes; "
        f"print(len(read_torch_shapes(Path({str(tmp_path / 'a.pth')!r}))), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["9", "False"]


class Caller:
    """A pickle of it makes a folder when it is loaded."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.folder,)


@pytest.mark.parametrize("zipped", [False, True])
def test_code_is_never_called(zipped: bool, tmp_path: Path) -> None:
    made = tmp_path / "made"
    torch.save({"a": Caller(str(made))}, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(CorruptAssetError, match=r"it names posix\.mkdir"):
        read_torch_shapes(tmp_path / "a.pth")
    assert not made.exists()


@pytest.mark.parametrize("what", ["empty", "text", "pickle", "cut", "numbers", "list"])
def test_other_files_are_refused(what: str, tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save(
        {"a": [1, 2]} if what == "numbers" else [torch.zeros(1)] if what == "list" else network().state_dict(), path
    )
    whole = path.read_bytes()
    others = {"empty": b"", "text": b"hello", "pickle": pickle.dumps({"a": 1}), "cut": whole[: len(whole) // 2]}
    path.write_bytes(others.get(what, whole))
    with pytest.raises(CorruptAssetError, match=r"a\.pth"):
        read_torch_shapes(path)
