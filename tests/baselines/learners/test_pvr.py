"""PVR: its update against a plain one in float64, what it stores, what it counts, and which encoders it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from harness.agent import Sizes
from harness.assets.found import FoundAsset
from harness.baselines import pvr
from harness.baselines.learners.pvr import PVR, DormantPVR
from harness.baselines.nn import shapes, vit_files
from harness.baselines.nn.replay import Batch
from harness.baselines.nn.resnet import ResNet18
from harness.baselines.nn.vit_files import VITS
from harness.errors import AgentError, CorruptAssetError, UsageError
from harness.running.plan import RunOptions
from harness.running.planning import make_plan
from tests.baselines.plain import PlainActor, PlainCritic, clipped
from tests.baselines.plain_ddpg import PlainDrM, copy_into
from tests.baselines.world import make_context, small_backbone, train

N = 4
SMALL: dict[str, Any] = {"feature_dim": 10, "hidden_dim": 32, "batch_size": N, "learning_rate": 1e-3}
HERE = "tests.baselines.learners.test_pvr"


class Halves(nn.Module):
    """An encoder from outside: mean and spread of each colour, in 0..1; counts how often it looks."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))
        self.seen: list[tuple[int, ...]] = []

    def forward(self, pictures: Tensor) -> Tensor:
        self.seen.append(tuple(pictures.shape))
        assert float(pictures.min()) >= 0.0
        assert float(pictures.max()) <= 1.0
        return torch.cat([pictures.mean((2, 3)) * self.weight, pictures.amax((2, 3))], 1)


def not_a_module() -> int:
    return 3


def make(network: nn.Module | None = None, dtype: torch.dtype = torch.float32, **changes: Any) -> Any:
    settings = SMALL | {"encoder": f"{HERE}:Halves"} | changes
    context = make_context(**{key: settings.pop(key) for key in ("image_size", "action_dim") if key in settings})
    config = pvr.Config(**settings)
    return (DormantPVR if config.learner == "drm" else PVR)(context, config, network, dtype=dtype)


def random_tokens(width: int, seed: int) -> Batch:
    rng = np.random.default_rng(seed)
    before, after = (torch.from_numpy(rng.normal(size=(N, width)).astype(np.float32)) for _ in range(2))
    actions, rewards = (torch.from_numpy(rng.uniform(-1, 1, (N, size))) for size in (2, 1))
    return Batch(before, actions, rewards, torch.full((N, 1), 0.970299, dtype=torch.float64), after)


def reference(learner: PVR, num_updates: int) -> tuple[dict[str, nn.Module], dict[str, torch.optim.Adam], list[Any]]:
    """DrQ-v2's critic, actor and target steps straight on tokens, written out once more."""
    c, sizes = learner.config, (learner.encoder.representation_dim, 10, 32, 2)
    nets: dict[str, Any] = {"actor": PlainActor(*sizes), "critic": PlainCritic(*sizes), "target": PlainCritic(*sizes)}
    for name, net in nets.items():
        net.double().load_state_dict(getattr(learner, name).state_dict())
    adams = {name: torch.optim.Adam(nets[name].parameters(), lr=c.learning_rate) for name in ("critic", "actor")}
    losses = []
    for index in range(num_updates):
        batch, draws, std = random_tokens(sizes[0], index), DRAWS[index], 1.0 - 0.9 * (60_000 + index) / 100_000
        h, following = batch.observations.double(), batch.next_observations.double()
        with torch.no_grad():
            ahead = torch.min(*nets["target"](following, clipped(nets["actor"](following), std, draws.next_noise, 0.3)))
            y = batch.rewards + batch.discounts * ahead
        first, second = nets["critic"](h, batch.actions)
        critic_loss = F.mse_loss(first, y) + F.mse_loss(second, y)
        adams["critic"].zero_grad()
        critic_loss.backward()
        adams["critic"].step()
        actor_loss = -torch.min(*nets["critic"](h, clipped(nets["actor"](h), std, draws.actor_noise, 0.3))).mean()
        adams["actor"].zero_grad()
        actor_loss.backward()
        adams["actor"].step()
        with torch.no_grad():
            for slow, fast in zip(nets["target"].parameters(), nets["critic"].parameters(), strict=True):
                slow.mul_(0.99).add_(0.01 * fast)
        losses.append((critic_loss.item(), actor_loss.item(), y.mean().item()))
    return nets, adams, losses


