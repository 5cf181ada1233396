"""PAD at test time: it learns from the episode it plays, forgets it afterwards, and is not told what it is shown."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from harness.baselines import pad
from harness.baselines.learners.pad import PAD
from tests.baselines.learners.test_sac_against_plain import assert_same, make_learner
from tests.baselines.plain_pad import PlainPAD
from tests.baselines.world import make_context, random_batch

SMALL: dict[str, Any] = {
    "num_shared_layers": 2,
    "num_head_layers": 1,
    "num_filters": 6,
    "feature_dim": 10,
    "hidden_dim": 32,
    "crop_size": 20,
    "adaptation_batch_size": 3,
    "auxiliary_learning_rate": 1e-2,
}


def small(**changes: Any) -> PAD:
    return PAD(pad.AGENT, make_context(), pad.Config(**{**SMALL, **changes}))


def pictures(num: int) -> np.ndarray:
    return random_batch(num, make_context(), seed=3).observations.numpy()


def play(agent: PAD, *, episode: int = 0, phase: Any = "evaluation") -> np.ndarray:
    agent.begin_episode(phase=phase, seed=5, episode=episode)
    return np.concatenate([agent.act(picture[None], explore=False) for picture in pictures(3)])


def test_steps_of_adaptation_equal_the_plain_ones() -> None:
    learner = make_learner("pad")
    plain = PlainPAD(learner).for_an_episode()
    rng = np.random.default_rng(0)
    observations = torch.from_numpy(pictures(4))
    for step in range(3):
        places = torch.from_numpy(rng.integers(0, 4, (2, 5, 2)))
        action = torch.from_numpy(rng.uniform(-1, 1, 2).astype(np.float32))
        before, after = observations[step : step + 1], observations[step + 1 : step + 2]
        found = float(learner.adapt(before, action, after, places))
        assert found == pytest.approx(plain.adapt(before, action, after, places), rel=1e-9)
        wanted = plain.adapting()
        for index, pair in enumerate(zip(learner._adapted.parameters, wanted, strict=True)):
            assert_same(*pair, f"parameter {index} after step {step}")
    assert_same(learner._adapted.encoder.head.convs[0].weight, learner.encoder.head.convs[0].weight, "head")


def test_it_changes_what_it_does_next_and_leaves_the_agent_as_it_was() -> None:
    agent, before = small(), small()
    adapted, without = play(agent), play(small(adaptation=False))
    assert np.array_equal(adapted[0], without[0])
    assert not np.array_equal(adapted[1], without[1])
    for name in (*agent.POLICY_MODULES, *agent.TRAINING_MODULES):
        pairs = zip(getattr(agent, name).parameters(), getattr(before, name).parameters(), strict=True)
        assert all(torch.equal(*pair) for pair in pairs)


def test_nothing_carries_over_between_episodes() -> None:
    agent = small()
    first = play(agent)
    assert not np.array_equal(play(agent, episode=1)[1], first[1])  # crops lie elsewhere
    assert np.array_equal(play(agent), first)


def test_it_adapts_in_final_evaluations_alone() -> None:
    without = play(small(adaptation=False))
    assert np.array_equal(play(small(), phase="curve"), without)
    assert np.array_equal(play(small(), phase="train"), without)


def test_one_episode_at_a_time() -> None:
    agent = small()
    agent.begin_episode(phase="evaluation", seed=0, episode=0)
    agent.act(pictures(2), explore=False)
    with pytest.raises(ValueError, match="one episode at a time"):
        agent.act(pictures(2), explore=False)


def test_each_row_says_which_it_is() -> None:
    assert pad.Config().evaluation_notes() == ("adapted at test time, 32 crops a step",)
    assert pad.Config(adaptation=False).evaluation_notes() == ("not adapted at test time",)
