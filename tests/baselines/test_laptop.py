"""The preset `laptop` fits together: what a suite's tasks show there is what every agent's settings there can take."""

from __future__ import annotations

import pytest

from harness.registry import agent_names, load_agent, load_suite
from harness.running.settings import make_config

FRAMES = 100_000
TASKS = ("cartpole_swingup", "walker_walk")


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", agent_names())
def test_pictures_and_budget_of_every_agent(name: str, task: str) -> None:
    agent, protocol = load_agent(name), load_suite("color_hard").protocol_for(task, "laptop")
    config = make_config(agent, task, "laptop", {}, {})
    assert (agent.image_size or protocol.image_size) >= agent.smallest_image(config)
    assert config.picture_problem(agent.image_size or protocol.image_size) is None
    if agent.learns:
        assert config.training_problem(FRAMES, protocol.episode_frames, protocol.action_repeat[task]) is None
