"""One episode: what is counted, and what an agent may not do."""

from __future__ import annotations

import signal
from typing import Any

import numpy as np
import pytest

from harness.assets.store import AssetStore
from harness.environment import PixelEnv, make_env
from harness.errors import AgentError, MissingAssetError
from harness.outside import EndedProcess
from harness.running.rollout import Trajectory, batch_of_one, check_action, first_pixels_digest, play_episode
from harness.testing import SUITE


def dots(setting: str = "train", task: str = "dot_reach") -> PixelEnv:
    return make_env(SUITE, task, setting, assets=AssetStore([], allow_stand_ins=True))


class Recorder:
    """Acts with a fixed action and keeps what it is told."""

    def __init__(self, action: Any) -> None:
        self.action, self.seen, self.started = action, [], []

    def begin_episode(self, **facts: Any) -> None:
        self.started.append(facts)

    def act(self, observations: np.ndarray, *, explore: bool) -> Any:
        self.seen.append((observations.shape, observations.dtype, explore))
        return self.action


def test_the_return_is_the_sum_of_every_reward() -> None:
    policy = Recorder(np.array([[0.5, -0.25]], np.float32))
    result = play_episode(dots(), policy, seed=3, episode=2)
    env = dots()
    env.reset(seed=3, options={"episode": 2})
    total, over = 0.0, False
    while not over:
        _, reward, terminated, truncated, info = env.step(policy.action[0])
        total, over = total + reward, terminated or truncated
    assert result.episode_return == total
    assert (result.num_steps, result.num_frames) == (25, 50)
    assert result.success == info["success"]
    assert policy.started == [{"phase": "evaluation", "seed": 3, "episode": 2}]
    assert set(policy.seen) == {((1, 9, 24, 24), np.dtype(np.uint8), False)}


def test_steps_are_reported_one_by_one() -> None:
    steps: list[int] = []
    play_episode(dots(), Recorder(np.zeros((1, 2))), seed=0, episode=0, on_step=steps.append)
    assert steps == list(range(1, 26))


@pytest.mark.parametrize(
    ("actions", "words"),
    [
        (np.zeros(2), r"shape \(2,\)"),
        (np.zeros((1, 3)), r"shape \(1, 3\)"),
        (np.array([[np.nan, 0]]), "not finite"),
        (np.array([[np.inf, 0]]), "not finite"),
        (np.array([[1.01, 0]]), "outside"),
        (None, r"shape \(\)"),
        ("left", "str"),
        ((np.zeros((1, 2)), None), r"harness\.policies\.from_sb3\(model\)"),
    ],
)
def test_actions_that_break_the_contract_are_refused(actions: Any, words: str) -> None:
    with pytest.raises(AgentError, match=words):
        check_action(actions, (2,))


def test_rounding_beyond_one_is_clipped() -> None:
    action = check_action(np.array([[1 + 5e-7, -1.0]]), (2,))
    assert action.dtype == np.float32
    assert action.tolist() == [1.0, -1.0]


def test_errors_of_the_harness_pass_through_an_agent() -> None:
    class Lacking:
        def act(self, observations: np.ndarray, *, explore: bool) -> np.ndarray:
            raise MissingAssetError("Missing weights.")

    with pytest.raises(MissingAssetError, match=r"^Episode 0, step 0: Missing weights\.$"):
        play_episode(dots(), Lacking(), seed=0, episode=0)


class Raising:
    """Raises in one of its methods."""

    def __init__(self, method: str) -> None:
        self.method = method

    def begin_episode(self, **facts: Any) -> None:
        self._raise("begin_episode")

    def act(self, observations: np.ndarray, *, explore: bool) -> np.ndarray:
        self._raise("act")
        return np.zeros((1, 2))

    def _raise(self, method: str) -> None:
        if method == self.method:
            raise KeyError("boom")


