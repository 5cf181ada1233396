"""What the SAC family shares: sizes, exploration, when updates happen, checkpoints, and what cannot be."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn

from harness.agent import AgentSpec, Transition
from harness.baselines import sac
from harness.baselines.learners.sac import SAC
from harness.errors import CheckpointError
from tests.baselines.world import folder_bytes, make_context, random_batch, train

SMALL: dict[str, Any] = {
    "num_shared_layers": 3,
    "num_filters": 4,
    "feature_dim": 8,
    "hidden_dim": 16,
    "batch_size": 4,
    "num_exploration_steps": 30,
    "num_catch_up_updates": 3,
    "replay_capacity": 60,
}
NAMES = ("sac", "drq", "svea", "rad", "curl", "soda", "sgqn", "pad", "drq_original")
OWN: dict[str, dict[str, Any]] = {"soda": {"auxiliary_batch_size": 6}, "pad": {"num_head_layers": 1}}
every_agent = pytest.mark.parametrize("name", NAMES)


def spec_of(name: str) -> AgentSpec:
    return importlib.import_module(f"harness.baselines.{name}").AGENT


def make(name: str, config: dict[str, Any], **context: Any) -> Any:
    spec = spec_of(name)
    return spec.make(make_context(**context), spec.config(**config))


CONTEXT = ("seed", "memory", "image_size", "train_frames", "alive")


def small(name: str = "sac", **changes: Any) -> Any:
    context = {key: changes.pop(key) for key in CONTEXT if key in changes}
    cropped = {"crop_size": 20} if spec_of(name).image_size else {}
    return make(name, SMALL | cropped | OWN.get(name, {}) | changes, **context)


def count(*modules: nn.Module) -> int:
    return sum(p.numel() for module in modules for p in module.parameters())


def pixels(num: int, seed: int = 0, size: int = 24) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (num, 9, size, size), dtype=np.uint8)


# Trained parameters on walker_walk beside the encoder's, actor's and critic's; encoder + actor, encoder + critic, all.
PUBLISHED = {
    "sac": (2_671_928, 3_826_990, 6_403_814),
    "drq": (2_671_928, 3_826_990, 6_403_814),
    "drq_original": (3_104_642, 4_208_504, 7_282_778),
    "svea": (2_671_928, 3_826_990, 6_403_814),
    "rad": (2_671_928, 3_826_990, 6_403_814),
    "curl": (2_671_928, 3_826_990, 6_413_814),
    "soda": (2_671_928, 3_826_990, 7_845_814),
    "pad": (2_671_928, 3_826_990, 9_104_632),
    "sgqn": (2_671_928, 3_826_990, 8_081_331 - 51_556),  # less a part that the published code makes and never uses
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameter_counts_on_walker_walk(name: str) -> None:
    with torch.device("meta"):
        agent = make(
            name, {}, image_size=spec_of(name).image_size or 84, action_dim=6, device="meta", evaluation_only=True
        )
    trained = {id(p): p for adam in agent.optimizers.values() for p in adam.param_groups[0]["params"]}
    actor, critic, total = PUBLISHED[name]
    assert count(agent.encoder, agent.actor) == actor
    assert count(agent.encoder, agent.critic) == critic
    assert sum(p.numel() for p in trained.values()) == total + 1  # the temperature
    assert count(agent.target_encoder, agent.target) == critic


def test_published_settings() -> None:
    """offpolicy_agents: DMC-GB's src/arguments.py."""
    config = sac.Config()
    assert (config.discount, config.batch_size, config.learning_rate) == (0.99, 128, 1e-3)
    assert (config.temperature_learning_rate, config.temperature_beta1, config.initial_temperature) == (1e-4, 0.5, 0.1)
    assert (config.target_rate, config.encoder_target_rate) == (0.01, 0.05)
    assert (config.log_std_min, config.log_std_max) == (-10, 2)
    assert (config.num_exploration_steps, config.num_catch_up_updates, config.update_every_steps) == (1000, 1000, 1)
    assert (config.actor_every_updates, config.target_every_updates) == (2, 2)
    assert [spec_of(name).config().shift_pad for name in NAMES] == [0, 4, 4, 0, 0, 0, 4, 0, 4]
    assert [spec_of(name).config().crop_size for name in NAMES] == [None, None, None, 84, 84, 84, None, 84, None]
    assert [spec_of(name).image_size for name in NAMES] == [None, None, None, 100, 100, 100, None, 100, None]
    assert (spec_of("svea").config().clean_weight, spec_of("svea").config().augmented_weight) == (0.5, 0.5)