DRAWS: list[Any] = []


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small are slower with more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("num_updates", [1, 3])
def test_updates_equal_the_plain_ones(num_updates: int) -> None:
    learner = make(dtype=torch.float64)
    DRAWS[:] = [learner.draw(N) for _ in range(num_updates)]
    nets, adams, losses = reference(learner, num_updates)
    frozen = {name: value.clone() for name, value in learner.encoder.state_dict().items()}
    for index, wanted in enumerate(losses):
        learner.num_steps = 60_000 + index
        found = learner.update_batch(random_tokens(learner.encoder.representation_dim, index), DRAWS[index])
        assert [float(found[name]) for name in ("critic_loss", "actor_loss", "target")] == pytest.approx(
            wanted, rel=1e-9
        )
    assert set(learner.optimizers) == {"critic", "actor"}  # nothing of the encoder is trained
    for name, net in nets.items():
        for ours, theirs in zip(getattr(learner, name).parameters(), net.parameters(), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)
    for name, adam in adams.items():
        ours, theirs = learner.optimizers[name].state, adam.state
        for mine, other in zip(ours.values(), theirs.values(), strict=True):
            for key in ("step", "exp_avg", "exp_avg_sq"):
                torch.testing.assert_close(mine[key].double(), other[key].double(), rtol=1e-9, atol=1e-15)
    assert all(torch.equal(value, frozen[name]) for name, value in learner.encoder.state_dict().items())


class PlainTokens(PlainDrM):
    """DrM's steps straight on tokens; the frozen encoder has no part in them."""

    def __init__(self, learner: Any) -> None:
        c = self.config = learner.config
        self.dtype, sizes = torch.float64, (learner.encoder.representation_dim, c.feature_dim, c.hidden_dim, 2)
        self.encoder = nn.Identity()
        self.actor = copy_into(self.actor_of(learner, *sizes).double(), learner.actor)
        self.critic = copy_into(self.critic_of(learner, *sizes).double(), learner.critic)
        self.target = copy_into(self.critic_of(learner, *sizes).double(), learner.target)
        rate = c.learning_rate
        self.adams = {name: torch.optim.Adam(getattr(self, name).parameters(), lr=rate) for name in ("critic", "actor")}
        self.adams["encoder"] = torch.optim.Adam([torch.zeros(1, requires_grad=True)])
        self.more(learner)

    def update(self, batch: Batch, draws: Any, step: int) -> dict[str, float]:
        self.first(draws, step)
        h, h_next = batch.observations.double(), batch.next_observations.double()
        told = self.between(h, batch, draws, step)
        with torch.no_grad():
            y = batch.rewards + batch.discounts * self.next_value(h_next, draws, step)
        loss = self.critic_loss([h], batch.actions, y, draws)
        self.adams["critic"].zero_grad()
        loss.backward()
        self.adams["critic"].step()
        told |= {"critic_loss": loss.item(), "target": y.mean().item()} | self.actor_step([h], draws, step)
        with torch.no_grad():
            for slow, fast in zip(self.target.parameters(), self.critic.parameters(), strict=True):
                slow.mul_(0.99).add_(0.01 * fast)
        return told


@pytest.mark.parametrize("perturbed", [False, True])
@pytest.mark.parametrize("num_updates", [1, 3])
def test_updates_of_drm_equal_the_plain_ones(num_updates: int, perturbed: bool) -> None:
    every = 60_002 if perturbed else 100_000
    learner = make(dtype=torch.float64, learner="drm", dormant_target=0.5, perturb_every_steps=every)
    assert isinstance(learner, DormantPVR)
    plain, width = PlainTokens(learner), learner.encoder.representation_dim
    frozen = {name: value.clone() for name, value in learner.encoder.state_dict().items()}
    for index in range(num_updates):
        step = learner.num_steps = 60_000 + 2 * index
        batch, draws = random_tokens(width, index), learner.draw(N)
        assert (draws.fresh is None) == (not perturbed or step != every)
        found = learner.update_batch(batch, draws)
        if draws.fresh is not None:
            draws.fresh = {**draws.fresh, "encoder": []}
        for name, value in plain.update(batch, draws, step).items():
            assert float(found[name]) == pytest.approx(value, rel=1e-9), name
    assert (learner.dormant_ratio, learner.awaken_step) == (plain.ratio, plain.awaken_step)
    assert set(learner.optimizers) == {"critic", "actor", "value"}
    for name in ("actor", "critic", "target", "value"):
        for ours, theirs in zip(getattr(learner, name).parameters(), getattr(plain, name).parameters(), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)
    assert all(torch.equal(value, frozen[name]) for name, value in learner.encoder.state_dict().items())


