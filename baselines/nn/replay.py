"""Replay of the DDPG family: whole episodes, single frames stored once, n-step targets.

As facebookresearch/drqv2 replay_buffer.py samples, with two differences in how, not in what: one sampler instead of
four workers with a quarter of the episodes each, and single frames instead of stacks, a third of the memory.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np
import torch
from torch import Tensor

from harness.errors import AgentError, CheckpointError, WorkError

PIXELS = np.dtype(np.uint8)
TORCH_TYPES = {PIXELS: torch.uint8, np.dtype(np.float16): torch.float16, np.dtype(np.float32): torch.float32}


class Batch(NamedTuple):
    """N sampled transitions over n steps."""

    observations: Tensor  # uint8 (N, C, H, W), or tokens (N, D) as they are stored
    actions: Tensor  # (N, A)
    rewards: Tensor  # (N, 1), discounted sum over n steps
    discounts: Tensor  # (N, 1), what the bootstrapped value is multiplied by
    next_observations: Tensor  # the same, n steps later

    def to(self, device: torch.device) -> Batch:
        """The batch on a device; from pinned memory the copies do not make the host wait."""
        return Batch(*(tensor.to(device, non_blocking=True) for tensor in self))


@dataclass(frozen=True)
class FrameFile:
    """Frames in a `.npy` file that is opened per read: a mapping each would use up the descriptors a process may have.

    The published budgets finish a thousand episodes and more, and `ulimit -n` is 1024 on most systems.
    """

    path: Path
    offset: int  # bytes before the first frame
    shape: tuple[int, ...]  # C order
    dtype: np.dtype[Any] = PIXELS

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    def copy(self, *parts: tuple[int, np.ndarray]) -> None:
        """Fills each array with as many frames from its start on.

        Args:
          parts: (index of the first frame, contiguous array of frames) each.
        Raises:
          CheckpointError: if the file is gone or has become shorter.
          WorkError: if it cannot be read for another reason.
        """
        frame_bytes = math.prod(self.shape[1:]) * self.dtype.itemsize
        try:
            with self.path.open("rb", buffering=0) as file:
                for start, out in parts:
                    if os.preadv(file.fileno(), [out.data], self.offset + start * frame_bytes) != out.nbytes:
                        raise EOFError
        except (OSError, EOFError) as error:
            _cannot_read(self.path, error)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """All frames, read into RAM."""
        try:
            frames = np.fromfile(self.path, self.dtype, math.prod(self.shape), offset=self.offset)
            return frames.reshape(self.shape)
        except (OSError, ValueError) as error:
            _cannot_read(self.path, error)


@dataclass(frozen=True)
class Episode:
    """A finished episode of L steps."""

    frames: np.ndarray | FrameFile  # (L + k, 3, H, W) or (L + k, D): the first stack as it was, then one per step
    steps: np.ndarray  # float32 (L, A + 2): action, reward, whether the step ended the task

    @property
    def num_bytes(self) -> int:
        return self.frames.nbytes + self.steps.nbytes

    @property
    def picture(self) -> tuple[int, ...]:
        """Shape of one frame."""
        return self.frames.shape[1:]

    def copy_frames(self, *parts: tuple[int, np.ndarray]) -> None:
        """Fills each array with as many frames from its start on; as `FrameFile.copy`."""
        if isinstance(self.frames, FrameFile):
            self.frames.copy(*parts)
            return
        for start, out in parts:
            out[...] = self.frames[start : start + len(out)]

    def __len__(self) -> int:
        return len(self.steps)


def n_step_return(rewards: np.ndarray, discounts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Discounted sums of rewards, and what is left of the value after the last step.

    Args:
      rewards: (N, n).
      discounts: (N, n); entry i discounts everything after step i.
    Returns:
      sum_i (prod_{j<i} discounts_j) rewards_i and prod_i discounts_i, float64 (N,) each.
    """
    products = np.cumprod(discounts.astype(np.float64), axis=1)
    before = np.concatenate([np.ones((len(products), 1)), products[:, :-1]], axis=1)
    return (before * rewards).sum(1), products[:, -1]