def test_optimisers_have_the_published_numbers() -> None:
    agent = small()
    facts = {name: (group["lr"], *group["betas"], group["eps"], group["weight_decay"])
             for name, adam in agent.optimizers.items() for group in adam.param_groups}  # fmt: skip
    assert facts["critic"] == facts["actor"] == (1e-3, 0.9, 0.999, 1e-8, 0)
    assert facts["temperature"] == (1e-4, 0.5, 0.999, 1e-8, 0)
    assert agent.temperature.log_alpha.dtype == torch.float64


def test_parameters_start_as_published() -> None:
    agent = small()
    first = agent.encoder.shared.convs[0].weight
    assert not first[:, :, 0].any()  # delta-orthogonal
    assert first[:, :, 1, 1].any()
    for module in (agent.actor, agent.critic):
        for part in module.modules():
            if isinstance(part, nn.Linear):
                assert not part.bias.any()
                weight = part.weight if part.weight.shape[0] <= part.weight.shape[1] else part.weight.T
                torch.testing.assert_close(weight @ weight.T, torch.eye(len(weight)), rtol=0, atol=1e-5)
    for target, source in ((agent.target, agent.critic), (agent.target_encoder, agent.encoder)):
        assert all(torch.equal(*pair) for pair in zip(target.parameters(), source.parameters(), strict=True))
        assert not any(p.requires_grad for p in target.parameters())


def test_exploration_is_uniform_first_and_the_policy_s_own_later() -> None:
    agent = small()
    uniform = agent.act(pixels(4000), explore=True)
    assert (np.histogram(uniform, 4, (-1, 1))[0] / 8000).tolist() == pytest.approx([0.25] * 4, abs=0.02)
    agent.num_steps = 30
    one = np.repeat(pixels(1), 4000, 0)
    samples = np.arctanh(agent.act(one, explore=True))
    with torch.no_grad():
        mean, log_std = agent.actor(agent.encoder(agent.see(one[:1])))
    np.testing.assert_allclose(samples.mean(0), mean[0].numpy(), atol=0.02)
    np.testing.assert_allclose(samples.std(0), log_std[0].exp().numpy(), rtol=0.06)


def test_acting_without_exploration_draws_nothing() -> None:
    agent = small(num_exploration_steps=1)
    before = agent.explore_rng.get_state()
    assert np.array_equal(agent.act(pixels(1), explore=False), agent.act(pixels(1), explore=False))
    assert torch.equal(agent.explore_rng.get_state(), before)


@pytest.mark.parametrize("every", [1, 3])
def test_updates_catch_up_on_one_step_and_then_come_step_by_step(every: int) -> None:
    agent = small(update_every_steps=every)
    moments = []
    update_batch = agent.update_batch
    agent.update_batch = lambda batch, draws: (
        moments.append((agent.num_steps, len(agent.replay))) or update_batch(batch, draws)
    )
    train(agent, 2)  # 50 steps
    later = [(step, step) for step in range(31, 50) if step % every == 0]
    assert moments == [(30, 30)] * 3 + later  # at step 30 thirty transitions are there, those of a running episode too
    assert agent.num_updates == len(moments)


def test_catching_up_says_after_every_update_that_it_is_alive() -> None:
    told: list[int] = []
    agent = small(alive=lambda: told.append(agent.num_updates))
    train(agent, 2)
    assert told[:3] == [1, 2, 3]
    assert len(told) == agent.num_updates


def test_actor_and_target_move_every_second_step_and_all_through_the_catching_up() -> None:
    agent = small()
    first = agent.target.q1[0].weight.clone()
    agent.num_steps = 30
    moved = []
    for step in (30, 30, 31, 32):
        agent.num_steps = step
        before = agent.actor.policy[0].weight.clone(), agent.target.q1[0].weight.clone()
        agent.update_batch(random_batch(4, agent.context, torch.float32), agent.draw(4))
        after = agent.actor.policy[0].weight, agent.target.q1[0].weight
        moved.append([not torch.equal(*pair) for pair in zip(before, after, strict=True)])
    assert moved == [[True, True], [True, True], [False, False], [True, True]]
    assert not torch.equal(first, agent.target.q1[0].weight)


