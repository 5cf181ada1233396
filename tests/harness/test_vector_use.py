"""The registered environments in Gymnasium's own worker processes."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest

import harness  # noqa: F401 (registers the ids)


@pytest.mark.render
@pytest.mark.parametrize(
    ("name", "shape", "action_size"),
    [
        ("harness/color_easy-cartpole_swingup-v1", (9, 84, 84), 1),
        ("harness/metaworld_visual-push-light-v1", (9, 112, 112), 4),
    ],
)
@pytest.mark.filterwarnings("ignore:.*stand")
def test_two_worker_processes_give_what_single_environments_give(
    name: str, shape: tuple[int, ...], action_size: int
) -> None:
    actions = np.random.default_rng(0).uniform(-1, 1, (2, 2, action_size)).astype(np.float32)
    envs = gymnasium.make_vec(
        name, num_envs=2, vectorization_mode="async", vector_kwargs={"context": "spawn"}, profile="fast"
    )
    try:
        seen = [envs.reset(seed=3)[0]]
        rewards = []
        for action in actions:
            observations, reward, terminated, truncated, _ = envs.step(action)
            seen.append(observations)
            rewards.append(reward)
            assert not (terminated | truncated).any()
    finally:
        envs.close()
    assert [observations.shape for observations in seen] == [(2, *shape)] * 3
    assert all(observations.dtype == np.uint8 for observations in seen)
    assert (seen[0] != seen[2]).any(axis=(1, 2, 3)).all()  # time passes in both
    single = gymnasium.make(name, profile="fast")
    for worker in range(2):
        np.testing.assert_array_equal(single.reset(seed=3 + worker)[0], seen[0][worker])
        for step, action in enumerate(actions):
            observation, reward, *_ = single.step(action[worker])
            np.testing.assert_array_equal(observation, seen[1 + step][worker])
            assert reward == rewards[step][worker]
    single.close()
