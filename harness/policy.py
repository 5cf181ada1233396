"""What may act, an object with `act` or a plain function, and how it is told that an episode begins."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from harness.errors import UsageError

# The line that works for a model of Stable-Baselines3, whose `predict` returns a pair.
PREDICTING = "harness.policies.from_sb3(model)"


class FunctionPolicy:
    """Lets a plain function from a batch of observations to a batch of actions act."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self._function = function

    @property
    def owner(self) -> Any:
        """What keeps the memory there may be: the object whose method it is, else the callable itself."""
        return self._function.__self__ if inspect.ismethod(self._function) else self._function

    def act(self, observations: Any, *, explore: bool) -> Any:
        return self._function(observations)


def starter(policy: Any, facts: Mapping[str, Any]) -> tuple[str, Callable[[], object]] | None:
    """How a policy learns that an episode begins: the name of its method, and the call; None if it has neither.

    That is `begin_episode(**facts)` where there is one, else `reset()`, the convention of most libraries, where it
    takes a call without arguments (that of a recurrent network may want a batch size, and then means something else).
    """
    owner = policy.owner if isinstance(policy, FunctionPolicy) else policy
    begin, reset = getattr(owner, "begin_episode", None), getattr(owner, "reset", None)
    if callable(begin):
        return "begin_episode", lambda: begin(**facts)
    if callable(reset) and takes_no_arguments(reset):
        return "reset", reset
    return None


def takes_no_arguments(function: Callable[..., Any]) -> bool:
    """Whether a callable can be called without arguments; False where it does not tell."""
    try:
        inspect.signature(function).bind()
    except (TypeError, ValueError):
        return False
    return True


def as_policy(policy: Any) -> Any:
    """The object itself if it has `act`, a wrapper if it is a function.

    Raises:
      UsageError: if it is neither.
    """
    if callable(getattr(policy, "act", None)):
        return policy
    if callable(getattr(policy, "predict", None)):
        raise UsageError(
            f"A {type(policy).__name__} predicts but does not act: hand over {PREDICTING} (model being the object)."
        )
    if callable(policy):
        return FunctionPolicy(policy)
    raise UsageError(f"A policy has act(observations, *, explore) or is a function, not a {type(policy).__name__}.")
