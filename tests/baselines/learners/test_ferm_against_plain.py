"""FERM's warm-up and update against a second, plain implementation, in float64: whatever they touch."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
import torch

from harness.baselines import ferm
from harness.baselines.learners.ferm import FERM
from harness.baselines.nn.hybrid import Seen
from harness.baselines.nn.replay import Batch
from tests.baselines.learners.test_sac_against_plain import assert_all_same, assert_same_state, move_zeros
from tests.baselines.plain_ferm import PlainFERM
from tests.baselines.world import make_context, random_batch

N, PROPRIO, CAMERAS = 5, 3, 2
SMALL: dict[str, Any] = {
    "num_filters": 6,
    "feature_dim": 10,
    "hidden_dim": 32,
    "batch_size": N,
    "crop_size": 20,
    "replay_capacity": 100,
}
PUBLISHED = {"target_rate": 0.01, "target_every_updates": 2, "warm_up_target": False}  # PhilipZRH/ferm's own defaults


def hybrid_space(size: int = 24, cameras: int = CAMERAS, proprio: int = PROPRIO) -> gymnasium.spaces.Dict:
    return gymnasium.spaces.Dict(
        {
            "pixels": gymnasium.spaces.Box(0, 255, (3 * cameras, size, size), np.uint8),
            "proprio": gymnasium.spaces.Box(-np.inf, np.inf, (proprio,), np.float32),
        }
    )


def make_learner(**changes: Any) -> FERM:
    context = make_context(observation_space=hybrid_space(), frame_stack=1)
    learner = FERM(ferm.AGENT, context, ferm.Config(**{**SMALL, **changes}), dtype=torch.float64)
    move_zeros(learner)
    with torch.no_grad():  # else the targets are what they follow, and rates are not seen at first
        generator = torch.Generator().manual_seed(5)
        for module in (learner.target, learner.target_encoder):
            for parameter in module.parameters():
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype))
    return learner


def hybrid_batch(learner: FERM, seed: int) -> Batch:
    batch, rng = random_batch(N, learner.context, seed=seed), np.random.default_rng(seed)
    before, after = torch.from_numpy(rng.normal(size=(2, N, PROPRIO)))
    seen, following = Seen(batch.observations, before), Seen(batch.next_observations, after)
    return batch._replace(observations=seen, next_observations=following)  # type: ignore[arg-type]


CASES = [  # settings, updates of the warm-up, first step, updates after it
    ({}, 1, 0, 0),
    ({}, 3, 0, 0),
    ({}, 0, 0, 1),
    ({}, 0, 0, 3),
    ({}, 3, 1, 3),
    (PUBLISHED, 1, 1, 1),
    (PUBLISHED, 3, 0, 3),
    ({"log_std_max": 0.0, "cameras": (1,)}, 1, 0, 3),
]


@pytest.mark.parametrize(("changes", "num_warm_ups", "first", "num_updates"), CASES)
def test_warm_up_and_updates_equal_the_plain_ones(
    changes: dict[str, Any], num_warm_ups: int, first: int, num_updates: int
) -> None:
    learner = make_learner(**changes)
    plain = PlainFERM(learner)
    for seed in range(num_warm_ups):
        pixels = random_batch(N, learner.context, seed=100 + seed).observations
        draws = learner.draw_warm_up(N)
        assert float(learner.warm_up(pixels, draws)) == pytest.approx(plain.warm_up(pixels, draws), rel=1e-9)
    for step in range(first, first + num_updates):
        learner.num_steps = step
        batch, choices = hybrid_batch(learner, step), learner.draw(N)
        found, wanted = learner.update_batch(batch, choices), plain.update(batch, choices, step)
        assert ("actor_loss" in found) == (step % 2 == 0)
        for name, value in wanted.items():
            assert float(found[name]) == pytest.approx(value, rel=1e-9), name
    assert_same_state(learner, plain)


def test_greedy_actions_equal_the_plain_ones() -> None:
    learner = make_learner()
    plain, batch = PlainFERM(learner), hybrid_batch(learner, 9)
    pixels, felt = batch.observations
    observations = {"pixels": pixels.numpy(), "proprio": felt.float().numpy()}
    found = torch.from_numpy(learner.act(observations, explore=False))
    wanted = plain.act(pixels, felt.float().double())
    torch.testing.assert_close(found, wanted.float(), rtol=1e-6, atol=1e-6)
    assert np.abs(found.numpy()).max() < 0.99


def test_same_state_is_asserted_of_all_that_is_stored() -> None:
    """The comparison above covers every tensor of a checkpoint but the generators."""
    learner = make_learner()
    plain = PlainFERM(learner)
    assert set(plain.parts()) == {*learner.POLICY_MODULES, *learner.TRAINING_MODULES}
    assert set(plain.trained()) == set(learner.optimizers)
    assert_all_same(list(learner.likeness.parameters()), [plain.w], "W")
