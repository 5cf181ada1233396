"""The frozen encoder of a trained RAD policy: its file, its features, RRL-SAC on them, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save
from torch.nn import functional as F
from typer.testing import CliRunner

from harness.assets.encoder_files import write_encoder
from harness.assets.store import AssetStore
from harness.baselines import rrl, rrl_sac
from harness.baselines.learners.rrl_sac import RRLSAC
from harness.baselines.nn.rad_features import RadFeatures
from harness.cli import app
from harness.errors import CorruptAssetError, MissingAssetError, UsageError
from harness.running.plan import RunOptions
from harness.running.planning import make_plan
from harness.running.run import execute
from tests.baselines.world import make_context, train

RAD = ("crop_size=20", "num_shared_layers=2", "num_filters=4", "feature_dim=6", "hidden_dim=16", "batch_size=8")
SHORT = ("num_exploration_steps=20", "num_catch_up_updates=2", "update_every_steps=10", "protocol.image_size=24")


def options(runs: Path, agent: str, *settings: str, **changes: Any) -> RunOptions:
    made = RunOptions(
        suite="harness.testing:SUITE",
        agent=agent,
        tasks=("dot_reach",),
        frames=100,
        episodes=1,
        device="cpu",
        workers=1,
        settings=(*SHORT, *settings),
        runs=runs,
    )
    return replace(made, **changes)


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A RAD policy that has trained a little."""
    runs = tmp_path_factory.mktemp("runs")
    execute(make_plan(options(runs, "rad", *RAD)), quiet=True)
    (folder,) = runs.rglob("policy")
    return folder


@pytest.fixture
def encoder(policy: Path, tmp_path: Path) -> Path:
    """Its encoder's file, as the command takes it."""
    told = CliRunner().invoke(app, ["encoder", "take", str(policy), "--out", str(tmp_path / "encoders")])
    assert told.exit_code == 0, told.output
    return Path(json.loads(told.stdout)["file"])


def test_features_are_those_of_a_plain_network(policy: Path, encoder: Path) -> None:
    """In float64, from the policy's own file: middle of the picture, two convolutions, Linear, LayerNorm, tanh."""
    tensors = {name: torch.from_numpy(a).double() for name, a in load_file(policy / "policy.safetensors").items()}
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 9, 24, 24), dtype=np.uint8))
    x = pixels[:, :, 2:22, 2:22].double() / 255
    first, second = ([tensors[f"encoder.shared.convs.{i}.{kind}"] for kind in ("weight", "bias")] for i in range(2))
    x = F.conv2d(F.conv2d(x, *first, stride=2).clamp(min=0), *second).flatten(1)
    x = x @ tensors["actor.trunk.0.weight"].T + tensors["actor.trunk.0.bias"]
    x = (x - x.mean(1, keepdim=True)) / torch.sqrt(x.var(1, keepdim=True, unbiased=False) + 1e-5)
    wanted = torch.tanh(x * tensors["actor.trunk.1.weight"] + tensors["actor.trunk.1.bias"])
    network = RadFeatures(AssetStore([encoder.parent], allow_stand_ins=False).find(encoder.stem)).double()
    torch.testing.assert_close(network(pixels), wanted, rtol=1e-10, atol=1e-12)
    assert network(pixels).std(0).min() > 0


def test_the_replay_holds_what_it_makes_of_whole_stacks_and_nothing_moves_it(encoder: Path, tmp_path: Path) -> None:
    settings = {"hidden_dim": 16, "batch_size": 8, "num_exploration_steps": 20, "update_every_steps": 2}
    context = make_context(assets=AssetStore([encoder.parent], allow_stand_ins=False), memory=tmp_path)
    agent = RRLSAC(rrl_sac.AGENT, context, rrl_sac.Config(encoder=encoder.stem, **settings))  # type: ignore[arg-type]
    before = {name: tensor.clone() for name, tensor in agent.frozen.state_dict().items()}
    kept: list[np.ndarray] = []
    keep = agent.kept
    agent.kept = lambda seen: kept.append(keep(seen)) or kept[-1]  # type: ignore[func-returns-value,method-assign]
    train(agent, 2)
    assert agent.num_updates > 5
    assert all(torch.equal(tensor, before[name]) for name, tensor in agent.frozen.state_dict().items())
    batch = agent.gather(np.array([[0, 0], [0, 1], [0, 2]]))
    np.testing.assert_array_equal(batch.observations.numpy(), np.stack(kept[:6:2]))
    np.testing.assert_array_equal(batch.next_observations.numpy(), np.stack(kept[1:6:2]))
    assert batch.observations.shape == (3, 6)


