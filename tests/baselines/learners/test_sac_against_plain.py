"""The SAC family's updates against a second, plain implementation, in float64: whatever an update touches."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from tests.baselines import plain_auxiliary, plain_pad, plain_sac, plain_sgqn, plain_tlda
from tests.baselines.world import make_context, random_batch

N = 4
NEITHER_END = (40, 200)  # pixels: black and white would hide a range that is taken to be 0..255
SMALL = {
    "num_shared_layers": 4,
    "num_filters": 6,
    "feature_dim": 10,
    "hidden_dim": 32,
    "batch_size": N,
    "replay_capacity": 100,
}
PLAIN: dict[str, tuple[type[plain_sac.PlainSAC], dict[str, Any]]] = {  # case -> the other side, and settings
    "sac": (plain_sac.PlainSAC, {}),
    "drq": (plain_sac.PlainSAC, {}),
    "drq_original": (plain_sac.PlainOriginalDrQ, {}),
    "drq_original, other rates": (plain_sac.PlainOriginalDrQ, {"encoder_target_rate": 0.3, "num_shared_layers": 3}),
    "rad": (plain_sac.PlainSAC, {}),
    "curl": (plain_auxiliary.PlainCURL, {}),
    "curl, every second update": (plain_auxiliary.PlainCURL, {"auxiliary_every_updates": 2}),
    "soda": (plain_auxiliary.PlainSODA, {"auxiliary_batch_size": 6}),
    "pad": (plain_pad.PlainPAD, {"num_shared_layers": 2, "num_head_layers": 2}),
    "pad, no head": (plain_pad.PlainPAD, {"num_shared_layers": 3, "num_head_layers": 0}),
    "sgqn": (plain_sgqn.PlainSGQN, {}),
    "sgqn, other weights": (plain_sgqn.PlainSGQN, {"consistency_weight": 0.9, "saliency_quantile": 0.73}),
    "sgqn, no consistency": (plain_sgqn.PlainSGQN, {"consistency_weight": 0.0}),
    "svea": (plain_sac.PlainSVEA, {}),
    "tlda": (plain_tlda.PlainTLDA, {}),
    "tlda, other numbers": (
        plain_tlda.PlainTLDA,
        {
            "mask_spacing": 5,
            "mask_sigma": 3.0,
            "blur_kernel": 5,
            "blur_sigma": 2.0,
            "loss_lambda": 0.4,
            "max_pictures": 9,
        },
    ),
    "svea, unequal weights": (plain_sac.PlainSVEA, {"clean_weight": 0.7, "augmented_weight": 0.4}),
}
every_case = pytest.mark.parametrize("case", PLAIN)


def make_learner(case: str, **changes: Any) -> Any:
    """The learner of `baselines/learners/<name>.py`, small and in float64, from what its declaration says."""
    name = case.partition(",")[0]
    spec = importlib.import_module(f"harness.baselines.{name}").AGENT
    cropped = {"crop_size": 20} if spec.image_size else {}
    config = spec.config(**{**SMALL, **cropped, **PLAIN[case][1], **changes})
    made = importlib.import_module(f"harness.baselines.learners.{name}").make(make_context(), config)
    kind = type(made)
    learner = kind(spec, make_context(), config, dtype=torch.float64)
    move_zeros(learner)
    return learner


@torch.no_grad()
def move_zeros(learner: Any) -> None:
    """Biases start at zero, where one that is left out is not seen to be."""
    generator = torch.Generator().manual_seed(3)
    for name in (*learner.POLICY_MODULES, *learner.TRAINING_MODULES):
        for parameter in getattr(learner, name).parameters():
            if not parameter.any():
                parameter.normal_(0.0, 0.1, generator=generator)


def draw(learner: Any, seed: int) -> Any:
    """An update's draws; what an agent draws from its replay or from pictures is noise."""
    draws, rng = learner.draw(N), np.random.default_rng(seed)
    if hasattr(draws, "observations"):
        shape = (learner.config.auxiliary_batch_size, *learner.pixel_shape)
        draws.observations = torch.from_numpy(rng.integers(0, 256, shape, dtype=np.uint8))
    if hasattr(draws, "overlay"):
        num = getattr(learner.config, "auxiliary_batch_size", N)
        draws.overlay = torch.from_numpy(rng.random((num, 3, learner.picture_size, learner.picture_size)))
    return draws


