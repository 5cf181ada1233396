"""Models of other libraries as policies: what `harness.evaluate` and `harness run --agent` take.

Nothing of those libraries is imported here; whoever has a model has its library.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from harness.errors import UsageError


def from_sb3(model: Any, deterministic: bool = True) -> Sb3Policy:
    """A model of Stable-Baselines3 (or of its contributions) as a policy.

    Args:
      model: any object with `predict` and `observation_space`, such as a loaded `SAC` or `RecurrentPPO`. Pixels may be
        first or last with their channels, and one of several keys.
      deterministic: as of `predict`; False draws actions.
    Raises:
      UsageError: if it is none, or was not trained on pixels as bytes.
    """
    return Sb3Policy(model, deterministic)


class Sb3Policy:
    """Acts as a model predicts; a recurrent model starts every episode afresh."""

    def __init__(self, model: Any, deterministic: bool) -> None:
        space = getattr(model, "observation_space", None)
        if not callable(getattr(model, "predict", None)) or space is None:
            raise UsageError(f"A model has predict() and observation_space, which a {type(model).__name__} has not.")
        self._model, self._deterministic = model, deterministic
        self._spaces: Mapping[str, Any] | None = dict(space.spaces) if hasattr(space, "spaces") else None
        self._pixels: Any = space if self._spaces is None else self._spaces.get("pixels")
        if self._pixels is not None and self._pixels.dtype != np.uint8:
            raise UsageError(f"This model was trained on {self._pixels.dtype} where pixels are uint8, values 0 to 255.")
        self._state: Any = None
        self._begins = True

    def reset(self) -> None:
        """An episode begins."""
        self._state, self._begins = None, True

    def act(self, observations: Any, *, explore: bool) -> np.ndarray:
        """Chooses actions.

        Args:
          observations: uint8 (B, C, H, W), or a dict of `pixels` and `proprio` float32 (B, P).
          explore: changes nothing; see `deterministic`.
        Returns:
          float32 (B, A).
        Raises:
          UsageError: if the model was trained on something else.
        """
        more = {} if self._state is None else {"state": self._state, "episode_start": np.array([self._begins])}
        chosen = self._model.predict(self._seen(observations), deterministic=self._deterministic, **more)
        self._begins = False
        actions, self._state = chosen
        return np.asarray(actions, np.float32)

    def _seen(self, observations: Any) -> Any:
        """An observation as the model was trained on it."""
        given = observations if isinstance(observations, dict) else {"pixels": observations}
        if self._spaces is None:
            return _turned(given["pixels"], self._pixels.shape)
        if missing := sorted(set(self._spaces) - set(given)):
            raise UsageError(f"This model sees '{missing[0]}', and observations have {', '.join(sorted(given))}.")
        turned = {"pixels": _turned(given["pixels"], self._pixels.shape)} if self._pixels is not None else {}
        return {name: given[name] for name in self._spaces} | turned


def _turned(pixels: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Pixels (B, C, H, W) with their channels where a model has them."""
    if pixels.shape[1:] == shape:
        return pixels
    last = pixels.transpose(0, 2, 3, 1)
    if last.shape[1:] == shape:
        return np.ascontiguousarray(last)
    raise UsageError(f"This model was trained on pixels of shape {shape}, and these are {pixels.shape[1:]}.")
