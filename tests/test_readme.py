"""What the README shows runs as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BLOCKS = re.findall(
    r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
)

# By a phrase of the block: what the reader has defined before, and what must then hold.
AROUND = {
    "my_policy": (
        """
from dataclasses import replace
import numpy as np
import harness.api
whole = harness.api.load_suite
def short(name):  # episodes of four frames: what they show is not the point here
    return replace(whole(name), protocol=replace(whole(name).protocol, episode_frames=4))
harness.api.load_suite = short
my_policy = lambda observations: np.zeros((1, 6), np.float32)
""",
        'assert rows.groupby("setting").size().to_dict() == {"train": 10, "video_hard": 10}',
    ),
    "gymnasium.make": ("", "assert env.reset(seed=0)[0].shape == (9, 84, 84)"),
    "AgentSpec": ("", 'assert AGENT.config().learning_rate == 1e-4 and AGENT.name == "mine"'),
}


def test_every_block_is_known() -> None:
    assert len(BLOCKS) == len(AROUND)
    assert all(sum(phrase in block for block in BLOCKS) == 1 for phrase in AROUND)


@pytest.mark.render
@pytest.mark.parametrize("phrase", AROUND)
def test_a_block_runs_in_a_fresh_interpreter(phrase: str, tmp_path: Path) -> None:
    before, after = AROUND[phrase]
    block = next(block for block in BLOCKS if phrase in block)
    environment = {key: value for key, value in os.environ.items() if key != "HARNESS_ASSETS"}
    environment |= {"XDG_CACHE_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", f"{before}\n{block}\n{after}"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