def record_gradients(optimizers: dict[str, torch.optim.Adam], of: Callable[[str], list[Any]]) -> list[tuple[str, Any]]:
    """Notes, of every step to come, which optimiser took it and with which gradients."""
    taken: list[tuple[str, Any]] = []
    for name, optimizer in optimizers.items():
        optimizer.register_step_pre_hook(
            lambda *_, name=name: taken.append((name, [p.grad.clone() for p in of(name)]))  # type: ignore[misc]
        )
    return taken


# BatchNorm takes away what a bias before it adds: the bias's gradient is rounding alone.
VANISHING = 1e-15


def assert_same(found: torch.Tensor, wanted: torch.Tensor, what: str) -> None:
    found, wanted = found.detach(), wanted.detach()
    scale = float(wanted.abs().max())
    if scale < VANISHING:
        assert float(found.abs().max()) < VANISHING, what
        return
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-9 * scale, msg=lambda text: f"{what}: {text}")


def assert_all_same(found: list[torch.Tensor], wanted: list[torch.Tensor], what: str) -> None:
    assert len(found) == len(wanted) > 0, what
    for index, pair in enumerate(zip(found, wanted, strict=True)):
        assert_same(*pair, f"{what} {index}")


def assert_same_state(learner: Any, plain: plain_sac.PlainSAC) -> None:
    """Parameters, buffers, targets and what the optimisers remember."""
    for name, wanted in plain.parts().items():
        assert_all_same(list(getattr(learner, name).parameters()), wanted, name)
    for name, wanted in plain.buffers().items():
        assert_all_same([b.double() for b in getattr(learner, name).buffers()], [b.double() for b in wanted], name)
    for name, wanted in plain.trained().items():
        ours, theirs = learner.optimizers[name], plain.adams[name]
        mine = ours.param_groups[0]["params"]
        if not theirs.state:  # no step yet
            assert not ours.state
            continue
        assert len(mine) == len(wanted)
        for index, (p, other) in enumerate(zip(mine, wanted, strict=True)):
            for key in ("step", "exp_avg", "exp_avg_sq"):
                assert_same(ours.state[p][key], theirs.state[other][key], f"Adam of {name}, {index}, {key}")


@every_case
@pytest.mark.parametrize("first", [1000, 1001])
@pytest.mark.parametrize("num_updates", [1, 3])
def test_updates_equal_the_plain_ones(case: str, first: int, num_updates: int) -> None:
    learner = make_learner(case)
    plain = PLAIN[case][0](learner)
    taken = record_gradients(learner.optimizers, lambda name: learner.optimizers[name].param_groups[0]["params"])
    wanted_taken = record_gradients(plain.adams, lambda name: plain.trained()[name])
    for step in range(first, first + num_updates):
        learner.num_steps = step
        batch, draws = random_batch(N, learner.context, seed=step, values=NEITHER_END), draw(learner, step)
        found, wanted = learner.update_batch(batch, draws), plain.update(batch, draws, step)
        for name, value in wanted.items():
            assert float(found[name]) == pytest.approx(value, rel=1e-9), name
        assert ("actor_loss" in found) == (step % 2 == 0)
    assert [name for name, _ in taken] == [name for name, _ in wanted_taken]
    for (name, grads), (_, wanted_grads) in zip(taken, wanted_taken, strict=True):
        assert_all_same(grads, wanted_grads, f"gradient of {name}")
        assert all(float(grad.abs().max()) > 0 for grad in grads), name
    assert_same_state(learner, plain)


@every_case
def test_greedy_actions_equal_the_plain_ones(case: str) -> None:
    learner = make_learner(case)
    plain = PLAIN[case][0](learner)
    pixels = random_batch(N, learner.context, seed=9).observations
    found = torch.from_numpy(learner.act(pixels.numpy(), explore=False))
    torch.testing.assert_close(found, plain.act(pixels).float(), rtol=1e-6, atol=1e-6)
    assert np.abs(found.numpy()).max() < 0.99