def test_from_a_policy_to_rows_and_from_its_policy_to_others(encoder: Path, tmp_path: Path) -> None:
    given = {"assets": str(encoder.parent)}
    made = options(tmp_path / "runs", "rrl_sac", f"encoder={encoder.stem}", "hidden_dim=16", "batch_size=8", **given)
    plan = make_plan(made)
    rows = execute(plan, quiet=True).rows("dot_reach", "train", 0)
    assert len(rows) == 1
    checkpoint = {"frames": None, "checkpoint": plan.folder, "settings": ("protocol.image_size=24",)}
    again = execute(make_plan(replace(made, runs=tmp_path / "again", **checkpoint)), quiet=True)
    assert again.rows("dot_reach", "train", 0)[0].trajectory == rows[0].trajectory
    with pytest.raises(MissingAssetError, match=r"make one: harness encoder take\."):
        make_plan(replace(made, runs=tmp_path / "without", assets=None, **checkpoint))


def test_pictures_of_another_size_or_stack_are_refused(encoder: Path, tmp_path: Path) -> None:
    settings = (f"encoder={encoder.stem}", "batch_size=8")
    made = options(tmp_path / "runs", "rrl_sac", *settings, assets=str(encoder.parent))
    for change in ("protocol.image_size=30", "protocol.frame_stack=2"):
        own = [each for each in made.settings if not each.startswith(change.split("=")[0])]
        with pytest.raises(UsageError, match="was trained on 3 stacked pictures of 24 pixels"):
            make_plan(replace(made, settings=(*own, change)))
    with pytest.raises(ValueError, match=f"encoder '{encoder.stem}' is none of resnet34"):
        rrl.Config(encoder=encoder.stem)
    assert not (tmp_path / "runs").exists()


def test_a_file_of_something_else_is_refused(encoder: Path, tmp_path: Path) -> None:
    tensors = load_file(encoder)
    form, small = (
        {"rad": json.dumps({**read_rad(encoder), **change})} for change in ({"num_filters": 5}, {"pixels": [9, 19, 19]})
    )
    for data, words in (
        (save(tensors), "what it says of itself"),
        (save(tensors, small), "no square pictures that it could look at"),
        (save(tensors, form), "holds no encoder of RAD: 'actor.trunk.0.weight' is F32"),
        (b"nothing", "not a safetensors file"),
    ):
        path = write_encoder("rad", data, tmp_path / "odd")
        settings = (f"encoder={path.stem}", "batch_size=8")
        with pytest.raises(CorruptAssetError, match=words):
            make_plan(options(tmp_path / "runs", "rrl_sac", *settings, assets=str(path.parent)))
    assert not (tmp_path / "runs").exists()


def read_rad(path: Path) -> dict[str, Any]:
    """The part of the header that tells of the network."""
    data = path.read_bytes()
    return json.loads(json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]["rad"])


def test_only_one_policy_of_rad_is_taken(policy: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    execute(make_plan(options(runs, "rad", *RAD, seeds="0-1", frames=60)), quiet=True)
    (run,) = runs.iterdir()
    told = CliRunner().invoke(app, ["encoder", "take", str(run), "--out", str(tmp_path / "out")])
    assert "holds 2 policies: name the folder of the one to take" in str(told.exception)
    told = CliRunner().invoke(app, ["encoder", "take", str(tmp_path), "--out", str(tmp_path / "out")])
    assert told.exit_code
    assert not (tmp_path / "out").exists()


def test_the_same_policy_gives_the_same_file(policy: Path, encoder: Path, tmp_path: Path) -> None:
    told = CliRunner().invoke(app, ["encoder", "take", str(policy), "--out", str(tmp_path / "more")])
    assert json.loads(told.stdout)["encoder"] == encoder.stem
