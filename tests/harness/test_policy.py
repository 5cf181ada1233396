"""What may act, and how it learns that an episode begins."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

from harness.errors import UsageError
from harness.policy import FunctionPolicy, as_policy, starter, takes_no_arguments

FACTS = {"phase": "evaluation", "seed": 42, "episode": 3}


class Reset:
    """Counts its calls of `reset`."""

    def __init__(self) -> None:
        self.resets = 0

    def act(self, observations: Any, *, explore: bool) -> Any:
        return observations

    def reset(self) -> None:
        self.resets += 1

    def choose(self, observations: Any) -> Any:
        return observations

    __call__ = choose


class Told(Reset):
    """Wants to be told, and counts that apart from its `reset`."""

    told: dict[str, Any] | None = None

    def begin_episode(self, **facts: Any) -> None:
        self.told = facts


class Sized(Reset):
    """Its `reset` means something else."""

    def reset(self, batch_size: int) -> None:  # type: ignore[override]
        pytest.fail("it was called")


def test_a_reset_without_arguments_starts_an_episode() -> None:
    policy = Reset()
    method, call = starter(policy, FACTS) or pytest.fail("no starter")
    call()
    assert (method, policy.resets) == ("reset", 1)


@pytest.mark.parametrize("form", ["method", "callable"])
def test_of_a_function_that_is_a_method_the_object_is_reset(form: str) -> None:
    memory = Reset()
    policy = as_policy(memory.choose) if form == "method" else FunctionPolicy(memory)
    _, call = starter(policy, FACTS) or pytest.fail("no starter")
    call()
    assert memory.resets == 1


def test_what_wants_to_be_told_is_not_reset_as_well() -> None:
    policy = Told()
    method, call = starter(policy, FACTS) or pytest.fail("no starter")
    call()
    assert (method, policy.told, policy.resets) == ("begin_episode", FACTS, 0)


@pytest.mark.parametrize("policy", [Sized(), as_policy(Sized().choose), as_policy(lambda observations: 0), np.zeros])
def test_nothing_is_called_where_there_is_nothing_to_call(policy: Any) -> None:
    assert starter(policy, FACTS) is None


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda: 0, True),
        (lambda *args, **kwargs: 0, True),
        (lambda seed=None, *, options=None: 0, True),
        (lambda batch_size: 0, False),
        (lambda *, batch_size: 0, False),
        (functools.partial(lambda size: 0, 3), True),
        (dict.update, False),
        (type, False),  # says nothing of its arguments
    ],
)
def test_what_can_be_called_without_arguments(function: Any, expected: bool) -> None:
    assert takes_no_arguments(function) == expected


def test_what_cannot_act_is_refused() -> None:
    with pytest.raises(UsageError, match="not a int"):
        as_policy(3)
