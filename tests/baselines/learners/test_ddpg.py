"""What the DDPG family shares: exploration, when updates happen, checkpoints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness.agent import Transition
from harness.baselines import drqv2, pieg
from harness.baselines.learners import storage
from harness.baselines.learners.drqv2 import DrQv2
from harness.baselines.learners.pieg import PIEG
from harness.errors import CheckpointError, UsageError, WorkError
from tests.baselines.world import folder_bytes, make_context, random_batch, small_backbone, train

SMALL = {
    "feature_dim": 8,
    "hidden_dim": 16,
    "batch_size": 4,
    "num_seed_frames": 60,
    "num_exploration_steps": 40,
    "update_every_steps": 2,
    "noise_steps": 100,
    "replay_capacity": 100,
}


def make(kind: str, **changes: Any) -> Any:
    context = make_context(**{key: changes.pop(key) for key in ("seed", "memory", "task", "device") if key in changes})
    if kind == "drqv2":
        return DrQv2(context, drqv2.Config(**(SMALL | changes)))
    return PIEG(context, pieg.Config(**(SMALL | {"representation_dim": 16} | changes)), backbone=small_backbone(4))


def pixels(num: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (num, 9, 24, 24), dtype=np.uint8)


def test_exploration_is_uniform_first_and_gaussian_later() -> None:
    agent = make("drqv2")
    uniform = agent.act(pixels(4000), explore=True)
    assert uniform.dtype == np.float32
    assert (np.histogram(uniform, 4, (-1, 1))[0] / 8000).tolist() == pytest.approx([0.25] * 4, abs=0.02)
    agent.num_steps = 60  # linear(1, 0.1, 100): standard deviation 0.46
    noisy = agent.act(np.repeat(pixels(1), 4000, 0), explore=True)
    mean = agent.act(pixels(1), explore=False)
    assert float(np.abs(mean).max()) < 0.5
    # Of a normal variable cut at one, compare the quartiles, which the cut leaves alone.
    np.testing.assert_allclose(
        np.quantile(noisy - mean, [0.25, 0.5, 0.75]), 0.46 * np.array([-0.6745, 0, 0.6745]), atol=0.03
    )
    assert float(np.abs(noisy).max()) <= 1.0


def test_the_noise_is_drawn_also_while_actions_are_uniform() -> None:
    agent, other = make("drqv2"), make("drqv2")
    agent.act(pixels(1), explore=True)
    torch.randn(1, 2, generator=other.explore_rng)
    torch.rand(1, 2, generator=other.explore_rng)
    assert torch.equal(agent.explore_rng.get_state(), other.explore_rng.get_state())


def test_acting_without_exploration_draws_nothing() -> None:
    agent = make("pieg")
    before = agent.explore_rng.get_state(), agent.update_rng.get_state(), agent.replay._rng.bit_generator.state
    first = agent.act(pixels(1), explore=False)
    assert np.array_equal(first, agent.act(pixels(1), explore=False))
    assert torch.equal(agent.explore_rng.get_state(), before[0])
    assert torch.equal(agent.update_rng.get_state(), before[1])
    assert agent.replay._rng.bit_generator.state == before[2]


def test_updates_wait_for_seed_frames_and_an_episode_and_then_come_every_second_step() -> None:
    agent = make("drqv2", num_seed_frames=60)  # 30 steps at action repeat 2; episodes have 25
    moments = []
    update_batch = agent.update_batch
    agent.update_batch = lambda batch, draws: moments.append(agent.num_steps) or update_batch(batch, draws)
    train(agent, 2)
    assert moments == list(range(30, 50, 2))
    assert agent.num_updates == 10
    early = make("drqv2", num_seed_frames=0)
    train(early, 1)
    assert early.num_updates == 0  # the only episode was still running


def test_metrics_are_finite_and_sparse() -> None:
    agent = make("pieg", update_every_steps=1, num_seed_frames=50)
    context = agent.context
    reported = []
    for episode in range(3):
        train(agent, 1, first=episode)
    for _ in range(20):
        reported.append(agent.update())
    told = [metrics for metrics in reported if metrics]
    assert len(told) == 2
    norms = {f"{name}_gradient_norm" for name in ("critic", "encoder", "actor")}
    assert set(told[0]) == {"critic_loss", "critic_value", "target", "actor_loss", "feature_drift", *norms}
    assert all(np.isfinite(list(metrics.values())).all() for metrics in told)
    assert context.frame_stack == 3


def test_terminations_and_time_limits_are_kept_apart() -> None:
    for bootstrap, expected in ((True, 0.99), (False, 0.0)):
        agent = make("drqv2", n_step=1, bootstrap_terminal=bootstrap)
        first = pixels(1)[0]
        following = np.concatenate([first[3:], pixels(1, seed=1)[0][:3]])
        agent.observe(Transition(first, np.zeros(2, np.float32), 1.0, following, True, False))
        assert float(agent.replay.gather(np.array([[0, 0]])).discounts) == pytest.approx(expected)
        agent.observe(Transition(first, np.zeros(2, np.float32), 1.0, following, False, True))
        assert float(agent.replay.gather(np.array([[1, 0]])).discounts) == pytest.approx(0.99)


def test_same_seed_same_agent_other_seed_another() -> None:
    agents = [make("pieg", seed=seed) for seed in (0, 0, 1)]
    for agent in agents:
        train(agent, 3)
    a, b, c = ([p.detach() for p in agent.actor.parameters()] for agent in agents)
    assert agents[0].num_updates > 0
    assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))
    assert not torch.equal(a[0], c[0])


@pytest.mark.parametrize("kind", ["drqv2", "pieg"])
@pytest.mark.parametrize("in_files", [False, True])
def test_a_stop_and_resume_changes_no_bit(kind: str, in_files: bool, tmp_path: Path) -> None:
    def memory(name: str) -> Path | None:
        return tmp_path / name if in_files else None

    straight = make(kind, memory=memory("straight"))
    train(straight, 7)
    stopped = make(kind, memory=memory("stopped"))
    train(stopped, 4)
    stopped.save(tmp_path / "checkpoint")
    train(stopped, 2, first=4)  # goes on, and is killed
    resumed = make(kind, memory=memory("stopped"), seed=0)
    resumed.load(tmp_path / "checkpoint")
    train(resumed, 3, first=4)
    assert resumed.num_updates == straight.num_updates > 20
    straight.save(tmp_path / "a")
    resumed.save(tmp_path / "b")
    wanted, found = folder_bytes(tmp_path / "a"), folder_bytes(tmp_path / "b")
    assert set(wanted) == set(found)
    assert all(wanted[name] == found[name] for name in wanted), [n for n in wanted if wanted[n] != found[n]]


@pytest.mark.parametrize("kind", ["drqv2", "pieg"])
@pytest.mark.parametrize("writer", ["save", "save_policy"])
def test_a_policy_acts_as_the_agent_it_came_from(kind: str, writer: str, tmp_path: Path) -> None:
    agent = make(kind)
    train(agent, 3)
    getattr(agent, writer)(tmp_path)
    other = make(kind, seed=5, learning_rate=0.5)
    assert not np.array_equal(other.act(pixels(3), explore=False), agent.act(pixels(3), explore=False))
    other.load_policy(tmp_path)
    assert np.array_equal(other.act(pixels(3), explore=False), agent.act(pixels(3), explore=False))


def test_policy_files_hold_no_optimiser_and_no_replay(tmp_path: Path) -> None:
    agent = make("pieg")
    train(agent, 3)
    agent.save_policy(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["policy.json", "policy.safetensors"]
    names = set(storage.read_tensors(tmp_path, "policy"))
    assert {name.partition(".")[0] for name in names} == {"encoder", "actor"}
    assert {"encoder.backbone.conv1.weight", "encoder.backbone.bn1.running_mean"} <= names
    assert json.loads((tmp_path / "policy.json").read_text())["encoder_weights"] == "given"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "dot_stay"}, r"its task is 'dot_reach', not 'dot_stay'"),
        ({"hidden_dim": 32}, r"its config\.hidden_dim is 16, not 32"),
        ({"discount": 0.5}, r"its config\.discount is 0\.99, not 0\.5"),
    ],
)
def test_a_checkpoint_of_something_else_is_refused(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    make("drqv2").save(tmp_path)
    with pytest.raises(CheckpointError, match=message):
        make("drqv2", **changes).load(tmp_path)
    with pytest.raises(CheckpointError, match="its agent is 'drqv2', not 'pieg'"):
        make("pieg").load(tmp_path)


def test_a_policy_of_another_shape_is_refused(tmp_path: Path) -> None:
    make("drqv2").save_policy(tmp_path)
    with pytest.raises(CheckpointError, match=r"config\.feature_dim is 8, not 9"):
        make("drqv2", feature_dim=9).load_policy(tmp_path)
    with pytest.raises(CheckpointError, match="its pixels is"):
        DrQv2(make_context(image_size=32), drqv2.Config(**SMALL)).load_policy(tmp_path)


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    agent = make("drqv2")
    agent.save(tmp_path)
    tensors, meta = tmp_path / "agent.safetensors", tmp_path / "agent.json"
    whole = tensors.read_bytes()
    torch.save({"a": torch.zeros(3)}, tmp_path / "other.pt")
    for damaged in (whole[:1000], whole[:-7], b"", b"x" * 5000, (tmp_path / "other.pt").read_bytes()):
        tensors.write_bytes(damaged)
        for load in (agent.load, agent.load_policy):
            with pytest.raises(CheckpointError, match=r"agent\.safetensors is damaged or not a safetensors file"):
                load(tmp_path)
    tensors.write_bytes(whole)
    agent.load(tmp_path)
    meta.write_text(meta.read_text()[:50])
    with pytest.raises(CheckpointError, match=r"agent\.json is damaged"):
        agent.load(tmp_path)
    meta.unlink()
    with pytest.raises(CheckpointError, match="no checkpoint in"):
        agent.load(tmp_path)


def test_tensors_that_do_not_fit_are_refused_before_any_is_copied(tmp_path: Path) -> None:
    agent = make("drqv2")
    agent.save_policy(tmp_path)
    state = storage.read_tensors(tmp_path, "policy")
    other = make("drqv2", seed=1)
    before = other.act(pixels(1), explore=False)
    meta = json.loads((tmp_path / "policy.json").read_text())
    storage.write(tmp_path, "policy", meta, {**state, "actor.policy.4.bias": torch.zeros(7)})
    with pytest.raises(CheckpointError, match=r"actor\.policy\.4\.bias is torch\.float32 \(7,\)"):
        other.load_policy(tmp_path)
    state.pop("actor.policy.4.bias")
    storage.write(tmp_path, "policy", meta, state)
    with pytest.raises(CheckpointError, match=r"actor\.policy\.4\.bias is on one side only"):
        other.load_policy(tmp_path)
    assert np.array_equal(other.act(pixels(1), explore=False), before)


def test_a_checkpoint_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(WorkError, match="Cannot write"):
        make("drqv2").save(tmp_path / "file")


def test_settings_are_checked() -> None:
    with pytest.raises(ValueError, match=r"batch_size\n.*greater than or equal to 1"):
        drqv2.Config(batch_size=0)
    with pytest.raises(ValueError, match="Extra inputs are not permitted"):
        drqv2.Config(batchsize=3)
    with pytest.raises(ValueError, match="replay_capacity 2 holds less than n_step 3"):
        drqv2.Config(replay_capacity=2)
    with pytest.raises(ValueError, match="'batch' or 'running'"):
        pieg.Config(bn_train="eval")
    with pytest.raises(ValueError, match="less than or equal to 4"):
        pieg.Config(layer=5)


def test_observations_must_be_square_stacks() -> None:
    context = make_context(frame_stack=2, observation_space=make_context().observation_space)
    with pytest.raises(UsageError, match=r"Pixels of shape \(9, 24, 24\) are not 2 stacked"):
        DrQv2(context, drqv2.Config(**SMALL))


def test_task_settings_are_the_published_ones() -> None:
    for spec in (drqv2.AGENT, pieg.AGENT):
        walker = spec.config(**spec.task_settings["walker_walk"])
        cheetah = spec.config(**spec.task_settings["cheetah_run"])
        other = spec.config(**spec.task_settings.get("cartpole_swingup", {}))
        assert (walker.n_step, walker.batch_size, walker.noise_steps) == (1, 512, 100_000)
        assert (cheetah.n_step, cheetah.batch_size, cheetah.noise_steps) == (3, 256, 500_000)
        assert (other.n_step, other.batch_size, other.noise_steps) == (3, 256, 100_000)
    assert (drqv2.Config().feature_dim, pieg.Config().feature_dim) == (50, 256)


@pytest.mark.gpu
@pytest.mark.parametrize("kind", ["drqv2", "pieg"])
def test_the_same_update_on_a_gpu(kind: str) -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    host, device = make(kind), make(kind, device="cuda")
    batch = random_batch(4, host.context, torch.float32)
    wanted = host.update_batch(batch, host.draw(4))
    found = device.update_batch(batch.to(torch.device("cuda")), device.draw(4))
    for name, value in wanted.items():
        assert float(found[name]) == pytest.approx(float(value), rel=1e-2, abs=1e-3), name


@pytest.mark.parametrize("kind", ["drqv2", "pieg"])
def test_no_field_of_a_checkpoints_record_is_believed(kind: str, tmp_path: Path) -> None:
    """Every field of the record, and of the records in it, as each kind of value that it is not."""
    agent = make(kind)
    if kind == "pieg":
        agent.draw(2)  # so that its pictures have begun
    agent.save(tmp_path)
    path = tmp_path / "agent.json"
    meta = json.loads(path.read_text())
    inner = [(meta["replay"], name) for name in meta["replay"]]
    inner += [(meta["pictures"], name) for name in meta.get("pictures", {})]
    tried = 0
    for place, name in [*((meta, name) for name in meta), *inner, (meta["replay"]["generator"]["state"], "inc")]:
        right = place[name]
        for wrong in (None, [[]], {"x": 1}, "text", -2, 1.5, True):
            if type(wrong) is type(right) and name in ("encoder_weights", "in_checkpoint"):
                continue  # any text may be one, and both answers
            place[name] = wrong
            path.write_text(json.dumps(meta))
            with pytest.raises(CheckpointError, match=name):
                agent.load(tmp_path)
            tried += 1
        place[name] = right
    path.write_text(json.dumps(meta))
    agent.load(tmp_path)
    assert tried > 120
