"""The learners learn: from pixels, in a minute, from seeds fixed in advance; and broken ones do not.

The task is `dot_stay`: a dot drifts away from the middle, 50 steps, at most one point each. Acting at random keeps 18
points, going straight back to the middle 49.

There the next reward already tells good actions from bad ones: DrQ-v2 with a target that is never updated keeps 47 to
48. So that fault is looked for where a step pays for the dot's place before it moves (`PAID_BEFORE`), and only the
value of what follows tells actions apart: 43 to 46 points against 10 to 32 with a frozen target. On some processors an
intact one with one of three seeds does not learn it either (21 points seen).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from harness.baselines import drqv2, pieg
from harness.baselines.learners.ddpg import DDPG
from harness.baselines.learners.drqv2 import DrQv2
from harness.baselines.learners.pieg import PIEG
from harness.spec import Suite
from harness.testing import SUITE
from tests.baselines.world import PAID_BEFORE, evaluate, make_context, small_backbone, train

SEEDS = range(3)  # 800 updates amplify how a processor rounds: where one seed stays behind, another is tried
LEARNED = 35.0  # mean return over ten episodes
BROKEN = 20.0
LEARNED_AHEAD = 40.0  # the same where only following values tell actions apart
FROZEN = 35.0
SETTINGS: dict[str, Any] = {
    "feature_dim": 32,
    "hidden_dim": 128,
    "learning_rate": 5e-4,
    "batch_size": 32,
    "discount": 0.8,
    "n_step": 1,
    "target_rate": 0.05,
    "num_seed_frames": 800,
    "num_exploration_steps": 500,
    "noise_start": 0.4,
    "noise_end": 0.4,
    "shift_pad": 1,
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Sums are ordered by the number of threads, and learning amplifies a rounding: seeds mean nothing without it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def make(kind: str, seed: int = 0, **changes: Any) -> DDPG:
    context = make_context(task="dot_stay", seed=seed)
    if kind == "drqv2":
        return DrQv2(context, drqv2.Config(**{**SETTINGS, **changes}))
    # A random frozen network stands in for the pretrained one; its features hold the dot's place all the same.
    config = pieg.Config(**SETTINGS, representation_dim=128, overlay_weight=0.2)
    return PIEG(context, config, backbone=small_backbone(width=16, layer=1))


def shuffle_actions(agent: DDPG) -> None:
    """Breaks an agent: each transition gets some other transition's action."""
    update_batch, generator = agent.update_batch, torch.Generator().manual_seed(0)

    def broken(batch: Any, draws: Any) -> Any:
        order = torch.randperm(len(batch.actions), generator=generator)
        return update_batch(batch._replace(actions=batch.actions[order]), draws)

    agent.update_batch = broken  # type: ignore[method-assign]


def freeze_target(agent: DDPG) -> None:
    """Breaks an agent: its target critic stays what it was made as."""
    agent._update_target = lambda: None  # type: ignore[method-assign]


def trained(agent: DDPG, suite: Suite = SUITE) -> float:
    """The return of an agent after 800 updates."""
    train(agent, 40, task="dot_stay", suite=suite)
    assert agent.num_updates == 800
    return evaluate(agent, 10, task="dot_stay", suite=suite)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["drqv2", "pieg"])
def test_it_learns_to_stay(kind: str) -> None:
    assert any(trained(make(kind, seed)) > LEARNED for seed in SEEDS)


@pytest.mark.slow
def test_with_shuffled_actions_it_does_not() -> None:
    agent = make("drqv2")
    shuffle_actions(agent)
    assert trained(agent) < BROKEN


@pytest.mark.slow
def test_it_looks_ahead() -> None:
    assert any(trained(make("drqv2", seed, discount=0.95), PAID_BEFORE) > LEARNED_AHEAD for seed in SEEDS)


@pytest.mark.slow
def test_without_target_updates_it_does_not() -> None:
    agent = make("drqv2", discount=0.95)
    first = [parameter.clone() for parameter in agent.target.parameters()]
    freeze_target(agent)
    assert trained(agent, PAID_BEFORE) < FROZEN
    assert all(torch.equal(*pair) for pair in zip(first, agent.target.parameters(), strict=True))