class Replay:
    """Finished episodes, sampled uniformly: first an episode, then a start in it.

    Only finished episodes are sampled, and only those of at least `n_step` steps. When more than `capacity` steps
    are held, the oldest episodes go.

    With a folder, every finished episode becomes two files that never change; pixels are read from there. What
    counts is what the last checkpoint's record names: files of later episodes are overwritten when a killed run
    goes on from that checkpoint, and the files of an evicted episode are deleted one checkpoint late, so that the
    last complete checkpoint can always be resumed. Without a folder, episodes live in RAM and go into the checkpoint.

    Args:
      frame_stack: frames per observation, k.
      capacity: steps.
      n_step: length of the return.
      discount: per step of the agent.
      bootstrap_terminal: True is what the published code does: `discount or 1.0` there turns the 0 of a true
        termination into 1, so that the bootstrap is never cut. False cuts it.
      seed: of the sampler.
      folder: where episodes are kept; None for RAM.
      frame_dtype: of what is kept of a frame: uint8 pixels (3, H, W), or floats (D,), what an encoder made of them.
    """

    def __init__(
        self,
        *,
        frame_stack: int,
        capacity: int,
        n_step: int,
        discount: float,
        bootstrap_terminal: bool,
        seed: int,
        folder: Path | None = None,
        frame_dtype: np.dtype[Any] = PIXELS,
    ) -> None:
        self._frame_stack, self._frame_dtype = frame_stack, frame_dtype
        self._capacity = capacity
        self._n_step = n_step
        self._discount = discount
        self._bootstrap_terminal = bootstrap_terminal
        self._rng = np.random.default_rng(seed)
        self._folder = folder
        self._episodes: dict[int, Episode] = {}  # by number, oldest first
        self._eligible: list[int] = []  # numbers of episodes long enough to be sampled
        self._next = 0
        self._num_steps = 0
        self._evicted: list[int] = []  # since the last save
        self._deletable: list[int] = []  # evicted before the last save
        self._begin()

    def __len__(self) -> int:
        """Steps held, of finished episodes."""
        return self._num_steps

    @property
    def can_sample(self) -> bool:
        return bool(self._eligible)

    @property
    def num_bytes(self) -> int:
        """Bytes of all finished episodes."""
        return sum(episode.num_bytes for episode in self._episodes.values())

    def add(
        self,
        observation: np.ndarray,
        action: np.ndarray,
        reward: float,
        next_observation: np.ndarray,
        *,
        terminated: bool,
        truncated: bool,
    ) -> None:
        """Takes in one step; the episode counts once it has ended.

        Args:
          observation, next_observation: (3 * k, H, W) or (D * k,), of the replay's type, oldest frame first.
          action: (A,).
        Raises:
          AgentError: if the next observation is not the old one moved on by one frame.
          WorkError: if an episode cannot be written.
        """
        channels = len(observation) // self._frame_stack
        if not np.array_equal(observation[channels:], next_observation[:-channels]):
            raise AgentError("The replay needs observations that are a sliding stack of frames, and these are not.")
        if not self._frames:
            self._frames.extend(observation.reshape(self._frame_stack, channels, *observation.shape[1:]).copy())
        self._frames.append(next_observation[-channels:].copy())
        self._steps.append(np.array([*action, reward, terminated], np.float32))
        if terminated or truncated:
            self._finish()

    def draw(self, num: int) -> np.ndarray:
        """Chooses transitions: int64 (num, 2), episode number and index of the first step."""
        numbers = np.array(self._eligible)[self._rng.integers(len(self._eligible), size=num)]
        lengths = np.array([len(self._episodes[number]) for number in numbers])
        return np.stack([numbers, self._rng.integers(lengths - self._n_step + 1)], axis=1)

    def gather(self, indices: np.ndarray, dtype: torch.dtype = torch.float32, *, pin: bool = False) -> Batch:
        """Reads the transitions that `draw` chose.

        Args:
          indices: as `draw` returns them.
          dtype: of actions, rewards and discounts.
          pin: put the pixels into pinned memory, for a copy to the GPU that overlaps with work.
        Raises:
          CheckpointError: if the file of an episode is missing or damaged.
          WorkError: if it cannot be read for another reason.
        """
        k, n = self._frame_stack, self._n_step
        first = self._episode(int(indices[0, 0]))
        channels, *size = first.picture
        kind = TORCH_TYPES[self._frame_dtype]
        pixels = torch.empty((2, len(indices), k * channels, *size), dtype=kind, pin_memory=pin)
        blocks = pixels.numpy().reshape(2, len(indices), k, channels, *size)
        steps = np.empty((len(indices), n, len(first.steps[0])), np.float64)
        for row, (number, start) in enumerate(indices.tolist()):
            episode = self._episode(number)
            episode.copy_frames((start, blocks[0, row]), (start + n, blocks[1, row]))
            steps[row] = episode.steps[start : start + n]
        kept = np.ones_like(steps[..., -1]) if self._bootstrap_terminal else 1.0 - steps[..., -1]
        returns, left = n_step_return(steps[..., -2], self._discount * kept)
        actions, rewards, discounts = (
            torch.from_numpy(np.ascontiguousarray(values)).to(dtype)
            for values in (steps[:, 0, :-2], returns[:, None], left[:, None])
        )
        return Batch(pixels[0], actions, rewards, discounts, pixels[1])

    def save(self, folder: Path) -> dict[str, Any]:
        """Records which episodes count; in RAM mode, also writes them into `folder`.

        Returns:
          The record, JSON-compatible. An unfinished episode is not part of it.
        Raises:
          WorkError: if the disk is full or cannot be written.
        """
        if self._folder is None:
            for number, episode in self._episodes.items():
                _write_episode(folder, number, episode)
        else:
            for number in self._deletable:
                for path in _paths(self._folder, number):
                    path.unlink(missing_ok=True)
            self._deletable, self._evicted = self._evicted, []
        return {
            "numbers": list(self._episodes),
            "lengths": [len(episode) for episode in self._episodes.values()],
            "next": self._next,
            "generator": self._rng.bit_generator.state,
            "in_checkpoint": self._folder is None,
        }

    def load(self, folder: Path, record: Mapping[str, Any]) -> None:
        """Goes back to what `save` recorded; `folder` is the one it was given.

        Raises:
          CheckpointError: if an episode that counts is missing or damaged.
          WorkError: if it cannot be read for another reason.
        """
        source = folder if record["in_checkpoint"] else self._folder
        if source is None:
            raise CheckpointError("This checkpoint keeps its experience in a run folder, and none was given.")
        self._episodes = {}
        for number, length in zip(record["numbers"], record["lengths"], strict=True):
            episode = _read_episode(source, number, length, self._frame_stack, self._frame_dtype)
            self._episodes[number] = self._keep(number, episode) if record["in_checkpoint"] else episode
        self._eligible = [number for number, episode in self._episodes.items() if len(episode) >= self._n_step]
        self._num_steps = sum(map(len, self._episodes.values()))
        self._next = record["next"]
        self._rng.bit_generator.state = record["generator"]
        self._evicted, self._deletable = [], self._stale_files()
        self._begin()

    def drop_unfinished(self) -> None:
        """Forgets the steps of an episode that has not ended."""
        self._begin()

    def _begin(self) -> None:
        self._frames: list[np.ndarray] = []
        self._steps: list[np.ndarray] = []

    def _episode(self, number: int) -> Episode:
        """What `draw` names by a number."""
        return self._episodes[number]

    def _finish(self) -> None:
        episode = Episode(np.stack(self._frames), np.stack(self._steps))
        self._episodes[self._next] = self._keep(self._next, episode)
        self._num_steps += len(episode)
        if len(episode) >= self._n_step:
            self._eligible.append(self._next)
        self._next += 1
        self._begin()
        while self._too_many():
            self._evict_oldest()

    def _too_many(self) -> bool:
        """Whether the oldest episode has to go."""
        return self._num_steps > self._capacity and len(self._episodes) > 1

    def _evict_oldest(self) -> None:
        number = next(iter(self._episodes))
        self._num_steps -= len(self._episodes.pop(number))
        if self._eligible and self._eligible[0] == number:
            self._eligible.pop(0)
        if self._folder is not None:
            self._evicted.append(number)

    def _keep(self, number: int, episode: Episode) -> Episode:
        """Puts an episode where this replay keeps them, and returns it as read from there."""
        if self._folder is None:
            return Episode(np.array(episode.frames), np.array(episode.steps))
        _write_episode(self._folder, number, episode)
        return _read_episode(self._folder, number, len(episode), self._frame_stack, self._frame_dtype)

    def _stale_files(self) -> list[int]:
        """Numbers of episodes older than all that count whose files are still there."""
        if self._folder is None or not self._episodes:
            return []
        found = {int(path.name.split(".")[0]) for path in self._folder.glob("*.steps.npy")}
        return sorted(number for number in found if number < min(self._episodes))


