"""The learners' updates against a second, plain implementation, in float64."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from harness.baselines import drqv2, pieg
from harness.baselines.learners.drqv2 import DrQv2
from harness.baselines.learners.pieg import PIEG
from tests.baselines.plain import PlainAgent
from tests.baselines.world import make_context, random_batch, small_backbone

N = 4


def make_learner(kind: str) -> Any:
    small = {"hidden_dim": 32, "noise_steps": 100_000, "batch_size": N, "learning_rate": 1e-3}
    if kind == "drqv2":
        return DrQv2(make_context(), drqv2.Config(feature_dim=10, **small), dtype=torch.float64)
    config = pieg.Config(feature_dim=10, representation_dim=48, **small)
    return PIEG(make_context(), config, backbone=small_backbone(), dtype=torch.float64)


def assert_same(found: torch.Tensor, wanted: torch.Tensor, what: str) -> None:
    scale = float(wanted.abs().max())
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-9 * scale, msg=lambda text: f"{what}: {text}")


@pytest.mark.parametrize("kind", ["drqv2", "pieg"])
@pytest.mark.parametrize("num_updates", [1, 3])
def test_updates_equal_the_plain_ones(kind: str, num_updates: int) -> None:
    learner = make_learner(kind)
    plain = PlainAgent(learner, kind)
    before = [p.clone() for p in learner.actor.parameters()]
    for index in range(num_updates):
        learner.num_steps = 60_000 + index
        batch, draws = random_batch(N, learner.context, seed=index), learner.draw(N)
        found = learner.update_batch(batch, draws)
        wanted = plain.update(batch, draws, learner.noise_std)
        for name, value in wanted.items():
            assert float(found[name]) == pytest.approx(value, rel=1e-9), name
        trained = {"critic": learner.critic, "actor": learner.actor, "encoder": learner.encoder}
        for name, module in trained.items():
            grads = [p.grad for p in module.parameters() if p.requires_grad]
            assert len(grads) == len(plain.grads[name]) > 0
            for grad, other in zip(grads, plain.grads[name], strict=True):
                assert float(other.abs().max()) > 0
                assert_same(grad, other, f"gradient of {name}")
    for name in ("actor", "critic", "target"):
        for key, value in getattr(plain, name).state_dict().items():
            assert_same(getattr(learner, name).state_dict()[key], value, f"{name}.{key}")
    assert any(not torch.equal(a, b) for a, b in zip(before, learner.actor.parameters(), strict=True))


@pytest.mark.parametrize("kind", ["drqv2", "pieg"])
def test_greedy_actions_equal_the_plain_ones_between_updates(kind: str) -> None:
    learner = make_learner(kind)
    plain = PlainAgent(learner, kind)
    learner.begin_episode(phase="curve", seed=0, episode=0)  # the phase in which BatchNorm's running statistics count
    learner.num_steps = 60_000
    observations = random_batch(N, learner.context, seed=10).observations
    for index in range(3):
        for rows in (observations[:1], observations):
            action = torch.from_numpy(learner.act(rows.numpy(), explore=False))
            torch.testing.assert_close(action, plain.act(rows).float(), rtol=1e-6, atol=1e-6)
        batch, draws = random_batch(N, learner.context, seed=index), learner.draw(N)
        learner.update_batch(batch, draws)
        plain.update(batch, draws, learner.noise_std)


def test_running_statistics_move_three_times_an_update_in_the_published_order() -> None:
    learner = make_learner("pieg")
    plain = PlainAgent(learner, "pieg")
    start = {key: value.clone() for key, value in learner.encoder.backbone.state_dict().items()}
    for index in range(3):
        batch, draws = random_batch(N, learner.context, seed=index), learner.draw(N)
        learner.update_batch(batch, draws)
        plain.update(batch, draws, learner.noise_std)
    state = learner.encoder.backbone.state_dict()
    for key, value in plain.resnet.state_dict().items():
        if value.dtype == torch.float64:
            assert_same(state[key], value, key)
        assert torch.equal(state[key], start[key]) == ("running" not in key and "num_batches" not in key), key
    assert int(state["bn1.num_batches_tracked"]) == 1 + 3 * 3  # the constructor's noise, then three per update
