"""Videos as arrays: decoded, resized once, kept on disk for the next process; and procedural ones for tests."""

from __future__ import annotations

import fcntl
import hashlib
import itertools
import os
import platform
from collections.abc import Iterator
from functools import lru_cache
from importlib import metadata
from pathlib import Path

import numpy as np

from harness.assets.digests import sha256_of
from harness.assets.resize import resize
from harness.assets.store import cache_folder
from harness.errors import CorruptAssetError

CACHE_VERSION = 2  # raise when decoding or resizing changes a value
DIGEST_BYTES = hashlib.sha256().digest_size
DECODE_BATCH = 32  # frames decoded before they are resized: bounds memory, moves no value


def load_video(path: Path, size: int) -> np.ndarray:
    """The whole video at the size of the observation.

    Decoding and resizing take seconds, so the result is kept in memory and in the user's cache folder, which all
    processes share: its name there holds whatever can move a value (contents of the file, size, decoder). A cache that
    cannot be written is done without; a damaged cache file is made again.

    Args:
      path: a video file.
      size: height and width wanted, pixels.
    Returns:
      uint8 (num_frames, size, size, 3), RGB, read-only.
    Raises:
      CorruptAssetError: if the file cannot be decoded.
    """
    try:
        digest = sha256_of(path)
    except OSError as error:
        raise CorruptAssetError(f"Cannot read the video '{path}' ({error.strerror}).") from error
    return _load_video(path, digest, size)


@lru_cache(maxsize=12)
def _load_video(path: Path, digest: str, size: int) -> np.ndarray:
    cached = cache_folder().with_name("videos") / f"v{CACHE_VERSION}-{decoder()}-{digest}-{size}.npy"
    frames = _read_cache(cached)
    if frames is None:
        frames = _decode_small(path, size)
        _write_cache(cached, frames)
    frames.flags.writeable = False
    return frames


def forget() -> None:
    """Drops what is kept in memory; the next look goes to the disk."""
    _load_video.cache_clear()


def decoder() -> str:
    """What decodes, such as "av18.1.0-x86_64": versions 14 to 18 give equal bytes, the next one may not."""
    return f"av{metadata.version('av')}-{platform.machine()}"


def decode(path: Path) -> np.ndarray:
    """Every frame the file holds; see `iterate`.

    Returns:
      uint8 (num_frames, height, width, 3), RGB.
    """
    return np.stack(list(iterate(path)))


def iterate(path: Path) -> Iterator[np.ndarray]:
    """Yields every frame the file holds, uint8 (height, width, 3), RGB; the container's own count is not trusted.

    The colours equal those of OpenCV's `VideoCapture` byte for byte.

    Raises:
      CorruptAssetError: if the file is no video, or breaks off.
    """
    import av

    num_frames = num_packets = 0
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            for packet in container.demux(stream):
                num_packets += packet.size > 0
                for frame in packet.decode():
                    num_frames += 1
                    yield frame.to_ndarray(format="rgb24")
            complete = num_frames and num_packets >= stream.frames  # the table of contents; 0 if there is none
    except (av.error.FFmpegError, IndexError, OSError) as error:
        raise CorruptAssetError(f"'{path}' is not a complete video ({error}). Run: harness assets verify") from error
    if not complete:
        raise CorruptAssetError(f"'{path}' breaks off after {num_frames} video frames. Run: harness assets verify")


def _decode_small(path: Path, size: int) -> np.ndarray:
    """Decodes and resizes batch by batch: a whole video at its own size may take half a gigabyte."""
    pictures, small = iterate(path), []
    while batch := list(itertools.islice(pictures, DECODE_BATCH)):
        small.append(resize(np.stack(batch), size))
    return np.concatenate(small)


def _read_cache(path: Path) -> np.ndarray | None:
    """The cached frames, shared between processes through the page cache; None if absent or damaged."""
    try:
        frames = np.load(path, mmap_mode="r", allow_pickle=False)
        with path.open("rb") as file:
            file.seek(-DIGEST_BYTES, os.SEEK_END)
            stored = file.read()
    except (OSError, ValueError, EOFError):
        return None
    intact = frames.size and hashlib.sha256(frames.data).digest() == stored
    return frames if intact else None


