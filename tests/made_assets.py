"""Assets made up on the spot, for tests that must run without third-party files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from harness.assets.found import FoundAsset


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
