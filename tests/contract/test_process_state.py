"""What is drawn depends on no process: threads, what ran before, and a shared cache change no byte."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.registry import load_suite, suite_names

pytestmark = pytest.mark.render

# Draws the first pictures of some settings, in the order given, with a number of threads; prints one digest each.
DRAW = """
import hashlib, json, sys, warnings
threads, places, exhaustive = int(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3] == "exhaustive"
import torch
torch.set_num_threads(threads)
import numpy as np
import harness
from harness.assets.store import AssetStore
from harness.baselines.nn.overlay import OverlayPictures
warnings.simplefilter("ignore")
digests = {}
for suite, task, setting in places:
    env = harness.make_env(suite, task, setting, profile="fast")
    digest = hashlib.sha256()
    for episode in range(2):
        observation, info = env.reset(seed=42, options={"episode": episode})
        for _ in range(3):
            pixels = observation["pixels"] if isinstance(observation, dict) else observation
            digest.update(np.ascontiguousarray(pixels).tobytes())
            observation, *_ = env.step(np.zeros(env.action_space.shape, np.float32))
        digest.update(json.dumps(info["shift"], sort_keys=True).encode())
    digests["/".join((suite, task, setting))] = digest.hexdigest()
    env.close()
store = AssetStore.from_environment(allow_stand_ins=True)
pictures = OverlayPictures(store.find_pictures(), 84, 7)
digests["overlay"] = hashlib.sha256(np.ascontiguousarray(pictures.draw(8)).tobytes()).hexdigest()
print(json.dumps(digests))
"""


def drawn(threads: int, places: list[tuple[str, str, str]], cache: Path, folder: Path, kind: str) -> dict[str, Any]:
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "XDG_CACHE_HOME": str(cache)}
    environment["LC_ALL"] = "C" if threads == 1 else "C.UTF-8"
    folder.mkdir()
    command = [sys.executable, "-c", DRAW, str(threads), json.dumps(places), kind]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(done.stdout))


def check(places: list[tuple[str, str, str]], tmp_path: Path, kind: str) -> None:
    """One cache for all: who comes first makes what the others read."""
    shuffled = random.Random(0).sample(places, len(places))
    orders = {1: places, 2: places[::-1], 4: shuffled}
    shared, first = {}, {}
    for threads in (1, 2, 4):
        shared[threads] = drawn(threads, orders[threads], tmp_path / "shared", tmp_path / f"a{threads}", kind)
    for threads in (2, 4):  # and each with a cache of its own
        videos = [place for place in places if "video" in place[2]]
        first[threads] = drawn(threads, videos, tmp_path / f"own{threads}", tmp_path / f"b{threads}", kind)
    assert shared[1] == shared[2] == shared[4]
    for found in first.values():
        assert found == {name: shared[1][name] for name in found}


def test_pictures_depend_on_no_process(tmp_path: Path) -> None:
    """The last setting of every suite, and whatever shows a video."""
    places = []
    for suite in map(load_suite, suite_names()):
        chosen = {suite.settings[-1].name} | {
            s.name for s in suite.settings if s.name.endswith(("video_hard", "video_easy"))
        }
        places += [(suite.name, suite.tasks[-1], name) for name in sorted(chosen)]
    check(places, tmp_path, "some")


@pytest.mark.exhaustive
def test_pictures_of_every_setting_depend_on_no_process(tmp_path: Path) -> None:
    suites = map(load_suite, suite_names())
    check([(s.name, s.tasks[0], setting.name) for s in suites for setting in s.all_settings], tmp_path, "exhaustive")
