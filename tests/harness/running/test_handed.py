"""What is handed over from Python travels to workers by value, once per process."""

from __future__ import annotations

import pickle
import threading
from typing import Any

import numpy as np
import pytest

from harness.errors import UsageError, WorkError
from harness.running import handed
from harness.running.handed import Handed
from harness.testing import SUITE


def sent(one: Handed, monkeypatch: pytest.MonkeyPatch) -> Handed:
    """As it arrives in another process."""
    monkeypatch.setattr(handed, "_OPENED", {})
    arrived: Handed = pickle.loads(pickle.dumps(one))
    return arrived


def test_in_the_process_it_is_made_in_it_is_the_object_itself() -> None:
    class Policy:
        def act(self, observations: Any, *, explore: bool) -> Any:
            return observations

    policy = Policy()
    one = Handed(SUITE, policy)
    assert one.policy is policy
    assert one.suite is SUITE


def test_a_function_of_no_module_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    factor = np.arange(3.0)
    arrived = sent(Handed(SUITE, lambda observations: observations * factor), monkeypatch)
    assert arrived.suite == SUITE
    assert arrived.policy.act(2.0, explore=False).tolist() == [0.0, 2.0, 4.0]


def test_a_worker_makes_it_once_however_often_it_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    one = Handed(SUITE, lambda observations: observations)
    first = sent(one, monkeypatch)
    again: Handed = pickle.loads(pickle.dumps(one))
    assert first.policy is again.policy
    other: Handed = pickle.loads(pickle.dumps(Handed(SUITE, lambda observations: observations)))
    assert other.policy is not first.policy


def test_what_cannot_be_sent_is_refused_before_any_work() -> None:
    lock = threading.Lock()
    with pytest.raises(UsageError, match=r"cannot be sent \(TypeError: .*leave workers out"):
        Handed(SUITE, lambda observations: lock).check_portable()


def test_what_cannot_be_made_again_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    arrived = sent(Handed(SUITE, _Unmakeable()), monkeypatch)
    with pytest.raises(WorkError, match=r"made again in a worker \(RuntimeError: no device here\)"):
        _ = arrived.policy


class _Unmakeable:
    def act(self, observations: Any, *, explore: bool) -> Any:
        return observations

    def __reduce__(self) -> Any:
        return _refuse, ()


def _refuse() -> None:
    raise RuntimeError("no device here")