def test_a_perturbation_leaves_a_frozen_linear_layer_alone() -> None:
    class Projecting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(3, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.linear(x.mean((2, 3)))

    learner = make(Projecting(), learner="drm", perturb_every_steps=1)
    before, trunk = learner.encoder.network.linear.weight.clone(), learner.actor.trunk[0].weight.clone()
    learner.update_batch(
        Batch(*(t.float() for t in random_tokens(learner.encoder.representation_dim, 0))), learner.draw(N)
    )
    assert torch.equal(learner.encoder.network.linear.weight, before)
    assert (learner.actor.trunk[0].weight - trunk).abs().max() > 1e-2


def test_drms_learner_counts_as_table_1_says() -> None:
    class Wide(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.zeros(len(x), 768)

    config = pvr.Config(encoder=f"{HERE}:Halves", learner="drm")
    learner = DormantPVR(make_context(action_dim=4), config, Wide())
    trained = (learner.actor, learner.critic, learner.value)
    assert sum(p.numel() for module in trained for p in module.parameters()) == 4_768_713


# What is stored.


@pytest.mark.parametrize(("token_dtype", "in_files"), [("float32", False), ("float16", True)])
def test_stored_tokens_are_those_of_the_pictures(token_dtype: str, in_files: bool, tmp_path: Path) -> None:
    context = make_context(task="dot_stay", memory=tmp_path if in_files else None)
    config = pvr.Config(**SMALL, encoder="resnet18", layer=1, pool=2, token_dtype=token_dtype, num_seed_frames=10**6)
    agent, seen = PVR(context, config), []
    observe = agent.observe
    agent.observe = lambda transition: (seen.append(transition), observe(transition))[1]  # type: ignore[method-assign]
    train(agent, 1, task="dot_stay")
    batch = agent.replay.gather(agent.replay.draw(20))
    assert str(batch.observations.dtype) == f"torch.{token_dtype}"
    recomputed = {}
    for transition in seen:
        frames = torch.from_numpy(transition.observation).unflatten(0, (3, 3))
        tokens = torch.cat([agent.encoder(frame[None])[0] for frame in frames])
        recomputed[tokens.to(batch.observations.dtype).numpy().tobytes()] = tuple(transition.action)
    assert len(recomputed) > 40
    for tokens, action in zip(batch.observations, batch.actions, strict=True):
        assert recomputed[tokens.numpy().tobytes()] == pytest.approx(tuple(action.tolist()))
    size = {"float32": 4, "float16": 2}[token_dtype]
    assert agent.replay.num_bytes == 53 * 64 * 4 * size + 50 * (2 + 2) * 4  # 50 steps, three frames before


def test_each_picture_goes_through_the_network_once() -> None:
    network = Halves()
    agent = make(network, num_exploration_steps=20, num_seed_frames=40)
    network.seen.clear()
    train(agent, 2, task="dot_stay")
    assert agent.num_updates > 20
    assert set(network.seen) == {(1, 3, 24, 24)}
    assert 90 < len(network.seen) <= 2 * 51  # a reset and 50 steps, each its newest picture, unless that stayed alike


def test_tokens_do_not_depend_on_what_else_is_looked_at() -> None:
    agent = make(ResNet18(1), encoder="resnet18", layer=1, num_exploration_steps=0)
    pixels = np.random.default_rng(0).integers(0, 256, (5, 9, 24, 24), np.uint8)
    together = agent.act(pixels, explore=False)
    agent.tokens.forget()
    alone = np.concatenate([agent.act(row[None], explore=False) for row in pixels[::-1]])[::-1]
    np.testing.assert_allclose(together, alone, atol=1e-6)
    assert np.array_equal(agent.tokens(pixels)[2], agent.tokens(pixels[2:3])[0])


def test_the_oldest_frame_comes_first() -> None:
    agent = make(dtype=torch.float64)
    frames = np.zeros((1, 9, 24, 24), np.uint8)
    for moment in range(3):
        frames[0, 3 * moment : 3 * moment + 3] = 50 * (moment + 1)
    values = agent.tokens(frames).reshape(3, 6) * 255.0
    np.testing.assert_allclose(values, [[50.0] * 6, [100.0] * 6, [150.0] * 6], rtol=1e-5)


def test_pictures_are_normalised_as_imagenets_and_resized_where_asked() -> None:
    class Shown(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            self.x = x
            return torch.zeros(len(x), 64, 1, 1)

    for resize, side in (("native", 24), ("224", 224)):
        agent = make(network := Shown(), encoder="resnet18", layer=1, pool=1, resize=resize)
        agent.encoder(torch.full((1, 3, 24, 24), 51, dtype=torch.uint8))
        assert network.x.shape == (1, 3, side, side)
        wanted = (0.2 - torch.tensor((0.485, 0.456, 0.406))) / torch.tensor((0.229, 0.224, 0.225))
        torch.testing.assert_close(network.x[0, :, 7, 7], wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("registers", [True, False])
def test_a_transformer_gives_its_class_token_and_then_its_registers(
    registers: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = vit_files.VitSpec(dim=8, depth=1, heads=2, patch=8, grid=3, registers=4)
    monkeypatch.setitem(VITS, "dinov2_reg", spec)
    agent = make(encoder="dinov2_reg", registers=registers)
    picture = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (1, 3, 24, 24), np.uint8))
    shown = (picture / 255 - torch.tensor((0.485, 0.456, 0.406))[:, None, None]) / torch.tensor((0.229, 0.224, 0.225))[
        :, None, None
    ]
    wanted = agent.encoder.network(shown)[0, : 5 if registers else 1].flatten()
    assert len(wanted) == agent.encoder.token_dim
    torch.testing.assert_close(agent.encoder(picture)[0], wanted)
    assert not agent.encoder.train().network.training


def test_a_resnet_is_pooled_or_flattened() -> None:
    pictures = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 3, 48, 48), np.uint8))
    backbone = small_backbone(64, 2)
    flat, pooled = (
        make(backbone, encoder="resnet18", image_size=48, pool=pool).encoder(pictures).numpy() for pool in (0, 3)
    )
    assert flat.shape == (2, 128 * 36)
    blocks = flat.reshape(2, 128, 3, 2, 3, 2).mean((3, 5))
    np.testing.assert_allclose(pooled, blocks.reshape(2, -1), rtol=1e-5, atol=1e-6)


