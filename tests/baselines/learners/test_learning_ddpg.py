"""Agents built on DrQ-v2 learn, as test_learning.py has it for DrQ-v2 itself: to keep a drifting dot in the middle."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from tests.baselines.learners.test_learning import LEARNED, SETTINGS
from tests.baselines.world import evaluate, make_context, train

OWN: dict[str, dict[str, Any]] = {"curl_vigen": {"representation_dim": 128}, "drm": {}}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Sums are ordered by the number of threads, and learning amplifies a rounding: seeds mean nothing without it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def make(name: str) -> Any:
    spec = importlib.import_module(f"harness.baselines.{name}").AGENT
    settings = {key: value for key, value in SETTINGS.items() if key in spec.config.model_fields}
    return spec.make(make_context(task="dot_stay", seed=0), spec.config(**settings, **OWN[name]))


@pytest.mark.slow
@pytest.mark.parametrize("name", OWN)
def test_it_learns_to_stay(name: str) -> None:
    agent = make(name)
    train(agent, 40, task="dot_stay")
    assert agent.num_updates == 800
    assert evaluate(agent, 10, task="dot_stay") > LEARNED
