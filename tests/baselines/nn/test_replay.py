"""The replay against brute force over stacked observations, and its life on disk."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from harness.baselines.nn.replay import FrameFile, Replay, n_step_return
from harness.errors import AgentError, CheckpointError, WorkError

STACK, SIZE, GAMMA = 3, 5, 0.99


class Step(NamedTuple):
    observation: np.ndarray
    action: np.ndarray
    reward: float
    next_observation: np.ndarray
    terminated: bool
    truncated: bool


def make_replay(folder: Path | None = None, **changes: Any) -> Replay:
    settings = {"capacity": 1000, "n_step": 3, "discount": GAMMA, "bootstrap_terminal": True, "seed": 0}
    return Replay(frame_stack=STACK, folder=folder, **(settings | changes))


def make_episode(number: int, length: int, *, terminated: bool = False) -> list[Step]:
    """An episode of noise; its first stack is one frame three times, as the environment gives it."""
    rng = np.random.default_rng(number)
    frames = rng.integers(0, 256, (length + 1, 3, SIZE, SIZE), dtype=np.uint8)
    stack = [np.concatenate([frames[max(0, t - i)] for i in reversed(range(STACK))]) for t in range(length + 1)]
    return [
        Step(
            stack[t],
            rng.uniform(-1, 1, 2).astype(np.float32),
            float(np.float32(rng.uniform())),
            stack[t + 1],
            terminated and t == length - 1,
            not terminated and t == length - 1,
        )
        for t in range(length)
    ]


def fill(replay: Replay, numbers: range, length: int = 8) -> None:
    for number in numbers:
        for step in make_episode(number, length):
            add(replay, step)


def add(replay: Replay, step: Step) -> None:
    facts = step._asdict()
    ends = {key: facts.pop(key) for key in ("terminated", "truncated")}
    replay.add(**facts, **ends)


def test_n_step_return_of_the_textbook() -> None:
    reward, discount = n_step_return(np.array([[1.0, 2.0, 3.0]]), np.full((1, 3), 0.99))
    assert reward[0] == pytest.approx(5.9203, abs=1e-12)
    assert discount[0] == pytest.approx(0.970299, abs=1e-12)


@pytest.mark.parametrize("in_files", [False, True])
@pytest.mark.parametrize("bootstrap_terminal", [False, True])
@pytest.mark.parametrize("n_step", [1, 3])
def test_every_transition_equals_brute_force(
    tmp_path: Path, in_files: bool, bootstrap_terminal: bool, n_step: int
) -> None:
    replay = make_replay(tmp_path if in_files else None, n_step=n_step, bootstrap_terminal=bootstrap_terminal)
    episodes = [make_episode(0, 6), make_episode(1, 4, terminated=True), make_episode(2, 3)]
    for step in itertools.chain(*episodes):
        add(replay, step)
    indices = np.array([(e, t) for e, steps in enumerate(episodes) for t in range(len(steps) - n_step + 1)])
    batch = replay.gather(indices, torch.float64)
    cut = 0
    for row, (e, t) in enumerate(indices):
        steps = episodes[e]
        # As published: entry 0 is a dummy, entry j holds the action that led to observation j.
        observations = [steps[0].observation, *(step.next_observation for step in steps)]
        idx, reward, discount = t + 1, 0.0, 1.0
        for i in range(n_step):
            step = steps[idx - 1 + i]
            reward += discount * step.reward
            discount *= GAMMA * (0.0 if step.terminated and not bootstrap_terminal else 1.0)
        assert np.array_equal(batch.observations[row], observations[idx - 1])
        assert np.array_equal(batch.next_observations[row], observations[idx + n_step - 1])
        assert np.array_equal(batch.actions[row], steps[idx - 1].action)
        assert float(batch.rewards[row]) == pytest.approx(reward, rel=1e-12)
        assert float(batch.discounts[row]) == pytest.approx(discount, rel=1e-12)
        cut += discount == 0.0
    assert cut == (0 if bootstrap_terminal else 1)  # the last possible start of the terminated episode


def test_sampling_is_uniform_over_episodes_then_over_starts() -> None:
    replay = make_replay()
    for number, length in enumerate((3, 12, 2)):  # the third is too short for three steps
        for step in make_episode(number, length):
            add(replay, step)
    indices = replay.draw(20_000)
    assert set(indices[:, 0]) == {0, 1}
    assert np.mean(indices[:, 0] == 0) == pytest.approx(0.5, abs=0.02)
    starts = np.bincount(indices[indices[:, 0] == 1, 1], minlength=10)
    assert len(starts) == 10
    np.testing.assert_allclose(starts / starts.sum(), 0.1, atol=0.02)


def test_the_running_episode_is_not_sampled_and_can_be_dropped() -> None:
    replay = make_replay()
    for step in make_episode(0, 8)[:-1]:
        add(replay, step)
    assert not replay.can_sample
    replay.drop_unfinished()
    fill(replay, range(1, 2))
    assert (len(replay), replay.can_sample) == (8, True)
    assert np.array_equal(replay.gather(np.array([[0, 0]])).observations[0], make_episode(1, 8)[0].observation)


def test_a_million_steps_at_84_pixels_take_21_gigabytes() -> None:
    replay, length = make_replay(), 500
    first = np.zeros((9, 84, 84), np.uint8)
    for t in range(length):
        add(replay, Step(first, np.zeros(6, np.float32), 0.0, first, False, t == length - 1))
    frames = (length + STACK) * 3 * 84 * 84
    assert replay.num_bytes == frames + length * 8 * 4
    assert 1e6 * replay.num_bytes / length / 1e9 == pytest.approx(21.2, rel=0.01)


def test_observations_must_slide() -> None:
    steps = make_episode(0, 2)
    with pytest.raises(AgentError, match="sliding stack"):
        add(make_replay(), steps[0]._replace(next_observation=np.zeros_like(steps[0].observation)))


def test_oldest_episodes_go_and_their_files_one_save_later(tmp_path: Path) -> None:
    files, checkpoint = tmp_path / "memory", tmp_path / "checkpoint"
    replay = make_replay(files, capacity=20)
    fill(replay, range(2))
    first_record = replay.save(checkpoint)
    fill(replay, range(2, 4))
    assert len(replay) == 16
    assert first_record["numbers"] == [0, 1]
    assert len(list(files.iterdir())) == 8  # 0 and 1 are out, but the checkpoint still counts on them
    restored = make_replay(files, capacity=20)
    restored.load(checkpoint, first_record)
    assert np.array_equal(restored.gather(np.array([[0, 2]])).observations[0], make_episode(0, 8)[2].observation)
    second_record = replay.save(checkpoint)
    assert len(list(files.iterdir())) == 8
    assert second_record["numbers"] == [2, 3]
    replay.save(checkpoint)
    assert sorted({path.name[:8] for path in files.iterdir()}) == ["00000002", "00000003"]


@pytest.mark.parametrize("in_files", [False, True])
def test_resuming_after_a_kill_goes_on_exactly(tmp_path: Path, in_files: bool) -> None:
    files, checkpoint = tmp_path / "memory" if in_files else None, tmp_path / "checkpoint"
    replay = make_replay(files, capacity=30)
    fill(replay, range(3))
    replay.draw(5)
    for step in make_episode(9, 8)[:4]:
        add(replay, step)  # unfinished: not part of a checkpoint
    record = replay.save(checkpoint)
    replay.drop_unfinished()
    fill(replay, range(3, 6))
    wanted_indices = replay.draw(50)
    wanted = replay.gather(wanted_indices)

    killed = make_replay(files, capacity=30)
    killed.load(checkpoint, record)
    fill(killed, range(20, 22))  # went another way, then was killed as well
    resumed = make_replay(files, capacity=30)
    resumed.load(checkpoint, record)
    fill(resumed, range(3, 6))
    indices = resumed.draw(50)
    assert np.array_equal(indices, wanted_indices)
    assert all(torch.equal(a, b) for a, b in zip(resumed.gather(indices), wanted, strict=True))


def test_finished_files_never_change(tmp_path: Path) -> None:
    replay = make_replay(tmp_path)
    fill(replay, range(1))
    contents = {path: path.read_bytes() for path in tmp_path.iterdir()}
    fill(replay, range(1, 3))
    assert len(contents) == 2
    assert all(path.read_bytes() == data for path, data in contents.items())
    assert isinstance(replay._episodes[0].frames, FrameFile)


@pytest.fixture
def few_files() -> Iterator[int]:
    """Lowers how many more files this process may open, and gives their number."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    in_use, left = set(map(int, os.listdir("/proc/self/fd"))), 8
    free = (number for number in itertools.count() if number not in in_use)
    resource.setrlimit(resource.RLIMIT_NOFILE, (next(itertools.islice(free, left, None)), hard))
    yield left
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_any_number_of_episodes_needs_no_open_files(tmp_path: Path, few_files: int) -> None:
    in_ram, in_files = make_replay(), make_replay(tmp_path)
    for replay in (in_ram, in_files):
        fill(replay, range(10 * few_files))
    record = in_files.save(tmp_path / "checkpoint")
    resumed = make_replay(tmp_path)
    resumed.load(tmp_path / "checkpoint", record)
    indices = in_ram.draw(200)
    assert len(set(indices[:, 0])) > 2 * few_files
    wanted = in_ram.gather(indices)
    for replay in (in_files, resumed):
        assert np.array_equal(replay.draw(200), indices)
        assert all(torch.equal(a, b) for a, b in zip(replay.gather(indices), wanted, strict=True))


