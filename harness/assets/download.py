"""Gets third-party files: resumes, verifies, and puts a file in its place only when it is whole.

A file grows as `<name>.part` beside its destination. Broken connections leave the part for the next call; a wrong
digest or a full disk leaves nothing.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from harness.assets.digests import check_file
from harness.assets.manifest import Asset, AssetFile, asset_named
from harness.assets.restricted_pickle import load_arrays
from harness.assets.store import AssetStore
from harness.errors import CorruptAssetError, UsageError, WorkError

if TYPE_CHECKING:
    import requests

CHUNK = 1 << 16  # bytes; what a broken connection may lose
TIMEOUT_SEC = 30  # without a byte from the server

Advance = Callable[[int], None]  # told the number of bytes that arrived


def fetch_assets(
    names: Sequence[str],
    folder: Path,
    *,
    store: AssetStore | None = None,
    progress: bool = True,
    base_url: str | None = None,
) -> list[dict[str, Any]]:
    """Downloads every file of the named assets that is not there yet.

    Args:
      names: as in the manifest.
      folder: where they go, under their manifest paths.
      store: files it finds, whole, in any of its folders are not fetched again.
      progress: whether to draw progress bars on standard error.
      base_url: replaces scheme and host of every address; for mirrors and tests.
    Returns:
      One row per file: asset, file, path, state ("fetched" or "present").
    Raises:
      UsageError: for an unknown name, an asset that cannot be fetched, or a folder that cannot be written.
      CorruptAssetError: if what the server sent does not match its digest; it is removed.
      WorkError: if the server fails or the disk is full; a broken download goes on where it stopped next time.
    """
    assets = [asset_named(name) for name in dict.fromkeys(names)]
    for asset in assets:
        if not asset.fetchable:
            raise UsageError(f"'{asset.name}' cannot be fetched. {asset.remedy}.")
    _make_folder(folder)
    search = AssetStore([folder, *(store.folders if store else ())], allow_stand_ins=False)
    with _progress_bar(progress) as start_bar:
        return [row for asset in assets for row in _fetch_asset(asset, folder, search, start_bar, base_url)]


def _fetch_asset(
    asset: Asset, folder: Path, search: AssetStore, start_bar: Callable[[str, int], Advance], base_url: str | None
) -> list[dict[str, Any]]:
    # Another choice that is whole serves the asset as well: nothing to fetch then.
    files = search.best_choice(asset)
    whole = {file: path for file, path in search.locate(files).items() if _is_whole(asset, file, path)}
    wanted = [file for file in files if file not in whole]
    if wanted and files is not asset.choices[0]:
        files, whole, wanted = asset.choices[0], {}, list(asset.choices[0])
    _check_space(folder, sum(file.bytes or 0 for file in wanted))
    advance = start_bar(asset.name, sum(file.bytes or 0 for file in wanted))
    rows = []
    for file in files:
        path = whole.get(file) or fetch_file(asset, file, folder, advance=advance, base_url=base_url)
        state = "present" if file in whole else "fetched"
        rows.append({"asset": asset.name, "file": file.path, "path": str(path), "state": state})
    return rows


def fetch_file(
    asset: Asset, file: AssetFile, folder: Path, *, advance: Advance = lambda _: None, base_url: str | None = None
) -> Path:
    """Downloads, verifies and, where needed, converts one file; returns its place. Raises as `fetch_assets`."""
    target = folder / file.path
    part = target.with_name(f"{target.name}.part")
    url = _address(file, base_url)
    original = file if file.convert is None else AssetFile(file.path, sha256=file.original_sha256)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        resumed = part.exists()
        download(url, part, expected_bytes=original.bytes, advance=advance)
        if resumed and not _is_whole(asset, original, part):  # the part was of something else
            part.unlink(missing_ok=True)
            download(url, part, expected_bytes=original.bytes, advance=advance)
        _refuse_wrong(asset, original, part, url)
        if file.convert is not None:
            _convert(file, part)
            _refuse_wrong(asset, file, part, url)
        os.replace(part, target)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise WorkError(f"The disk is full: {target} could not be written; nothing of it was left.") from error
        raise WorkError(f"Cannot write {target}: {error.strerror}.") from error
    return target


def download(url: str, part: Path, *, expected_bytes: int | None, advance: Advance = lambda _: None) -> None:
    """Downloads to `part`, going on from what it holds if the server can.

    Raises:
      WorkError: if the server cannot be reached, refuses, or stops early; `part` keeps what came.
      OSError: if `part` cannot be written.
    """
    import requests

    have = part.stat().st_size if part.exists() else 0
    if expected_bytes is not None and have > expected_bytes:
        have = 0
    if have and have == expected_bytes:
        advance(have)
        return
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_SEC) as response:
            if response.status_code == 416:  # the server has no more than we hold: the digest decides
                return
            if not response.ok:
                raise WorkError(f"The server refused {url} ({response.status_code} {response.reason}).")
            have = have if _continues(response, have) else 0
            advance(have)
            _write(response, part, have, expected_bytes, advance)
    except requests.RequestException as error:
        kept = part.stat().st_size if part.exists() else 0
        raise WorkError(
            f"The download of {url} broke off ({type(error).__name__}); {kept:,} bytes are kept: "
            "run the same command again to go on."
        ) from error


def _continues(response: requests.Response, have: int) -> bool:
    """Whether the answer starts at byte `have`; a server without ranges sends the whole file again."""
    return response.status_code == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {have}-")


def _write(response: requests.Response, part: Path, have: int, expected: int | None, advance: Advance) -> None:
    """Appends the body after byte `have`, and stops a server that sends more than the file has."""
    with part.open("r+b" if have else "wb") as stream:
        stream.seek(have)
        stream.truncate()
        for chunk in response.iter_content(CHUNK):
            stream.write(chunk)
            have += len(chunk)
            advance(len(chunk))
            if expected is not None and have > expected:
                return
    if expected is not None and have < expected:
        raise WorkError(
            f"The server ended {response.url} after {have:,} of {expected:,} bytes; they are kept: "
            "run the same command again to go on."
        )


def _refuse_wrong(asset: Asset, file: AssetFile, part: Path, url: str) -> None:
    """Removes what does not match its digest.

    Raises:
      CorruptAssetError: then.
    """
    if _is_whole(asset, file, part):
        return
    part.unlink(missing_ok=True)
    raise CorruptAssetError(f"Refused {url}: what came does not match the digest of '{asset.name}'; it was removed.")


def _convert(file: AssetFile, part: Path) -> None:
    """Rewrites the published file as the manifest's format, in place.

    Raises:
      CorruptAssetError: if it cannot be read safely; it is removed.
    """
    try:
        text = colors_json(part.read_bytes(), _colors_source(file))
    except CorruptAssetError:
        part.unlink()
        raise
    part.write_text(text, encoding="utf-8")


def colors_json(pickled: bytes, source: str) -> str:
    """A published colour table as JSON: a list of {name: [r, g, b]}, float64 written exactly.

    Raises:
      CorruptAssetError: if it is not such a table, or names anything but arrays.
    """
    table = load_arrays(pickled)
    if not isinstance(table, list) or not table or not all(isinstance(row, dict) for row in table):
        raise CorruptAssetError(f"{source} is not a table of colours.")
    colors = [{name: [float(channel) for channel in color] for name, color in row.items()} for row in table]
    return json.dumps({"source": source, "n": len(colors), "keys": list(colors[0]), "colors": colors}, indent=1)


def _colors_source(file: AssetFile) -> str:
    """`owner/name path`, read off the raw address `/owner/name/commit/path`."""
    owner, name, _, path = urlsplit(file.url or "").path.lstrip("/").split("/", 3)
    return f"{owner}/{name} {path}"


def _is_whole(asset: Asset, file: AssetFile, path: Path) -> bool:
    try:
        check_file(asset, file, path)
    except CorruptAssetError:
        return False
    return True


def _address(file: AssetFile, base_url: str | None) -> str:
    if base_url is None:
        return file.url or ""
    return base_url.rstrip("/") + urlsplit(file.url or "").path


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"Cannot make the folder {folder}: {error.strerror}.") from error
    if not os.access(folder, os.W_OK):
        raise UsageError(f"Cannot write to the folder {folder}.")


def _check_space(folder: Path, wanted: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < wanted:
        raise WorkError(
            f"The disk is full: {wanted / 1e6:.1f} MB are needed in {folder}, {free / 1e6:.1f} MB are free."
        )


@contextlib.contextmanager
def _progress_bar(shown: bool) -> Iterator[Callable[[str, int], Advance]]:
    """Yields a function that starts one bar (a name, bytes in all, 0 if unknown) and returns how to advance it."""
    if not shown:
        yield lambda name, total: lambda count: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:

        def start(name: str, total: int) -> Advance:
            task = bars.add_task(name, total=total or None)
            return lambda count: bars.advance(task, count)

        yield start