def _write_cache(path: Path, frames: np.ndarray) -> None:
    """Writes the array and then the digest of its bytes; a reader sees the whole file or none.

    What a kill leaves is one `.part` per video, which the next process takes up; of two at work, one writes.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "r+b", opener=_open_or_make) as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.path.samestat(os.fstat(file.fileno()), os.stat(part)):
                return  # another has finished it between the two lines above
            try:
                file.truncate()
                np.save(file, frames, allow_pickle=False)
                file.write(hashlib.sha256(frames.data).digest())
                file.flush()
                os.replace(part, path)
            except BaseException:
                part.unlink(missing_ok=True)
                raise
    except OSError:  # read-only, full or at work: the video is simply decoded again next time
        return


def _open_or_make(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CREAT, 0o666)


def procedural_video(index: int, num_frames: int, size: int) -> np.ndarray:
    """A seeded moving picture that stands in for a video: drifting clouds of two colours, crossed by balls.

    Integer arithmetic on `RandomState` (whose stream is frozen) makes it the same on every machine. It loops nowhere
    and shares nothing with any data set; scores measured over it are not comparable with those over videos.

    Args:
      index: which video; equal indices give equal pictures.
      num_frames: length.
      size: height and width, pixels.
    Returns:
      uint8 (num_frames, size, size, 3), RGB, read-only.
    """
    return _procedural_video(index, num_frames, size)


@lru_cache(maxsize=12)
def _procedural_video(index: int, num_frames: int, size: int) -> np.ndarray:
    random = np.random.RandomState(index)
    layers = [_cloud(random, num_frames, size, cells) for cells in (3, 6, 13, 27)]
    weights = np.array([7, 5, 3, 1], np.uint32)
    blend = sum(w * layer for w, layer in zip(weights, layers, strict=True)) // weights.sum()
    blend = np.clip((blend.astype(np.int32) - 128) * 2 + 128, 0, 255)[..., None]  # noise sums to mid grey: spread it
    first, second = random.randint(0, 256, (2, 3))
    frames = ((blend * first + (255 - blend) * second) // 255).astype(np.uint8)
    for _ in range(4):
        _paint_ball(random, frames)
    frames.flags.writeable = False
    return frames


def _cloud(random: np.random.RandomState, num_frames: int, size: int, cells: int) -> np.ndarray:
    """Value noise, `cells` to the picture's side, drifting at its own speed: uint32 (num_frames, size, size) < 256."""
    lattice = random.randint(0, 256, (64, 64)).astype(np.uint32)
    start, speed = random.randint(0, 64 << 8, 2), random.randint(-40, 41, 2)  # in 1/256 of a cell
    times = np.arange(num_frames)[:, None]
    grid = np.arange(size) * (cells << 8) // size
    row, column = (start[axis] + speed[axis] * times + grid for axis in (0, 1))  # (num_frames, size) each
    r0, c0 = row >> 8 & 63, column >> 8 & 63
    r1, c1 = (r0 + 1) & 63, (c0 + 1) & 63
    down = (row & 255).astype(np.uint32)[:, :, None]
    right = (column & 255).astype(np.uint32)[:, None, :]

    def corner(r: np.ndarray, c: np.ndarray) -> np.ndarray:
        return lattice[r[:, :, None], c[:, None, :]]

    top = corner(r0, c0) * (256 - right) + corner(r0, c1) * right
    bottom = corner(r1, c0) * (256 - right) + corner(r1, c1) * right
    return (top * (256 - down) + bottom * down) >> 16


def _paint_ball(random: np.random.RandomState, frames: np.ndarray) -> None:
    """Paints a plain disc that crosses the picture on a straight line, over and over."""
    num_frames, size = frames.shape[:2]
    color, radius = random.randint(0, 256, 3), int(random.randint(size // 12 + 1, size // 5 + 2))
    start, speed = random.randint(0, 256 * size, 2), random.randint(-2 * size, 2 * size + 1, 2)  # 1/256 pixel
    path = (start + speed * np.arange(num_frames)[:, None]) % (256 * (size + 2 * radius)) // 256 - radius
    axis = np.arange(size)
    y, x = (axis - path[:, k, None] for k in (0, 1))
    frames[(y * y)[:, :, None] + (x * x)[:, None, :] <= radius * radius] = color
