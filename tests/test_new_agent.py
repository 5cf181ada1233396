"""The agents of docs/new_agent.md, as its reader would write them, learn, are stored, and are what it says they are."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness.errors import CheckpointError
from harness.registry import load_agent
from tests.baselines.world import make_context, random_batch, train

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "new_agent.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^`(my_agents/\w+\.py)`:\n\n```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE))
SMALL = {
    "num_shared_layers": 3,
    "num_filters": 4,
    "feature_dim": 8,
    "hidden_dim": 16,
    "batch_size": 4,
    "num_exploration_steps": 30,
    "num_catch_up_updates": 3,
}
every_agent = pytest.mark.parametrize("name", ["svea_bold", "cutout"])


@pytest.fixture
def my_agents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The page's files in a folder of the reader's."""
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    for module in [module for module in sys.modules if module.partition(".")[0] == "my_agents"]:
        del sys.modules[module]


def make(name: str, **changes: Any) -> Any:
    spec = load_agent(f"my_agents.{name}:AGENT")
    return spec.make(make_context(), spec.configure(SMALL | changes))


def test_every_block_is_a_file_that_the_test_writes() -> None:
    assert PAGE.count("```python") == len(FILES) == 3


@pytest.mark.usefixtures("my_agents")
def test_a_declaration_loads_no_torch_and_has_its_own_defaults() -> None:
    spec = load_agent("my_agents.svea_bold:AGENT")
    assert spec.name == "svea_bold"
    assert spec.configure({}).model_dump().items() >= {"clean_weight": 0.2, "augmented_weight": 0.8}.items()
    assert "import torch" not in FILES["my_agents/svea_bold.py"] + FILES["my_agents/cutout.py"]
    assert make("svea_bold").view_weights == (0.2, 0.8)


@pytest.mark.usefixtures("my_agents")
@every_agent
def test_it_trains_and_acts_alike_when_it_is_read_back(name: str, tmp_path: Path) -> None:
    agent = make(name)
    before = agent.encoder.shared.convs[0].weight.clone()
    train(agent, 3)
    assert agent.num_updates > 3
    assert not torch.equal(agent.encoder.shared.convs[0].weight, before)
    agent.save(tmp_path / "checkpoint")
    agent.save_policy(tmp_path / "policy")
    pixels = np.random.default_rng(0).integers(0, 256, (2, 9, 24, 24), dtype=np.uint8)
    wanted = agent.act(pixels, explore=False)
    other = make(name)
    assert not np.array_equal(other.act(pixels, explore=False), wanted)
    other.load(tmp_path / "checkpoint")
    assert np.array_equal(other.act(pixels, explore=False), wanted)
    spec = load_agent("svea" if name == "svea_bold" else "drq")
    with pytest.raises(CheckpointError, match=name):
        spec.make(make_context(), spec.configure(SMALL)).load_policy(tmp_path / "policy")


@pytest.mark.usefixtures("my_agents")
def test_cutout_paints_one_square_per_picture() -> None:
    agent = make("cutout", square=5)
    draws = agent.draw(4)
    clean = torch.rand(4, 9, 24, 24)
    first, second = agent.critic_views(clean, random_batch(4, agent.context, torch.float32), draws)
    assert torch.equal(first, clean)
    painted = (second != clean).all(1)
    assert (painted.sum((1, 2)) == 25).all()
    for picture, (row, column) in zip(painted, draws.corner.tolist(), strict=True):
        assert picture[row : row + 5, column : column + 5].all()
