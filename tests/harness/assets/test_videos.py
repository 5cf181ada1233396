"""harness/assets/videos.py: decoding, resizing, the cache on disk, and procedural videos."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import itertools
import os
from pathlib import Path

import numpy as np
import pytest

from harness.assets import videos as video
from harness.errors import CorruptAssetError
from tests.made_assets import noise_frames, write_video

# SHA-256 over all frames in RGB as OpenCV 5.0.0 decodes them (VideoCapture, BGR -> RGB), and their number.
OPENCV_SHA256 = {
    "video_easy/video0": (750, "c9a441ef09fd0260b9d413c5dc378969f7b5841e17ba91062fe36f01f0f2e239"),
    "video_easy/video2": (643, "633d3a8b6a5e368daa48ea0a58bf1d14cae17aa92f6cf0d64351326d2aaab346"),
    "video_hard/video57": (500, "c44e6901f581a83ba45e0ee2f5411628e0110d6f6834dc8a331db07cc1d262ac"),
}


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    video.forget()


def test_decoding_gives_every_frame_close_to_what_was_encoded(tmp_path: Path) -> None:
    frames = noise_frames(0, 9, 64)
    smooth = np.repeat(frames[:, :1, :1], 64, axis=1).repeat(64, axis=2)  # flat colours survive the codec
    decoded = video.decode(write_video(tmp_path / "v.mp4", smooth))
    assert decoded.shape == smooth.shape
    assert decoded.dtype == np.uint8
    assert np.abs(decoded.astype(int) - smooth).mean() < 4.0


@pytest.mark.parametrize("name", OPENCV_SHA256)
def test_decoding_equals_opencv(name: str, asset_store) -> None:
    split, stem = name.split("/")
    path = next(p for p in asset_store.find(split).files if p.stem == stem)
    frames = video.decode(path)
    assert (len(frames), hashlib.sha256(frames.data).hexdigest()) == OPENCV_SHA256[name]


def test_decoding_equals_opencv_where_it_is_installed(tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    path = write_video(tmp_path / "v.mp4", noise_frames(1, 12, 120))
    capture = cv2.VideoCapture(str(path))
    frames = [cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2RGB) for _ in range(12)]
    np.testing.assert_array_equal(video.decode(path), np.stack(frames))


@pytest.mark.parametrize("options", [{}, {"movflags": "faststart"}])
@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9])
def test_a_truncated_video_is_an_error(tmp_path: Path, options: dict[str, str], keep: float) -> None:
    path = write_video(tmp_path / "v.mp4", noise_frames(0, 30, 120), **options)
    whole = path.read_bytes()
    assert len(video.decode(path)) == 30
    path.write_bytes(whole[: int(len(whole) * keep)])
    with pytest.raises(CorruptAssetError, match=r"v\.mp4.*harness assets verify$"):
        video.decode(path)


def test_garbage_and_absence_are_errors(tmp_path: Path) -> None:
    (tmp_path / "g.mp4").write_bytes(os.urandom(5000))
    for name in ("g.mp4", "absent.mp4"):
        with pytest.raises(CorruptAssetError, match=name):
            video.load_video(tmp_path / name, 84)


def reference_resize(frame: np.ndarray, size: int) -> np.ndarray:
    """Bilinear with half-pixel centres in float64, one value at a time."""
    height, width, _ = frame.shape
    out = np.zeros((size, size, 3))
    for i in range(size):
        y = min(max((i + 0.5) * height / size - 0.5, 0.0), height - 1.0)
        for j in range(size):
            x = min(max((j + 0.5) * width / size - 0.5, 0.0), width - 1.0)
            y0, x0 = int(y), int(x)
            y1, x1 = min(y0 + 1, height - 1), min(x0 + 1, width - 1)
            top = frame[y0, x0] * (1 - (x - x0)) + frame[y0, x1] * (x - x0)
            bottom = frame[y1, x0] * (1 - (x - x0)) + frame[y1, x1] * (x - x0)
            out[i, j] = top * (1 - (y - y0)) + bottom * (y - y0)
    return out


def test_resize_is_the_formula_to_a_rounding() -> None:
    frames = np.random.RandomState(3).randint(0, 256, (2, 117, 117, 3)).astype(np.uint8)
    error = reference_resize(frames[0], 84) - video.resize(frames, 84)[0]
    assert error.min() > -0.01  # truncation: between 0 and 1, but for rounding at whole numbers
    assert error.max() < 1.01


def cached_files() -> list[Path]:
    return sorted(Path(os.environ["XDG_CACHE_HOME"]).rglob("*.npy"))


def test_cache_is_used_rebuilt_and_keyed_by_contents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "v.mp4", noise_frames(0, 70, 120))  # more than two batches
    first = np.array(video.load_video(path, 84))
    np.testing.assert_array_equal(first, video.resize(video.decode(path), 84))
    (cached,) = cached_files()
    with monkeypatch.context() as patched:
        patched.setattr(video, "iterate", lambda path: pytest.fail("the cache was not used"))
        video.forget()
        again = video.load_video(path, 84)
        np.testing.assert_array_equal(again, first)
        with pytest.raises(ValueError, match="read-only"):
            again[0, 0, 0, 0] = 1
    whole = cached.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    for damaged in (b"", b"nonsense", whole[:-40], whole[: len(whole) // 2], bytes(flipped), whole + b"x"):
        cached.write_bytes(damaged)
        video.forget()
        np.testing.assert_array_equal(video.load_video(path, 84), first)
        assert cached.read_bytes() == whole
    write_video(path, noise_frames(1, 6, 120))
    assert not np.array_equal(video.load_video(path, 84), first)  # although this path was read before
    assert len(cached_files()) == 2


def test_another_decoder_does_not_read_what_this_one_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "v.mp4", noise_frames(0, 6, 120))
    first = np.array(video.load_video(path, 84))
    video.forget()
    monkeypatch.setattr(video.metadata, "version", lambda package: "99.0")
    monkeypatch.setattr(video, "_decode_small", lambda path, size: first + np.uint8(1))
    np.testing.assert_array_equal(video.load_video(path, 84), first + np.uint8(1))
    assert len(cached_files()) == 2


def test_an_unwritable_cache_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "v.mp4", noise_frames(0, 6, 120))
    blocker = tmp_path / "file"
    blocker.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocker))
    np.testing.assert_array_equal(video.load_video(path, 84), video.resize(video.decode(path), 84))


def parts() -> list[Path]:
    return sorted(Path(os.environ["XDG_CACHE_HOME"]).rglob("*.part"))


def test_what_a_kill_left_in_the_cache_is_taken_up(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", noise_frames(0, 6, 120))
    video.load_video(path, 84)
    (cached,) = cached_files()
    whole = cached.read_bytes()
    cached.rename(f"{cached}.part")
    with open(f"{cached}.part", "ab") as file:
        file.write(b"and more")
    video.forget()
    video.load_video(path, 84)
    assert cached.read_bytes() == whole
    assert parts() == []


def test_of_two_processes_at_one_video_one_writes(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", noise_frames(0, 6, 120))
    frames = video.load_video(path, 84)
    (cached,) = cached_files()
    cached.unlink()
    with open(f"{cached}.part", "wb") as file:  # the other's, half written
        file.write(b"half")
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        video.forget()
        np.testing.assert_array_equal(video.load_video(path, 84), frames)
        assert Path(f"{cached}.part").read_bytes() == b"half"
    assert cached_files() == []


def test_a_full_disk_leaves_no_part_of_a_video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = write_video(tmp_path / "v.mp4", noise_frames(0, 6, 120))
    monkeypatch.setattr(np, "save", full)
    np.testing.assert_array_equal(video.load_video(path, 84), video.resize(video.decode(path), 84))
    assert (parts(), cached_files()) == ([], [])


def test_procedural_videos_are_frozen_varied_and_moving() -> None:
    clips = [video.procedural_video(index, 40, 84) for index in range(6)]
    digest = hashlib.sha256(np.stack(clips).data).hexdigest()
    assert (
        digest == "254d2abe0f3211cc7ee02ff9f596c3324c205a7770d9b4dca3cd8c049af4663b"
    )  # integers only: the same everywhere
    for clip in clips:
        assert clip.shape == (40, 84, 84, 3)
        assert clip.dtype == np.uint8
        assert clip.std(axis=(1, 2)).mean() > 10.0  # rich: not a flat colour
        assert np.abs(np.diff(clip.astype(int), axis=0)).mean() > 1.0  # moving
    for a, b in itertools.pairwise(clips):
        assert np.abs(a.astype(int) - b).mean() > 20.0
