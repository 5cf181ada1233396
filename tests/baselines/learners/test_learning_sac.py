"""The SAC family learns: the task and the bars are those of test_learning.py; a broken learner is caught.

Random convolution leaves little of pictures of 24 pixels, so SVEA learns here with a small weight on it: with the
published one it keeps 42 points after twice as many updates.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from tests.baselines.learners.test_learning import LEARNED, shuffle_actions
from tests.baselines.world import evaluate, make_context, train

BROKEN = 26.0  # with shuffled actions; 16 to 21 were seen on several machines, intact ones have over 35

SETTINGS: dict[str, Any] = {
    "num_shared_layers": 4,
    "num_filters": 16,
    "feature_dim": 32,
    "hidden_dim": 128,
    "learning_rate": 5e-4,
    "temperature_learning_rate": 1e-3,
    "batch_size": 32,
    "discount": 0.8,
    "target_rate": 0.05,
    "num_exploration_steps": 500,
    "num_catch_up_updates": 200,
    "update_every_steps": 2,
    "actor_every_updates": 1,
    "target_every_updates": 1,
}
OWN: dict[str, dict[str, Any]] = {
    "sac": {},
    "drq": {"shift_pad": 1},
    "svea": {"shift_pad": 1, "clean_weight": 0.8, "augmented_weight": 0.2},
}
# They share the base with those above, so they learn where it is asked for: 46 to 48 points were seen of each.
KIN: dict[str, dict[str, Any]] = {
    "rad": {"crop_size": 20},
    "curl": {"crop_size": 20},
    "soda": {"crop_size": 20, "auxiliary_batch_size": 32},
    "pad": {"crop_size": 20, "num_shared_layers": 3, "num_head_layers": 1},
    "drq_original": {"shift_pad": 1},
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Sums are ordered by the number of threads, and learning amplifies a rounding."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def make(name: str) -> Any:
    spec = importlib.import_module(f"harness.baselines.{name}").AGENT
    return spec.make(make_context(task="dot_stay", seed=0), spec.config(**SETTINGS | (OWN | KIN)[name]))


@pytest.mark.slow
@pytest.mark.parametrize("name", [*OWN, *(pytest.param(name, marks=pytest.mark.exhaustive) for name in KIN)])
def test_it_learns_to_stay(name: str) -> None:
    agent = make(name)
    train(agent, 40, task="dot_stay")
    assert agent.num_updates == 949
    assert evaluate(agent, 10, task="dot_stay") > LEARNED


@pytest.mark.slow
def test_with_shuffled_actions_it_does_not() -> None:
    agent = make("sac")
    shuffle_actions(agent)
    train(agent, 40, task="dot_stay")
    assert agent.num_updates == 949
    assert evaluate(agent, 10, task="dot_stay") < BROKEN
