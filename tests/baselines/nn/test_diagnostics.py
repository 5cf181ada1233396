"""Norms of gradients and drift of features, as they are logged."""

from __future__ import annotations

import pytest
import torch

from harness.baselines.nn.diagnostics import feature_drift, gradient_norm
from harness.running.features import normalised
from tests.baselines.learners.test_ddpg import make
from tests.baselines.world import random_batch


def test_the_norm_is_of_all_gradients_together() -> None:
    parameters = [torch.zeros(2, requires_grad=True), torch.zeros(1, requires_grad=True), torch.zeros(3)]
    parameters[0].grad, parameters[1].grad = torch.tensor([3.0, 0.0]), torch.tensor([4.0])
    assert float(gradient_norm(parameters)) == pytest.approx(5.0)


def test_drift_is_between_normalised_features_of_the_same_observation() -> None:
    clean = torch.tensor([[0.0, 2.0, 1.0], [5.0, 5.0, 5.0]])
    strong = torch.tensor([[10.0, 20.0, 20.0], [0.0, 1.0, 1.0]])
    assert float(feature_drift(torch.cat([clean, strong]), 2)) == pytest.approx((0.5 + 2.0) / 6)
    assert float(feature_drift(torch.cat([clean, 3.0 * clean + 7.0]), 2)) == pytest.approx(0.0, abs=1e-6)
    by_hand = abs(normalised(strong[0].numpy()) - normalised(clean[0].numpy())).mean()
    assert float(feature_drift(torch.stack([clean[0], strong[0]]), 1)) == pytest.approx(float(by_hand))


def test_they_are_told_of_every_tenth_update_and_change_nothing() -> None:
    agent, other = make("pieg"), make("pieg")
    other.num_updates = 1  # tells nothing of itself for now
    batch = random_batch(4, agent.context, torch.float32)
    told, silent = agent.update_batch(batch, agent.draw(4)), other.update_batch(batch, other.draw(4))
    assert set(told) - set(silent) == {
        *("critic_gradient_norm", "encoder_gradient_norm", "actor_gradient_norm", "feature_drift")
    }
    expected = torch.cat([p.grad.flatten() for p in agent.critic.parameters()]).norm()
    assert float(told["critic_gradient_norm"]) == pytest.approx(float(expected), rel=1e-5)
    assert all(map(torch.equal, agent.actor.parameters(), other.actor.parameters()))
    assert all(map(torch.equal, agent.encoder.parameters(), other.encoder.parameters()))