def test_no_descriptor_left_is_not_called_damage(tmp_path: Path, few_files: int) -> None:
    replay = make_replay(tmp_path)
    fill(replay, range(1))
    record = replay.save(tmp_path / "checkpoint")
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            for _ in range(10_000):
                stack.enter_context(open(os.devnull))
        for read in (
            lambda: replay.gather(np.array([[0, 0]])),
            lambda: make_replay(tmp_path).load(tmp_path / "checkpoint", record),
        ):
            with pytest.raises(WorkError, match=r"^Cannot read episode 0 of the replay in .*: Too many open files\.$"):
                read()


def test_files_that_vanish_or_shrink_while_in_use_are_told(tmp_path: Path) -> None:
    replay = make_replay(tmp_path)
    fill(replay, range(1))
    frames = tmp_path / "00000000.frames.npy"
    frames.write_bytes(frames.read_bytes()[:-1])
    replay.gather(np.array([[0, 0]]))
    with pytest.raises(CheckpointError, match=r"^Episode 0 of the replay in .* is missing or damaged\.$"):
        replay.gather(np.array([[0, 5]]))
    frames.unlink()
    with pytest.raises(CheckpointError, match="missing or damaged"):
        replay.gather(np.array([[0, 0]]))


def test_damaged_or_missing_episodes_are_refused(tmp_path: Path) -> None:
    replay = make_replay(tmp_path)
    fill(replay, range(1))
    record = replay.save(tmp_path / "checkpoint")
    frames = tmp_path / "00000000.frames.npy"
    whole = frames.read_bytes()
    frames.write_bytes(whole[:100])
    with pytest.raises(CheckpointError, match=r"Episode 0 .* missing or damaged"):
        make_replay(tmp_path).load(tmp_path / "checkpoint", record)
    frames.unlink()
    with pytest.raises(CheckpointError, match="missing or damaged"):
        make_replay(tmp_path).load(tmp_path / "checkpoint", record)
    frames.write_bytes(whole)
    with pytest.raises(CheckpointError, match="not the one the checkpoint names"):
        make_replay(tmp_path).load(tmp_path / "checkpoint", {**record, "lengths": [7]})
    with pytest.raises(CheckpointError, match="run folder"):
        make_replay(None).load(tmp_path / "checkpoint", record)


def test_a_full_disk_is_told_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(WorkError, match=r"^Cannot write episode 0 of the replay to .*: No space left on device\.$"):
        fill(make_replay(tmp_path), range(1))
