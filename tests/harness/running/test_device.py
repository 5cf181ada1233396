"""Where networks are computed."""

from __future__ import annotations

import pytest

from harness.errors import UsageError
from harness.running.device import choose_device


def test_cuda_is_refused_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.running.device._num_cuda_devices", lambda: 0)
    with pytest.raises(UsageError, match="no CUDA device"):
        choose_device("cuda")
    assert choose_device("auto") == "cpu"
    monkeypatch.setattr("harness.running.device._num_cuda_devices", lambda: 2)
    assert choose_device("auto") == choose_device("cuda") == "cuda"
    assert choose_device("cpu") == "cpu"
