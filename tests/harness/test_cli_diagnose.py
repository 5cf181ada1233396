"""`harness diagnose features`: numbers against a plain computation, files, and what is refused."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from harness.agent import AgentContext
from harness.assets.store import AssetStore
from harness.baselines import drqv2
from harness.environment import make_env
from harness.running.features import normalised
from harness.testing import SUITE

Harness = Callable[..., tuple[int, str, str]]
DOTS = ("--suite", "harness.testing:SUITE", "--task", "dot_reach", "--quiet", "--workers", "1", "--episodes", "1")
SMALL = ("--set", "hidden_dim=16", "--set", "feature_dim=8", "--set", "protocol.image_size=32", "--frames", "1100")
WRONG = [
    (("--setting", "bakdrop"), "Did you mean 'backdrop'"),
    (("--setting", "train"), "is the training setting"),
    (("--task", "dot_raech"), "Did you mean 'dot_reach'"),
    (("--task", "dot_stay"), "holds a policy for dot_reach"),
    (("--states", "0"), "--states must be at least 1"),
    (("--out", "x.txt"), "--out takes a path that ends in .png"),
    (("--rows", "x.txt"), "--rows takes a path that ends in .csv, .json"),
    (("--out", "no/such/x.png"), "no folder"),
]
STATES = ("--episodes", "2", "--states", "3", "--every", "2", "--quiet")


@pytest.fixture
def run(harness: Harness) -> Path:
    """A short training of DrQ-v2, on pictures of another size than the suite's."""
    assert harness("run", *DOTS, "--agent", "drqv2", *SMALL)[0] == 0
    (folder,) = Path("runs").iterdir()
    return folder


def load(run: Path, env: Any, store: AssetStore) -> Any:
    config = drqv2.Config(hidden_dim=16, feature_dim=8)
    context = AgentContext("dot_reach", env.observation_space, env.action_space, 3, 2, 1100, 0, "cpu", store, True)
    agent = drqv2.AGENT.make(context, config)
    agent.load_policy(run / "train" / "dot_reach-seed0" / "policy")
    return agent


def plain_features(agent: Any, pixels: np.ndarray) -> np.ndarray:
    """DrQ-v2's four convolutions of one observation, scaled to 0..1."""
    x = torch.from_numpy(pixels)[None].float() / 255 - 0.5
    for index in (0, 2, 4, 6):
        conv = agent.encoder.layers[index]
        x = torch.relu(torch.nn.functional.conv2d(x, conv.weight, conv.bias, 2 if index == 0 else 1))
    values = x.detach().double().numpy()
    assert values.shape == (1, 32, 9, 9)
    return (values - values.min()) / (values.max() - values.min())


def by_hand(run: Path) -> list[float]:
    """The difference of each episode, once more: both settings side by side, led by the training setting."""
    store, found = AssetStore([], allow_stand_ins=True), []
    protocol = SUITE.protocol.replace("dot_reach", "image_size", 32)
    envs = [make_env(SUITE, "dot_reach", name, assets=store, protocol=protocol) for name in ("train", "backdrop")]
    agent = load(run, envs[0], store)
    for episode in range(2):
        seen = [env.reset(seed=42, options={"episode": episode})[0] for env in envs]
        gaps = []
        for step in range(5):
            if step % 2 == 0:
                one, other = (plain_features(agent, pixels) for pixels in seen)
                gaps.append(np.abs(one - other).mean())
            action = agent.act(seen[0][None], explore=False)[0]
            seen = [env.step(action)[0] for env in envs]
        found.append(float(np.mean(gaps)))
    return found


def test_numbers_rows_picture_and_wrong_use(harness: Harness, run: Path) -> None:
    for arguments, words in WRONG:  # before any work
        status, out, err = harness("diagnose", "features", str(run), *arguments)
        assert (status, out, words in err) == (2, "", True), err
    assert not (run / "features.png").exists()
    status, out, err = harness("diagnose", "features", str(run), *STATES, "--json", "--rows", "rows.csv")
    assert status == 0
    (row,) = json.loads(out)
    assert row["by_episode"] == pytest.approx(by_hand(run), rel=1e-5)
    assert row["difference"] == pytest.approx(np.mean(row["by_episode"]))
    assert row["difference"] > 1e-3
    assert row["between_states"] > 0
    assert 0 < row["pixel_difference"] < 1
    told = {"run_id": run.name, "setting": "backdrop", "task": "dot_reach", "train_seed": 0, "eval_seed": 42}
    told |= {"episodes": 2, "states": 6, "every_steps": 2, "image_size": 32, "feature_shape": "32x9x9"}
    assert {name: row[name] for name in told} == told
    assert {"checkpoint", "training", "assets_json", "packages_json", "code_revision", "compute"} <= set(row)
    with open("rows.csv", encoding="utf-8") as file:
        (line,) = csv.DictReader(file)
    assert float(line["difference"]) == row["difference"]
    assert str(run / "features.png") in err
    with Image.open(run / "features.png") as image:
        assert image.width > 2 * image.height  # one line of five pictures
    status, out, _ = harness("diagnose", "features", str(run), *STATES, "--setting", "backdrop", "--out", "x.pdf")
    assert status == 0
    assert f"{row['difference']:.4f}" in out
    assert Path("x.pdf").read_bytes().startswith(b"%PDF")


def test_folders_and_agents_that_cannot_be_looked_at(harness: Harness) -> None:
    Path("empty").mkdir()
    status, _, err = harness("diagnose", "features", "empty")
    assert (status, "no run's folder" in err) == (2, True)
    small = ("--frames", "100", "--suite", "harness.testing:SUITE", "--quiet", "--episodes", "1", "--workers", "1")
    assert harness("run", *small, "--task", "dot_reach", "--agent", "tests.harness.learner:AGENT")[0] == 0
    (learner,) = Path("runs").iterdir()
    status, _, err = harness("diagnose", "features", str(learner))
    assert (status, "Agent learner has no encoder to look at: it has no feature_maps" in err) == (2, True)
    assert harness("run", *small[2:], "--task", "dot_reach", "--agent", "random")[0] == 0
    (other,) = [path for path in Path("runs").iterdir() if path != learner]
    status, _, err = harness("diagnose", "features", str(other))
    assert (status, "Agent random has no encoder to look at: it does not learn." in err) == (2, True)


def test_normalised_features_lie_between_zero_and_one() -> None:
    maps = np.array([[[-2.0, 0.0], [1.0, 2.0]]], np.float32)
    np.testing.assert_allclose(normalised(maps), [[[0.0, 0.5], [0.75, 1.0]]])
    assert not normalised(np.full((2, 3, 3), 7.0, np.float32)).any()
