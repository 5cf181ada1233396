"""The published Adroit experts (Rajeswaran et al. 2018) and the human demonstrations of the door.

Both come from aravindr93/hand_dapg@9a1de23 as plain arrays. The experts were trained by reinforcement learning from
states: what they demonstrate is not human.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from zipfile import BadZipFile

import numpy as np

from harness.assets.store import AssetStore
from harness.errors import CorruptAssetError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

LAYERS = ("in_shift", "in_scale", "w0", "b0", "w1", "b1", "w2", "b2", "out_shift", "out_scale", "log_std")
RECORDED = ("lengths", "actions", "rewards", "observations", "init_qpos", "init_qvel", "init_door_body_pos")


class Observed(Protocol):
    """The simulation, as far as an expert looks into it."""

    def observe_state(self) -> np.ndarray:
        """The state observation, float64 (S,)."""


class Startable(Protocol):
    """The simulation, as far as a recording needs it."""

    def start_next_from(self, qpos: np.ndarray, qvel: np.ndarray, door_frame_pos: np.ndarray) -> None:
        """Lets the next episode begin in a recorded state."""


class Expert:
    """A Gaussian policy with two hidden tanh layers, computed in float32.

    Args:
      arrays: the named float32 arrays of `LAYERS`.
      identity: of the asset they come from.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray], identity: str) -> None:
        self._arrays = dict(arrays)
        self.identity = identity

    def act(self, simulation: Observed) -> np.ndarray:
        """The mean action in the simulation's present state, float32 (A,)."""
        return self.act_from_state(simulation.observe_state())

    def sample(self, simulation: Observed, rng: np.random.Generator) -> np.ndarray:
        """A noisy action in the simulation's present state, float32 (A,)."""
        return self.sample_from_state(simulation.observe_state(), rng)

    def act_from_state(self, state: np.ndarray) -> np.ndarray:
        """The mean action, float32 (A,), within [-1, 1], for a state observation (S,) of `observe_state`."""
        return np.clip(self._mean(state), -1.0, 1.0)

    def sample_from_state(self, state: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """An action drawn as in the expert's training, float32 (A,), within [-1, 1]."""
        log_std = self._arrays["log_std"]
        noise = np.exp(log_std) * rng.standard_normal(log_std.shape).astype(np.float32)
        return np.clip(self._mean(state) + noise, -1.0, 1.0)

    def _mean(self, state: np.ndarray) -> np.ndarray:
        p = self._arrays
        x = (state.astype(np.float32) - p["in_shift"]) / (p["in_scale"] + np.float32(1e-8))
        x = np.tanh(p["w0"] @ x + p["b0"])
        x = np.tanh(p["w1"] @ x + p["b1"])
        return (p["w2"] @ x + p["b2"]) * p["out_scale"] + p["out_shift"]


@dataclass(frozen=True)
class HumanDemo:
    """One recorded trajectory of the door.

    Its stored observations do not fit its actions (they start away from the initial state), so they are made again by
    replay; `rewards` and `observations` serve as a check of the reward only.
    """

    actions: np.ndarray  # float64 (T, 28), slightly outside [-1, 1]
    rewards: np.ndarray  # float64 (T,), DAPG's dense reward
    observations: np.ndarray  # float64 (T, 39)
    qpos: np.ndarray  # float64 (30,)
    qvel: np.ndarray  # float64 (30,)
    door_frame_pos: np.ndarray  # float64 (3,), metres

    def start(self, simulation: Startable) -> None:
        """Lets the simulation's next episode begin where the recording began."""
        simulation.start_next_from(self.qpos, self.qvel, self.door_frame_pos)


def load_expert(task: str, assets: AssetStore) -> Expert:
    """The expert of a task, which is the same for its sparse and its dense reward.

    Raises:
      MissingAssetError: if its file is absent; there is no stand-in for an expert.
      CorruptAssetError: if the file does not hold the arrays.
    """
    path, identity = _locate(f"adroit_expert_{task.removesuffix('_dense')}", assets)
    arrays = _read(path, LAYERS)
    return Expert({name: array.astype(np.float32) for name, array in arrays.items()}, identity)


def load_human_demos(task: str, assets: AssetStore) -> tuple[tuple[HumanDemo, ...], str]:
    """The 25 human demonstrations of the door, and the identity of the file.

    Raises:
      UsageError: for another task: their files are not at hand, the expert demonstrates instead.
      MissingAssetError: if the file is absent.
      CorruptAssetError: if it does not hold the arrays.
    """
    if task.removesuffix("_dense") != "door":
        raise UsageError(f"There are no human demonstrations of {task}, only of door; take the expert's instead.")
    path, identity = _locate("adroit_demos_door", assets)
    arrays = _read(path, RECORDED)
    ends = np.cumsum(arrays["lengths"])[:-1]
    split = [np.split(arrays[name], ends) for name in ("actions", "rewards", "observations")]
    starts = [arrays[name] for name in ("init_qpos", "init_qvel", "init_door_body_pos")]
    return tuple(HumanDemo(*parts) for parts in zip(*split, *starts, strict=True)), identity


def _locate(name: str, assets: AssetStore) -> tuple[Path, str]:
    found = AssetStore(assets.folders, allow_stand_ins=False).find(name)  # nothing stands in for an expert
    return found.files[0], found.identity


def _read(path: Path, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in names}
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise CorruptAssetError(f"'{path}' does not hold the arrays it should ({error!r}).") from error