def test_tokens_that_the_type_cannot_hold_are_refused() -> None:
    class Huge(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.full((len(x), 2), 1e5)

    agent = make(Huge(), token_dtype="float16", num_exploration_steps=0)
    with pytest.raises(AgentError, match="float16 cannot hold"):
        agent.act(np.zeros((1, 9, 24, 24), np.uint8), explore=False)


# Sizes.


@pytest.mark.parametrize(
    ("encoder", "width", "printed"),
    [("dinov2", 2304, 4_768_713), ("dinov2_reg", 11_520, 6_151_113), ("vc1", 2304, 4_768_713)],
)
def test_representations_are_those_of_table_1(encoder: str, width: int, printed: int) -> None:
    config, sizes = pvr.Config(encoder=encoder), Sizes((9, 112, 112), 4, 3)
    assert pvr.representation_dim(config, sizes) == width
    heads = (width, config.feature_dim, config.hidden_dim, sizes.actions)
    value = shapes.trunk("value.trunk", width, 50) | shapes.mlp("value.v", 50, 1024, 1)  # DrM's, counted in the table
    trained = shapes.actor(*heads) | shapes.critic(*heads) | value
    assert shapes.num_bytes(trained) == 4 * printed


MILLION = {  # settings -> gigabytes of a million steps at 84 pixels, as docs/agents.md has them
    "resnet18": ({}, 8.192),
    "resnet18, flattened": ({"pool": 0}, 61.952),
    "dinov2": ({"encoder": "dinov2"}, 3.072),
    "dinov2_reg": ({"encoder": "dinov2_reg"}, 15.36),
    "dinov2, float16": ({"encoder": "dinov2", "token_dtype": "float16"}, 1.536),
}


@pytest.mark.parametrize("name", MILLION)
def test_memory_of_a_million_steps(name: str) -> None:
    settings, gigabytes = MILLION[name]
    config = pvr.Config(**settings)
    numbers = config.tokens.num_tokens(84)
    assert numbers is not None
    assert numbers * pvr.TOKEN_BYTES[config.token_dtype] / 1000 == pytest.approx(gigabytes)


# What is refused.


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"encoder": "dinov3"}, "encoder 'dinov3' is none of resnet18, .*dinov2"),
        ({"encoder": "dinov2", "layer": 3}, "layer and pool are of the ResNets"),
        ({"encoder": "a.b:c", "pool": 1}, "layer and pool are of the ResNets"),
        ({"encoder": "vc1", "registers": False}, "no registers to leave out"),
        ({"expectile": 0.7}, "expectile is of the learner drm, and learner is drqv2"),
        ({"shift_pad": 4}, "less than or equal to 0"),
    ],
)
def test_choices_that_contradict_each_other(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        pvr.Config(**settings)


def plan(*settings: str, **changes: Any) -> Any:
    options = {"suite": "harness.testing:SUITE", "agent": "pvr", "settings": settings, **changes}
    return make_plan(RunOptions(**options))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (("encoder=vc1", "protocol.image_size=84"), "patches of 16 .*resize=224 or --set protocol.image_size=80"),
        (("encoder=dinov2", "protocol.image_size=13"), "at least 14 pixels"),
        (("protocol.image_size=24",), "at least 25 pixels"),
        (("encoder=nowhere.at.all:make",), "no module 'nowhere.at.all' to take the encoder from"),
        ((f"encoder={HERE}:N",), "cannot be called"),
        ((f"encoder={HERE}:halves",), "Unknown attribute"),
    ],
)
def test_the_plan_refuses_what_cannot_be_looked_at(settings: tuple[str, ...], said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said):
        plan(*settings, runs=tmp_path)