@pytest.mark.parametrize(("method", "where"), [("begin_episode", "episode 4, step 0"), ("act", "episode 4, step 0")])
def test_whatever_an_agent_raises_is_told_as_its_own_error(method: str, where: str) -> None:
    with pytest.raises(AgentError) as caught:
        play_episode(dots(), Raising(method), seed=0, episode=4)
    assert str(caught.value) == f"The agent raised KeyError in {method}() ({where}): 'boom'"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (SystemExit(0), r"SystemExit in act\(\) \(episode 7, step 2\): it called sys\.exit\(0\)$"),
        (EndedProcess("os._exit(0)"), r"EndedProcess in act\(\) \(episode 7, step 2\): it called os\._exit\(0\)$"),
        (GeneratorExit("over"), r"GeneratorExit in act\(\) \(episode 7, step 2\): over$"),
    ],
)
def test_an_agent_that_would_end_the_command_is_told_with_its_step(error: BaseException, words: str) -> None:
    class Ending(Recorder):
        def act(self, observations: np.ndarray, *, explore: bool) -> Any:
            if len(self.seen) == 2:
                raise error
            return super().act(observations, explore=explore)

    with pytest.raises(AgentError, match=words):
        play_episode(dots(), Ending(np.zeros((1, 2))), seed=0, episode=7)


def test_an_interrupt_passes_through_an_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a terminal sends it; a shell's background job ignores the signal, and there it is an agent's error."""
    monkeypatch.setattr("signal.getsignal", lambda number: signal.default_int_handler)

    class Interrupted(Recorder):
        def act(self, observations: np.ndarray, *, explore: bool) -> Any:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        play_episode(dots(), Interrupted(None), seed=0, episode=0)


def test_batches_and_digests_handle_dicts() -> None:
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 2, 2)
    both = {"pixels": pixels, "proprio": np.zeros(4, np.float32)}
    assert {key: value.shape for key, value in batch_of_one(both).items()} == {
        "pixels": (1, 3, 2, 2),
        "proprio": (1, 4),
    }
    assert first_pixels_digest(both) == first_pixels_digest(pixels)
    assert first_pixels_digest(pixels) != first_pixels_digest(pixels + 1)


class Remembering:
    """Acts with how many steps it has seen since its `reset`."""

    def __init__(self, action_size: int = 2) -> None:
        self._size, self.steps = action_size, 0

    def reset(self) -> None:
        self.steps = 0

    def act(self, observations: Any, *, explore: bool) -> np.ndarray:
        self.steps += 1
        return np.full((1, self._size), np.sin(0.3 * self.steps))


def test_a_policy_with_memory_starts_every_episode_afresh() -> None:
    env, policy = dots(), Remembering()
    alone = [play_episode(env, Remembering(), seed=0, episode=episode) for episode in range(3)]
    assert [play_episode(env, policy, seed=0, episode=episode) for episode in (2, 0, 1, 2)] == [
        alone[episode] for episode in (2, 0, 1, 2)
    ]
    forgetful = {episode: result.episode_return for episode, result in enumerate(alone)}
    assert len(set(forgetful.values())) == 3


@pytest.mark.parametrize("method", ["begin_episode", "reset"])
def test_an_error_at_the_start_names_episode_and_step(method: str) -> None:
    policy = Remembering()
    setattr(policy, method, lambda **_: 1 / 0)
    with pytest.raises(AgentError, match=rf"raised ZeroDivisionError in {method}\(\) \(episode 4, step 0\)"):
        play_episode(dots(), policy, seed=0, episode=4)


def test_an_error_of_ours_that_a_policy_passes_on_says_where() -> None:
    def missing(observations: Any, *, explore: bool) -> np.ndarray:
        raise MissingAssetError("Missing weights. Run: harness assets fetch weights")

    policy = Remembering()
    policy.act = missing  # type: ignore[method-assign]
    with pytest.raises(MissingAssetError, match=r"^Episode 4, step 0: Missing weights"):
        play_episode(dots(), policy, seed=0, episode=4)


def test_a_trajectory_tells_every_difference() -> None:
    observation = np.arange(12, dtype=np.uint8).reshape(3, 2, 2)
    step = (np.array([0.5], np.float32), 1.0, observation)

    def digest(first: Any = observation, *steps: Any) -> str:
        trajectory = Trajectory(first)
        for one in steps:
            trajectory.add(*one)
        return trajectory.digest()

    same = digest(observation, step)
    assert same == digest(np.ascontiguousarray(observation[:]), step) == digest({"pixels": observation}, step)
    others = [
        digest(observation + 1, step),
        digest(observation),
        digest(observation, step, step),
        digest(observation, (step[0], 0.0, observation)),
        digest(observation, (-step[0], 1.0, observation)),
        digest(observation, (step[0], 1.0, observation[::-1])),
        digest({"pixels": observation, "proprio": np.zeros(1, np.float32)}, step),
    ]
    assert len({same, *others}) == len(others) + 1
