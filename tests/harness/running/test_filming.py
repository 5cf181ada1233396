"""Clips of episodes: bounded, and of what the agent saw."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from harness.assets.store import AssetStore
from harness.environment import make_env, newest_picture
from harness.running import filming
from harness.running.filming import Filmed, clip_of
from harness.testing import SUITE


def frames(data: bytes) -> list[np.ndarray]:
    image = Image.open(io.BytesIO(data))
    found = []
    for number in range(getattr(image, "n_frames", 1)):
        image.seek(number)
        found.append(np.asarray(image.convert("RGB")))
    return found


def test_a_clip_shows_the_first_and_the_last_picture_in_order():
    pictures = [np.full((16, 16, 3), value, np.uint8) for value in range(0, 250, 10)]
    shown = frames(clip_of(pictures))
    assert len(shown) == len(pictures)
    assert [abs(int(a.mean()) - int(b.mean())) <= 3 for a, b in zip(shown, pictures, strict=True)] == [True] * 25


def test_a_long_episode_is_thinned_out_and_a_noisy_one_made_smaller(monkeypatch: pytest.MonkeyPatch):
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 256, (64, 64, 3), np.uint8) for _ in range(300)]
    assert len(frames(clip_of(noise[:130]))) <= filming.MAX_PICTURES
    monkeypatch.setattr(filming, "MAX_BYTES", 20_000)
    assert len(clip_of(noise)) <= 20_000


def test_the_filmed_environment_is_the_environment():
    plain, filmed = (
        make_env(SUITE, "dot_reach", "backdrop", assets=AssetStore([], allow_stand_ins=False)) for _ in range(2)
    )
    camera = Filmed(filmed)
    seen, _ = plain.reset(seed=3, options={"episode": 2})
    assert (camera.reset(seed=3, options={"episode": 2})[0] == seen).all()
    pictures = [newest_picture(plain, seen)]
    for _ in range(4):
        action = np.ones(plain.action_space.shape, np.float32)
        seen, reward, *_ = plain.step(action)
        assert camera.step(action)[1] == reward
        pictures.append(newest_picture(plain, seen))
    assert np.array_equal(camera.pictures, pictures)
    assert len({picture.tobytes() for picture in pictures}) > 1
