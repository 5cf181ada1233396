"""What the tests of suites share: where third-party files are, and videos made up on the spot."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.assets.store import AssetStore
from harness.errors import MissingAssetError
from tests.made_assets import FakeStore, noise_frames, write_video


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps tests out of the user's cache folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="session")
def videos(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    """Three short videos numbered 0, 1 and 2, of 120 x 120 pixels and 5, 6 and 7 frames."""
    folder = tmp_path_factory.mktemp("videos")
    return tuple(write_video(folder / f"video{n}.mp4", noise_frames(n, 5 + n, 120)) for n in range(3))


@pytest.fixture
def store(videos: tuple[Path, ...]) -> FakeStore:
    """Those videos for both splits; no colour table, so the stand-in."""
    return FakeStore({"video_easy": videos, "video_hard": videos})


@pytest.fixture
def real_assets() -> AssetStore:
    """The third-party files, if they are at hand."""
    assets = AssetStore.from_environment(allow_stand_ins=False)
    try:
        for name in ("video_easy", "video_hard", "color_easy", "color_hard"):
            assets.find(name)
    except MissingAssetError as error:
        pytest.skip(f"third-party files absent: {error}")
    return assets
