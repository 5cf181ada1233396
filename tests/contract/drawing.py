"""Draws in a process of its own and prints digests: what `test_process_state.py` compares between processes.

Its one argument is JSON: `threads` (torch's, and those that prepare overlay pictures), `places` (suite, task, setting
each, in the order they are drawn), `profile`, `photographs` (a folder), `size` (of overlay pictures).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import locale
import os
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

import harness
from harness.assets.store import AssetStore
from harness.baselines.nn.overlay import OverlayPictures

SEED, EPISODES, STEPS = 42, (1, 0), 2


def main() -> None:
    asked = json.loads(sys.argv[1])
    warnings.simplefilter("ignore")  # stand-ins are named
    locale.setlocale(locale.LC_ALL, "")
    torch.set_num_threads(asked["threads"])
    os.cpu_count = lambda: asked["threads"]
    digests = {"/".join(place): drawn(*place, asked["profile"]) for place in asked["places"]}
    print(json.dumps(digests | overlays(Path(asked["photographs"]), asked["size"])))


def drawn(suite: str, task: str, setting: str, profile: str) -> str:
    """Observations, rewards and what shifts tell, of a few steps of two episodes."""
    digest = hashlib.sha256()
    with contextlib.closing(harness.make_env(suite, task, setting, profile=profile)) as env:
        action = np.linspace(-1, 1, env.action_space.shape[0], dtype=np.float32)  # type: ignore[index]
        for episode in EPISODES:
            observation, info = env.reset(seed=SEED, options={"episode": episode})
            digest.update(json.dumps(info["shift"], sort_keys=True).encode())
            feed(digest, observation)
            for _ in range(STEPS):
                observation, reward, *_ = env.step(action)
                feed(digest, observation, reward)
    return digest.hexdigest()


def feed(digest: Any, observation: Any, reward: float = 0.0) -> None:
    arrays = observation if isinstance(observation, dict) else {"pixels": observation}
    for name in sorted(arrays):
        digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    digest.update(np.float64(reward).tobytes())


def overlays(photographs: Path, size: int) -> dict[str, str]:
    """Batches of a folder of photographs, of what the machine has, and of the stand-in; prefetched and not."""
    bare = AssetStore([], allow_stand_ins=True)
    found = {
        "photographs": bare.find_pictures(str(photographs)),
        "at hand": AssetStore.from_environment(allow_stand_ins=True).find_pictures(),
        "stand-in": bare.find_pictures(),
    }
    digests = {}
    for name, pictures in found.items():
        for prefetch in (False, True):
            stream = OverlayPictures(pictures, size, 7, prefetch=prefetch)
            batches = np.stack([stream.draw(6) for _ in range(3)])
            digests[f"overlay {name} {prefetch}"] = hashlib.sha256(batches.tobytes()).hexdigest()
    return digests


if __name__ == "__main__":
    main()