def test_an_encoder_from_outside_that_is_none() -> None:
    with pytest.raises(UsageError, match=r"is a int, not a torch\.nn\.Module"):
        make(encoder=f"{HERE}:not_a_module")


@pytest.mark.parametrize("how", ["missing", "shape"])
def test_a_file_of_another_network_is_refused_before_any_work(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(VITS, "vc1", vit_files.VitSpec(dim=8, depth=2, heads=2, patch=8, grid=3))
    state = {name: torch.zeros(shape) for name, shape in vit_files.tensors(VITS["vc1"]).items()}
    (tmp_path / "weights").mkdir()
    path = tmp_path / "weights" / "vc1_vitb.pth"
    chosen = ("encoder=vc1", "protocol.image_size=24")
    torch.save({"model": state}, path)
    found = plan(*chosen, runs=tmp_path, assets=str(tmp_path)).found["vc1"]
    assert found.identity.startswith("sha256:")
    if how == "missing":
        del state["blocks.1.attn.qkv.weight"]
    else:
        state["blocks.1.attn.qkv.weight"] = torch.zeros(3, 3)
    torch.save({"model": state}, path)
    with pytest.raises(CorruptAssetError, match=r"does not fit encoder vc1: it.* 'blocks\.1\.attn\.qkv\.weight'"):
        plan(*chosen, runs=tmp_path, assets=str(tmp_path))


def test_a_safetensors_file_is_compared_too(tmp_path: Path) -> None:
    save_file({"cls_token": torch.zeros(1)}, tmp_path / "model.safetensors")
    found = {"dinov2": FoundAsset("dinov2", (tmp_path / "model.safetensors",), "sha256:0")}
    with pytest.raises(CorruptAssetError, match=r"its 'cls_token' is \[1\], not \[1, 1, 768\]"):
        pvr.Config(encoder="dinov2").check_assets(found)


def test_rows_name_the_encoder_and_its_code(tmp_path: Path) -> None:
    found = plan(f"encoder={HERE}:Halves", runs=tmp_path)
    (identity,) = [asset.identity for asset in found.found.values() if asset.name == f"{HERE}:Halves"]
    assert identity.startswith("code:")
    config = pvr.Config(encoder="dinov2", resize="224", frozen_dtype="bfloat16")
    assert config.notes() == ("encoder dinov2 sees pictures resized to 224, ImageNet normalisation, in bfloat16",)
