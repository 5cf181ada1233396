"""PVR learns from tokens that tell where things are, with either learner; broken it does not. See test_learning.py."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from harness.baselines import pvr
from harness.baselines.learners.pvr import PVR, DormantPVR
from tests.baselines.learners.test_learning import BROKEN, LEARNED, SETTINGS, shuffle_actions
from tests.baselines.world import evaluate, make_context, train


class Where(nn.Module):
    """A frozen encoder: where each colour stands out, (N, 3, S, S) to six numbers in -1..1."""

    def forward(self, pictures: Tensor) -> Tensor:
        line = torch.linspace(-1, 1, pictures.shape[-1])
        mass = (pictures - pictures.amin((2, 3), keepdim=True)).square()
        mass = mass / (mass.sum((2, 3), keepdim=True) + 1e-6)
        return torch.stack([(mass * line).sum((2, 3)), (mass * line[:, None]).sum((2, 3))], 2).flatten(1)


def trained(kind: type[Any], learner: str, *, broken: bool = False) -> float:
    """The mean return after 40 episodes of `dot_stay`."""
    settings = {**SETTINGS, "shift_pad": 0, "encoder": f"{__name__}:Where", "learner": learner}
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        agent = kind(make_context(task="dot_stay", seed=0), pvr.Config(**settings))
        if broken:
            shuffle_actions(agent)
        train(agent, 40, task="dot_stay")
        assert agent.num_updates == 800
        return evaluate(agent, 10, task="dot_stay")
    finally:
        torch.set_num_threads(before)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "learner"), [(PVR, "drqv2"), (DormantPVR, "drm")])
def test_it_learns_to_stay(kind: type[Any], learner: str) -> None:
    assert trained(kind, learner) > LEARNED


@pytest.mark.slow
def test_with_shuffled_actions_it_does_not() -> None:
    assert trained(PVR, "drqv2", broken=True) < BROKEN
