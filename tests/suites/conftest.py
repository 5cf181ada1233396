"""What the tests of suites share: where third-party files are, and videos made up on the spot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest

from harness.assets import AssetStore, FoundAsset
from harness.errors import MissingAssetError


@dataclass(frozen=True)
class FakeStore:
    """Assets by name, nothing looked up."""

    files: Mapping[str, tuple[Path, ...]]

    def find(self, name: str) -> FoundAsset:
        if name not in self.files:
            return FoundAsset(name, (), f"stand-in:{name}-v1")
        return FoundAsset(name, self.files[name], "sha256:0123456789abcdef")


def write_video(path: Path, frames: np.ndarray, **options: str) -> Path:
    """Encodes uint8 (N, H, W, 3) as H.264; `options` are the container's."""
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for picture in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


def noise_frames(seed: int, num_frames: int, size: int) -> np.ndarray:
    """Pictures of 8x8-pixel random blocks, uint8 (num_frames, size, size, 3)."""
    cells = np.random.RandomState(seed).randint(0, 256, (num_frames, size // 8, size // 8, 3))
    return cells.repeat(8, axis=1).repeat(8, axis=2).astype(np.uint8)


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
