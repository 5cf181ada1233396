"""DrM's own: the dormant ratio, perturbations, noise and target by it, and what a checkpoint keeps of them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.baselines import drm, drm_metaworld
from harness.baselines.learners.drm import DrM
from harness.baselines.nn.dormancy import dormant_ratio, layer_outputs
from harness.baselines.nn.heads import Actor, initialise
from harness.errors import CheckpointError
from tests.baselines.learners.test_ddpg import SMALL
from tests.baselines.world import folder_bytes, make_context, random_batch, train


def make(memory: Path | None = None, **changes: Any) -> DrM:
    return DrM(drm.AGENT, make_context(memory=memory), drm.Config(**(SMALL | changes)))


def test_dormant_are_units_far_below_their_layers_mean() -> None:
    outputs = [torch.tensor([[1.0, -1.0, 0.02], [1.0, 1.0, -0.02]]), torch.tensor([[0.0, 0.0], [4.0, 0.0]])]
    assert dormant_ratio(outputs, 0.025) == 1 / 5  # 0.02 of a mean of 0.673 is 0.0297
    assert dormant_ratio(outputs, 0.03) == 2 / 5
    assert dormant_ratio([torch.zeros(4, 3)], 0.025) == 0.0  # as published, nothing is below a mean of zero


def test_hidden_layers_are_measured_behind_their_relus() -> None:
    actor = Actor(300, 50, 256, 6)
    initialise(actor, torch.Generator().manual_seed(0))
    features = torch.randn(256, 300, generator=torch.Generator().manual_seed(1))
    outputs = layer_outputs(actor, features)
    assert [output.shape[1] for output in outputs] == [50, 256, 256, 6]
    torch.testing.assert_close(outputs[0], actor.trunk[0](features))
    assert all(float(output.min()) == 0.0 for output in outputs[1:3])
    torch.testing.assert_close(torch.tanh(outputs[3]), actor(features))
    few = features[:2]
    before = [actor.trunk[0](few), actor.policy[0](actor.trunk(few))]
    assert dormant_ratio(layer_outputs(actor, few)[:2], 0.025) > 0.1 > dormant_ratio(before, 0.025)


def test_a_perturbation_moves_linear_layers_alone_and_empties_the_averages() -> None:
    agent = make(perturb_every_steps=100, num_exploration_steps=0)
    agent.update_batch(random_batch(4, agent.context, torch.float32), agent.draw(4))
    agent.num_steps, agent.dormant_ratio = 100, 0.3
    assert agent.perturb_factor == pytest.approx(0.4)
    draws = agent.draw(4)
    names = ("actor", "critic", "target", "encoder", "value")
    before = {(name, key): p.clone() for name in names for key, p in getattr(agent, name).named_parameters()}
    agent.before_encoding(draws)
    for (name, key), old in before.items():
        new = getattr(agent, name).get_parameter(key)
        if key.startswith(("layers", "trunk.1")):
            assert torch.equal(new, old), (name, key)
        elif key.endswith("bias"):
            torch.testing.assert_close(new, 0.4 * old)
        else:
            assert float((new - 0.4 * old).detach().norm()) == pytest.approx(0.6 * math.sqrt(min(new.shape)), rel=1e-4)
    assert not any(optimizer.state for optimizer in agent.optimizers.values())
    assert not torch.equal(draws.fresh["critic"][0], draws.fresh["target"][0])
    agent.num_steps = 102
    assert agent.draw(4).fresh is None


@pytest.mark.parametrize(("ratio", "factor"), [(1.0, 0.2), (0.45, 0.2), (0.25, 0.5), (0.0, 0.9)])
def test_what_a_perturbation_leaves(ratio: float, factor: float) -> None:
    agent = make()
    agent.dormant_ratio = ratio
    assert agent.perturb_factor == pytest.approx(factor)


def test_noise_and_target_follow_the_ratio_until_the_policy_is_awake() -> None:
    agent = make()
    assert (agent.dormant_ratio, agent.awaken_step) == (1.0, None)
    assert agent.noise_std == pytest.approx(1 / (1 + math.exp(-8)))
    assert agent.value_weight == pytest.approx(0.6 / (1 + math.exp(40)))
    agent.dormant_ratio, agent.awaken_step, agent.num_steps = 0.1, 1000, 1060
    assert agent.noise_std == pytest.approx(0.46)  # linear(1, 0.1, 100), from the awakening on
    agent.num_steps = 1100
    assert agent.noise_std == pytest.approx(1 / (1 + math.exp(1)))  # not below the ratio's
    assert agent.value_weight == pytest.approx(0.6 / (1 + math.exp(-5)))


def test_the_variant_for_metaworld() -> None:
    config = drm_metaworld.Config()
    assert (config.n_step, config.discount, config.perturb_max, config.noise_steps) == (10, 0.97, 0.95, 500_000)
    agent = DrM(drm_metaworld.AGENT, make_context(), drm_metaworld.Config(**SMALL))
    assert agent.value_weight == 0.5
    num = 2 * (8 + 2) * 16 + 2 * 16 * 16 + 2 * 16 + 2 * (2 * 16 + 1) + 4 * 2 * 16
    assert sum(p.numel() for q in (agent.critic.q1, agent.critic.q2) for p in q.parameters()) == num
    keep = agent.draw(4).keep
    assert set(keep) == {"value", "target", "critic", "actor"}
    assert keep["actor"].shape == (2, 2, 4, 16)


def test_settings_are_checked() -> None:
    with pytest.raises(ValueError, match=r"perturb_min 0\.5 is above perturb_max 0\.4"):
        drm.Config(perturb_min=0.5, perturb_max=0.4)


def test_a_stop_and_resume_changes_no_bit(tmp_path: Path) -> None:
    straight, stopped = make(tmp_path / "one", perturb_every_steps=110), make(tmp_path / "two", perturb_every_steps=110)
    train(straight, 6)
    train(stopped, 4)
    stopped.save(tmp_path / "checkpoint")
    train(stopped, 1, first=4)
    resumed = make(tmp_path / "two", perturb_every_steps=110)
    resumed.load(tmp_path / "checkpoint")
    assert resumed.dormant_ratio < 1.0
    train(resumed, 2, first=4)
    for agent, name in ((straight, "a"), (resumed, "b")):
        agent.save(tmp_path / name)
    assert folder_bytes(tmp_path / "a") == folder_bytes(tmp_path / "b")


def test_no_field_of_its_record_is_believed(tmp_path: Path) -> None:
    agent = make()
    agent.save(tmp_path)
    path = tmp_path / "agent.json"
    meta = json.loads(path.read_text())
    for name, wrong in (("dormant_ratio", (None, "1", 1.5, -0.1)), ("awaken_step", (-1, 1.5, "2"))):
        for value in wrong:
            path.write_text(json.dumps({**meta, name: value}))
            with pytest.raises(CheckpointError, match=name):
                agent.load(tmp_path)
        path.write_text(json.dumps({key: kept for key, kept in meta.items() if key != name}))
        with pytest.raises(CheckpointError, match=name):
            agent.load(tmp_path)
