"""The updates of agents built on DrQ-v2 against a second, plain implementation, in float64: whatever they touch."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
import torch

from tests.baselines import plain_ddpg
from tests.baselines.learners.test_sac_against_plain import (
    assert_all_same,
    assert_same_state,
    move_zeros,
    record_gradients,
)
from tests.baselines.world import make_context, random_batch

N = 4
SMALL = {
    "num_layers": 4,
    "num_filters": 6,
    "feature_dim": 10,
    "hidden_dim": 32,
    "batch_size": N,
    "replay_capacity": 100,
    "learning_rate": 1e-3,
}
PLAIN: dict[str, tuple[type[plain_ddpg.PlainDDPG], dict[str, Any]]] = {  # case -> the other side, and settings
    "svea_overlay": (plain_ddpg.PlainSVEA, {}),
    "svea_overlay, a lighter overlay": (plain_ddpg.PlainSVEA, {"overlay_weight": 0.3}),
    "srm": (plain_ddpg.PlainSRM, {"masking_probability": 1.0, "band_start_max": 0.2, "band_width_max": 0.4}),
    "srm, nothing masked": (plain_ddpg.PlainSRM, {"masking_probability": 0.0}),
    "curl_vigen": (plain_ddpg.PlainCURL, {"representation_dim": 24, "auxiliary_learning_rate": 3e-3}),
    "sgqn_vigen": (plain_ddpg.PlainSGQN, {"representation_dim": 24, "auxiliary_learning_rate": 3e-3}),
    "sada": (plain_ddpg.PlainSADA, {}),
    "sada, photometric": (plain_ddpg.PlainSADA, {"strong_augs": ("conv", "overlay", "conv_overlay", "conv")}),
    "sada, geometric": (plain_ddpg.PlainSADA, {"strong_augs": ("geo",), "strong_shift_pad": 7}),
    "drm": (plain_ddpg.PlainDrM, {"dormant_target": 0.5}),
    "drm, never awake, perturbed at once": (plain_ddpg.PlainDrM, {"dormant_target": 0.05, "perturb_every_steps": 500}),
    "drm, perturbed in between": (plain_ddpg.PlainDrM, {"dormant_target": 0.5, "perturb_every_steps": 1002}),
    "drm, noise by the ratio alone": (plain_ddpg.PlainDrM, {"dormant_target": 0.5, "noise_type": "dormant"}),
    "drm_metaworld": (plain_ddpg.PlainDrM, {"dormant_target": 0.5, "critic_dropout": 0.3}),
    "drm_metaworld, perturbed": (plain_ddpg.PlainDrM, {"perturb_every_steps": 1002}),
}
every_case = pytest.mark.parametrize("case", PLAIN)


def make_learner(case: str, **changes: Any) -> Any:
    """The learner of `baselines/learners/<name>.py`, small and in float64, from what its declaration says."""
    name = case.partition(",")[0]
    spec = importlib.import_module(f"harness.baselines.{name}").AGENT
    usual = {key: value for key, value in SMALL.items() if key in spec.config.model_fields}
    config = spec.config(**{**usual, **PLAIN[case][1], **changes})
    kind = type(importlib.import_module(f"harness.baselines.learners.{name}").make(make_context(), config))
    learner = kind(spec, make_context(), config, dtype=torch.float64)
    move_zeros(learner)
    return learner


def draw(learner: Any, seed: int) -> Any:
    """An update's draws; pictures are noise."""
    draws, rng = learner.draw(N), np.random.default_rng(seed)
    if draws.overlay is not None:
        draws.overlay = torch.from_numpy(rng.random(draws.overlay.shape))
    return draws


@every_case
@pytest.mark.parametrize("first", [1000, 60_000])
@pytest.mark.parametrize("num_updates", [1, 3])
def test_updates_equal_the_plain_ones(case: str, first: int, num_updates: int) -> None:
    learner = make_learner(case)
    plain = PLAIN[case][0](learner)
    taken = record_gradients(learner.optimizers, lambda name: learner.optimizers[name].param_groups[0]["params"])
    wanted_taken = record_gradients(plain.adams, lambda name: plain.trained()[name])
    for step in range(first, first + 2 * num_updates, 2):
        learner.num_steps = step
        batch, draws = random_batch(N, learner.context, seed=step), draw(learner, step)
        found, wanted = learner.update_batch(batch, draws), plain.update(batch, draws, step)
        for name, value in wanted.items():
            assert float(found[name]) == pytest.approx(value, rel=1e-9), name
    assert [name for name, _ in taken] == [name for name, _ in wanted_taken]
    for (name, grads), (_, wanted_grads) in zip(taken, wanted_taken, strict=True):
        assert_all_same(grads, wanted_grads, f"gradient of {name}")
        assert all(float(grad.abs().max()) > 0 for grad in grads), name
    assert_same_state(learner, plain)
    if isinstance(plain, plain_ddpg.PlainDrM):
        assert (learner.dormant_ratio, learner.awaken_step) == (plain.ratio, plain.awaken_step)
        assert 0.0 < plain.ratio < 0.9


@every_case
def test_greedy_actions_equal_the_plain_ones(case: str) -> None:
    learner = make_learner(case)
    plain = PLAIN[case][0](learner)
    pixels = random_batch(N, learner.context, seed=9).observations
    found = torch.from_numpy(learner.act(pixels.numpy(), explore=False))
    torch.testing.assert_close(found, plain.act(pixels).float(), rtol=1e-6, atol=1e-6)
    assert np.abs(found.numpy()).max() < 0.99
