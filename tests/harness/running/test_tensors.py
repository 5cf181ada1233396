"""Headers of safetensors files are read without torch, and nothing in them is believed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from harness.errors import CheckpointError
from harness.running.tensors import misfit, read_shapes


def write(path: Path, header: object, body: bytes = b"") -> None:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + body)


def test_shapes_are_those_that_were_saved(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_file({"b": np.zeros((2, 3), np.float32), "a": np.zeros((), np.int64)}, path, metadata={"about": "this"})
    assert read_shapes(path) == {"a": ("I64", ()), "b": ("F32", (2, 3))}
    save_file({}, path, metadata={"about": "nothing"})
    assert read_shapes(path) == {}


ENTRY = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
HEADERS = {
    "a list": [],
    "null": None,
    "a number": {"a": 1},
    "without a shape": {"a": {"dtype": "F32", "data_offsets": [0, 8]}},
    "a negative size": {"a": {**ENTRY, "shape": [-2]}},
    "a size that is a text": {"a": {**ENTRY, "shape": ["2"]}},
    "a type that is a number": {"a": {**ENTRY, "dtype": 3}},
    "more than a tensor has": {"a": {**ENTRY, "name": "b"}},
    "a shape for other bytes": {"a": {**ENTRY, "shape": [3]}},
    "backwards": {"a": {**ENTRY, "data_offsets": [8, 0]}},
    "metadata of numbers": {"__metadata__": {"a": 1}, "a": ENTRY},
    "nested": b'{"a":' + b"[" * 100_000,
    "a length of another file": {"a": {**ENTRY, "shape": [4], "data_offsets": [0, 16]}},
}


@pytest.mark.parametrize("case", HEADERS)
def test_wrong_headers_are_refused(case: str, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    write(path, {"a": ENTRY}, bytes(8))
    assert read_shapes(path) == {"a": ("F32", (2,))}
    write(path, HEADERS[case], bytes(8))
    with pytest.raises(CheckpointError, match=r"x\.safetensors") as caught:
        read_shapes(path)
    assert "\n" not in str(caught.value)


def test_a_misfit_is_told() -> None:
    wanted = {"a": ("F32", (2,)), "b": ("F32", ())}
    assert misfit(wanted, wanted) is None
    assert misfit({**wanted, "a": ("F16", (2,))}, wanted) == "'a' is F16 [2], not F32 [2]"
    assert misfit({"a": ("F32", (2,))}, wanted) == "it lacks 'b', F32 []"
    assert misfit({**wanted, "c": ("F32", ())}, wanted) == "it holds 'c', which has no place there"