def test_a_termination_cuts_the_bootstrap_and_the_time_limit_does_not() -> None:
    for terminated, expected in ((True, 0.0), (False, 0.99)):
        agent = small()
        first = pixels(1)[0]
        following = np.concatenate([first[3:], pixels(1, seed=1)[0][:3]])
        agent.observe(Transition(first, np.zeros(2, np.float32), 1.0, following, terminated, not terminated))
        assert float(agent.replay.gather(agent.replay.draw(1)).discounts) == pytest.approx(expected)


def test_the_replay_holds_all_of_the_training_unless_told_otherwise() -> None:
    agent = small(replay_capacity=None, train_frames=101)
    train(agent, 3)
    assert len(agent.replay) == 51  # steps of two frames
    assert len(small(replay_capacity=None).replay) == 0


@every_agent
@pytest.mark.parametrize("in_files", [False, True])
def test_a_stop_and_resume_changes_no_bit(name: str, in_files: bool, tmp_path: Path) -> None:
    def memory(place: str) -> Path | None:
        return tmp_path / place if in_files else None

    straight = small(name, memory=memory("straight"))
    train(straight, 5)
    stopped = small(name, memory=memory("stopped"))
    train(stopped, 3)
    stopped.save(tmp_path / "checkpoint")
    train(stopped, 1, first=3)  # goes on, and is killed
    resumed = small(name, memory=memory("stopped"))
    resumed.load(tmp_path / "checkpoint")
    train(resumed, 2, first=3)
    for agent, place in ((straight, "a"), (resumed, "b")):
        agent.save_policy(tmp_path / place)
    assert folder_bytes(tmp_path / "a") == folder_bytes(tmp_path / "b")
    assert straight.num_updates == resumed.num_updates > 3
    pairs = zip(straight._state().items(), resumed._state().items(), strict=True)
    assert all(torch.equal(a, b) for (_, a), (_, b) in pairs)


def test_checkpoints_of_others_are_refused_in_one_sentence(tmp_path: Path) -> None:
    agent = small()
    train(agent, 2)
    agent.save(tmp_path / "all")
    agent.save_policy(tmp_path / "policy")
    others = {
        "agent is 'sac', not 'drq'": small("drq"),
        "pixels": small(image_size=26),
        "num_filters is 4, not 5": small(num_filters=5),
        "log_std_min": small(log_std_min=-5.0),
    }
    for words, other in others.items():
        with pytest.raises(CheckpointError, match=words):
            other.load_policy(tmp_path / "policy")
        with pytest.raises(CheckpointError, match=words):
            other.load(tmp_path / "all")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"batch_size": 9, "replay_capacity": 8}, "batch_size 9 is more than replay_capacity 8 holds"),
        ({"crop_size": 42}, "convolutions need 43 pixels"),
        ({"crop_size": 84, "shift_pad": 4}, "two augmentations"),
        ({"log_std_min": 2.0}, "not below"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        sac.Config(**settings)


def test_a_budget_without_an_update_is_named() -> None:
    config = sac.Config()
    assert config.training_problem(2_000, 1_000, 2) == "its first update comes after 1000 steps of random actions"
    assert config.training_problem(2_001, 1_000, 2) is None
    wide = sac.Config(batch_size=5_000)
    assert wide.training_problem(8_000, 1_000, 2) == (
        "its batch_size of 5000 is more than its replay of 4000 steps ever holds"
    )
    roomy = sac.Config(batch_size=5_000, replay_capacity=10**14)
    assert roomy.training_problem(8_000, 1_000, 2) == wide.training_problem(8_000, 1_000, 2)


def test_a_float32_update_is_close_to_one_in_float64() -> None:
    updated = []
    for dtype in (torch.float32, torch.float64):
        spec = spec_of("sac")
        agent = SAC(spec, make_context(), spec.config(**SMALL), dtype)
        agent.num_steps = 30
        draws = agent.draw(4)
        rng = np.random.default_rng(0)
        for name in ("next_noise", "actor_noise"):
            setattr(draws, name, torch.from_numpy(rng.normal(size=(4, 2))).to(dtype))
        updated.append(agent.update_batch(random_batch(4, agent.context, dtype), draws))
    for name in updated[0]:
        assert float(updated[0][name]) == pytest.approx(float(updated[1][name]), rel=1e-4, abs=1e-5), name
