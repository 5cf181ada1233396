"""Where networks are computed."""

from __future__ import annotations

import pytest

from harness.errors import UsageError
from harness.running import device
from harness.running.device import choose_device


@pytest.fixture
def two_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "card_names", lambda: ("NVIDIA A100", "NVIDIA H100"))


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:1"])
def test_a_card_is_refused_where_there_is_none(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "card_names", tuple)
    with pytest.raises(UsageError, match=f"There is no CUDA device here, so no {name};"):
        choose_device(name)
    assert choose_device("auto") == "cpu"


@pytest.mark.usefixtures("two_cards")
def test_a_card_is_named() -> None:
    assert choose_device("auto") == choose_device("cuda") == "cuda"
    assert choose_device("cuda:1") == "cuda:1"
    assert choose_device("cpu") == "cpu"
    with pytest.raises(UsageError) as refused:
        choose_device("cuda:2")
    assert str(refused.value) == "There is no cuda:2 here; there is cuda:0 (NVIDIA A100), cuda:1 (NVIDIA H100)."


@pytest.mark.parametrize("name", ["cuda:", "cuda:-1", "cuda:x", "cuda:1:2", "gpu", "CUDA"])
def test_what_is_no_device_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="Unknown device"):
        choose_device(name)


def test_a_card_of_this_machine_says_nothing_elsewhere() -> None:
    assert choose_device("cuda", elsewhere=True) == "cuda"
    assert choose_device("auto", elsewhere=True) == "cpu"
    with pytest.raises(UsageError, match=r"cuda:1 names a card of this machine, .*: use cuda\."):
        choose_device("cuda:1", elsewhere=True)