def _paths(folder: Path, number: int) -> tuple[Path, Path]:
    return folder / f"{number:08d}.frames.npy", folder / f"{number:08d}.steps.npy"


def _write_episode(folder: Path, number: int, episode: Episode) -> None:
    """Writes both files, each under a temporary name first: a file that exists is whole."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, array in zip(_paths(folder, number), (episode.frames, episode.steps), strict=True):
            temporary = path.with_suffix(".part")
            with temporary.open("wb") as stream:
                np.save(stream, array, allow_pickle=False)
            os.replace(temporary, path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise WorkError(f"Cannot write episode {number} of the replay to {folder}: {reason}.") from error


def _read_episode(folder: Path, number: int, length: int, frame_stack: int, dtype: np.dtype[Any]) -> Episode:
    """Reads an episode's steps, and where its frames lie."""
    frames_path, steps_path = _paths(folder, number)
    try:
        frames = np.load(frames_path, mmap_mode="r", allow_pickle=False)  # maps what it reads the header of
    except (OSError, ValueError, EOFError) as error:
        _cannot_read(frames_path, error)
    try:
        steps = np.load(steps_path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        _cannot_read(steps_path, error)
    axes = 4 if dtype == PIXELS else 2
    usual = (frames.dtype, frames.ndim, frames.flags.c_contiguous) == (dtype, axes, True)
    usual &= (steps.dtype, steps.ndim) == (np.float32, 2)
    if not usual or len(steps) != length or len(frames) != length + frame_stack:
        raise CheckpointError(f"Episode {number} of the replay in {folder} is not the one the checkpoint names.")
    return Episode(FrameFile(frames_path, frames.offset, frames.shape, dtype), steps)


def _cannot_read(path: Path, error: Exception) -> NoReturn:
    """Tells a file that is not what was written from a system that does not let it be read."""
    which = f"{int(path.name.split('.')[0])} of the replay in {path.parent}"
    if isinstance(error, (FileNotFoundError, ValueError, EOFError)):
        raise CheckpointError(f"Episode {which} is missing or damaged.") from error
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    raise WorkError(f"Cannot read episode {which}: {reason}.") from error
