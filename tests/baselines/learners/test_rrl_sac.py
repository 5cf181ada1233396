"""RRL-SAC against a second, plain implementation in float64; its features; and what cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn

from harness.baselines import rrl_sac
from harness.baselines.learners.rrl_sac import RRLSAC
from harness.baselines.nn.image_features import ImageFeatures
from harness.baselines.nn.replay import Batch
from tests.baselines.learners.test_sac_against_plain import assert_same_state, move_zeros
from tests.baselines.plain_sac import PlainSAC, mlp
from tests.baselines.world import dot_env, folder_bytes, make_context, train

N, D = 4, 3 * 1024
SMALL: dict[str, Any] = {
    "encoder": "shufflenetv2",
    "hidden_dim": 16,
    "batch_size": N,
    "replay_capacity": 60,
    "num_exploration_steps": 20,
    "update_every_steps": 2,
}


class PlainRRLSAC(PlainSAC):
    """SAC on vectors: no convolutions, no projection."""

    def __init__(self, learner: Any) -> None:
        c = self.config = learner.config
        self.dtype, self.action_dim = learner.dtype, learner.action_dim
        self.cnn, self.head, self.actor_trunk, self.critic_trunk = (nn.Identity() for _ in range(4))  # type: ignore[assignment]
        self.actor_mlp = mlp(D, c.hidden_dim, 2 * self.action_dim)
        self.q1, self.q2 = mlp(D + self.action_dim, c.hidden_dim, 1), mlp(D + self.action_dim, c.hidden_dim, 1)
        self._take(learner)
        self.log_alpha = learner.temperature.log_alpha.detach().clone().requires_grad_()
        self.adams = self._adams()

    def convolve(self, pixels: torch.Tensor) -> torch.Tensor:
        return pixels

    def target_q(self, pixels: torch.Tensor, action: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = torch.cat([pixels, action], 1)
        return self.target_q1(x), self.target_q2(x)

    def augment(self, pixels: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
        return pixels

    def parts(self) -> dict[str, list[Any]]:
        return {name: values for name, values in super().parts().items() if values}

    def trained(self) -> dict[str, list[Any]]:
        return {"critic": self.parts()["critic"], "actor": self.parts()["actor"], "temperature": [self.log_alpha]}

    @torch.no_grad()
    def update_target(self) -> None:
        for fast, slow in ((self.q1, self.target_q1), (self.q2, self.target_q2)):
            for p, t in zip(fast.parameters(), slow.parameters(), strict=True):
                t.copy_(self.config.target_rate * p + (1 - self.config.target_rate) * t)


def make(dtype: torch.dtype = torch.float32, memory: Path | None = None, **changes: Any) -> RRLSAC:
    context = make_context(memory=memory, image_size=changes.pop("image_size", 24))
    return RRLSAC(rrl_sac.AGENT, context, rrl_sac.Config(**{**SMALL, **changes}), dtype)


@pytest.mark.parametrize("first", [1000, 1001])
@pytest.mark.parametrize("num_updates", [1, 3])
def test_updates_equal_the_plain_ones(first: int, num_updates: int) -> None:
    learner = make(torch.float64, update_every_steps=1)
    move_zeros(learner)
    plain = PlainRRLSAC(learner)
    for step in range(first, first + num_updates):
        learner.num_steps = step
        rng = np.random.default_rng(step)
        seen, following = torch.from_numpy(rng.normal(size=(2, N, D)))
        actions, rewards = torch.from_numpy(rng.uniform(-1, 1, (N, 2))), torch.from_numpy(rng.uniform(0, 3, (N, 1)))
        batch = Batch(seen, actions, rewards, torch.full((N, 1), 0.99, dtype=torch.float64), following)
        draws = learner.draw(N)
        found, wanted = learner.update_batch(batch, draws), plain.update(batch, draws, step)
        for name, value in wanted.items():
            assert float(found[name]) == pytest.approx(value, rel=1e-9), name
    assert_same_state(learner, plain)


def test_a_feature_is_of_one_picture_whatever_stands_beside_it() -> None:
    agent = make()
    pixels = np.random.default_rng(0).integers(0, 256, (2, 9, 24, 24), dtype=np.uint8)
    both = agent.features(pixels)
    alone = make().features(pixels[1:])[0]
    assert np.array_equal(both[1], alone)
    with torch.no_grad():
        one = agent.frozen(torch.from_numpy(pixels[1, 3:6][None]))[0].numpy()
    assert np.array_equal(alone[1024:2048], one)
    assert both.dtype == np.float32
    assert both.shape == (2, D)


def test_each_picture_is_encoded_once() -> None:
    agent = make()
    calls: list[int] = []
    encode = agent._encode
    agent._encode = lambda picture: calls.append(1) or encode(picture)  # type: ignore[func-returns-value,method-assign]
    env = dot_env()
    observation, _ = env.reset(seed=0)
    for _ in range(5):
        agent.act(observation[None], explore=True)
        agent.num_steps = 100  # beyond the random actions
        agent.act(observation[None], explore=False)
        agent.kept(observation)
        observation = env.step(np.ones(2, np.float32))[0]
        agent.kept(observation)
    assert len(calls) == 1 + 5  # one per picture that was drawn


def test_statistics_of_the_frame_are_those_of_training_mode() -> None:
    """What the released code computes: BatchNorm in training mode on one picture; the stored statistics stay."""
    pictures = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 3, 64, 64), dtype=np.uint8))
    running, frame = ImageFeatures("resnet18_full"), ImageFeatures("resnet18_full", frame_statistics=True)
    before = {name: value.clone() for name, value in frame.state_dict().items()}
    running.load_state_dict(frame.state_dict())
    crop = pictures[:1, :, 4:60, 4:60].float() / 255
    x = (crop - running.mean) / running.std
    for module in running.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train()

    def training_mode(norm: nn.BatchNorm2d, x: torch.Tensor) -> torch.Tensor:
        return norm(x)

    with torch.no_grad():
        wanted = running.network(x, training_mode).mean((2, 3))
        found = frame(pictures)
    torch.testing.assert_close(found[:1], wanted, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(found[:1], ImageFeatures("resnet18_full")(pictures)[:1])
    assert all(torch.equal(value, before[name]) for name, value in frame.state_dict().items())


def test_the_frozen_network_is_in_the_policy_and_never_moves(tmp_path: Path) -> None:
    agent = make()
    before = [parameter.clone() for parameter in agent.frozen.state_dict().values()]
    train(agent, 2)
    assert agent.num_updates > 5
    assert all(torch.equal(a, b) for a, b in zip(before, agent.frozen.state_dict().values(), strict=True))
    agent.save_policy(tmp_path)
    other = make()
    with torch.no_grad():
        for parameter in other.frozen.parameters():
            parameter.zero_()
    other.load_policy(tmp_path)
    pixels = np.random.default_rng(1).integers(0, 256, (1, 9, 24, 24), dtype=np.uint8)
    assert np.array_equal(agent.act(pixels, explore=False), other.act(pixels, explore=False))


def test_a_checkpoint_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    whole = make(memory=tmp_path / "a")
    train(whole, 2)
    whole.save(tmp_path / "checkpoint")
    resumed = make(memory=tmp_path / "a")
    resumed.load(tmp_path / "checkpoint")
    for agent, name in ((whole, "one"), (resumed, "two")):
        train(agent, 1, first=2)
        agent.save(tmp_path / name)
    assert folder_bytes(tmp_path / "one") == folder_bytes(tmp_path / "two")


def test_statistics_of_a_frame_are_of_the_resnets() -> None:
    with pytest.raises(ValidationError, match="is of the ResNets, and encoder shufflenetv2 is none"):
        rrl_sac.Config(encoder="shufflenetv2", batch_norm="frame")
