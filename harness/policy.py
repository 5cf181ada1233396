"""What may act: an object with `act`, or a plain function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.errors import UsageError

# The line that works for a model of Stable-Baselines3, whose `predict` returns a pair.
PREDICTING = "lambda observations: model.predict(observations, deterministic=True)[0]"


class FunctionPolicy:
    """Lets a plain function from a batch of observations to a batch of actions act."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self._function = function

    def act(self, observations: Any, *, explore: bool) -> Any:
        return self._function(observations)


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
