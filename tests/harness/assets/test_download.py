"""Downloads from a real server on loopback, with the faults a network has."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import pickle
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.assets import download, manifest
from harness.assets.download import colors_json, fetch_assets
from harness.assets.manifest import Asset, AssetFile
from harness.assets.restricted_pickle import TORCH_MAGIC, load_arrays
from harness.assets.store import AssetStore
from harness.errors import CorruptAssetError, UsageError, WorkError
from tests.harness.assets.small import forget_names

FILM = np.random.default_rng(0).bytes(1_000_000)
COLORS = [{"grid_rgb1": np.array([0.1, 0.2, 1 / 3]), "self_rgb": np.array([0.5, 0.25, 0.7])} for _ in range(3)]


@dataclass
class Server:
    """What the loopback server offers and how it misbehaves."""

    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True
    stop_after: int | None = None  # bytes of a body, then the connection is cut
    requests: list[tuple[str, str | None]] = field(default_factory=list)  # path, Range
    url: str = ""

    def ranges_asked(self) -> list[str | None]:
        return [asked for _, asked in self.requests]


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            state.requests.append((self.path, asked))
            if self.path not in state.files:
                self.send_error(404)
                return
            body = state.files[self.path]
            start = int(re.fullmatch(r"bytes=(\d+)-", asked).group(1)) if asked and state.ranges else 0
            if start and start >= len(body):
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            self.send_header("Content-Length", str(len(body) - start))
            self.end_headers()
            self.wfile.write(body[start:][: state.stop_after])

        def log_message(self, *_: Any) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{httpd.server_address[1]}"
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield state
    httpd.shutdown()
    httpd.server_close()


def offer(monkeypatch: pytest.MonkeyPatch, *entries: Asset) -> None:
    table = {entry.name: entry for entry in entries}
    monkeypatch.setattr(manifest, "manifest", lambda: table)
    forget_names()


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    yield
    forget_names()


@pytest.fixture
def film(server: Server, monkeypatch: pytest.MonkeyPatch) -> Asset:
    """One asset of one file, offered by the server."""
    server.files["/x/film.mp4"] = FILM
    digest = hashlib.sha256(FILM).hexdigest()
    file = AssetFile("clips/film.mp4", len(FILM), digest, url="https://example.org/x/film.mp4")
    asset = Asset("film", "p", "s", "l", "video", ((file,),))
    offer(monkeypatch, asset)
    return asset


def fetch(server: Server, folder: Path, name: str = "film", **options: Any) -> list[dict[str, Any]]:
    return fetch_assets([name], folder, progress=False, base_url=server.url, **options)


def files_in(folder: Path) -> dict[str, int]:
    return {p.relative_to(folder).as_posix(): p.stat().st_size for p in folder.rglob("*") if p.is_file()}


def test_a_file_arrives_under_its_manifest_path_and_is_found(server: Server, film: Asset, tmp_path: Path) -> None:
    rows = fetch(server, tmp_path)
    place = tmp_path / "clips/film.mp4"
    assert rows == [{"asset": "film", "file": "clips/film.mp4", "path": str(place), "state": "fetched"}]
    assert place.read_bytes() == FILM
    assert files_in(tmp_path) == {"clips/film.mp4": len(FILM)}
    assert AssetStore([tmp_path], allow_stand_ins=False).find("film").files == (place,)
    assert fetch(server, tmp_path)[0]["state"] == "present"
    assert len(server.requests) == 1


def test_what_another_folder_holds_is_not_fetched(server: Server, film: Asset, tmp_path: Path) -> None:
    fetch(server, tmp_path / "a")
    store = AssetStore([tmp_path / "a"], allow_stand_ins=False)
    assert fetch(server, tmp_path / "b", store=store)[0]["path"] == str(tmp_path / "a/clips/film.mp4")
    assert files_in(tmp_path / "b") == {}


def test_a_broken_download_goes_on_where_it_stopped(server: Server, film: Asset, tmp_path: Path) -> None:
    server.stop_after = 400_000
    with pytest.raises(WorkError, match=r"broke off .* 393,216 bytes are kept: run the same command again") as error:
        fetch(server, tmp_path)
    assert "\n" not in str(error.value)
    assert files_in(tmp_path) == {"clips/film.mp4.part": 6 * download.CHUNK}
    server.stop_after = None
    fetch(server, tmp_path)
    assert server.ranges_asked() == [None, "bytes=393216-"]
    assert (tmp_path / "clips/film.mp4").read_bytes() == FILM
    assert files_in(tmp_path) == {"clips/film.mp4": len(FILM)}


def test_a_server_without_ranges_sends_it_all_again(server: Server, film: Asset, tmp_path: Path) -> None:
    server.ranges, server.stop_after = False, 400_000
    with pytest.raises(WorkError):
        fetch(server, tmp_path)
    server.stop_after = None
    fetch(server, tmp_path)
    assert server.ranges_asked() == [None, "bytes=393216-"]
    assert (tmp_path / "clips/film.mp4").read_bytes() == FILM


def test_a_whole_part_is_not_asked_for_again(server: Server, film: Asset, tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips/film.mp4.part").write_bytes(FILM)
    fetch(server, tmp_path)
    assert server.requests == []
    assert files_in(tmp_path) == {"clips/film.mp4": len(FILM)}


@pytest.mark.parametrize("extra", [0, 10], ids=["whole", "too long"])
def test_a_part_of_unknown_length_is_settled_by_the_server(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, extra: int
) -> None:
    blob = hashlib.sha1(f"blob {len(FILM)}\0".encode() + FILM).hexdigest()
    file = AssetFile("clips/film.mp4", git_blob=blob, url="https://example.org/x/film.mp4")
    offer(monkeypatch, Asset("film", "p", "s", "l", "video", ((file,),)))
    server.files["/x/film.mp4"] = FILM
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips/film.mp4.part").write_bytes(FILM + bytes(extra))
    fetch(server, tmp_path)
    assert (tmp_path / "clips/film.mp4").read_bytes() == FILM
    assert server.ranges_asked() == [f"bytes={len(FILM) + extra}-", None][: 1 + bool(extra)]


@pytest.mark.parametrize(
    "sent", [FILM[:-1] + b"X", FILM + b"more", b"<html>sign in</html>"], ids=["altered", "longer", "a page"]
)
def test_what_does_not_match_its_digest_is_refused_and_removed(
    server: Server, film: Asset, tmp_path: Path, sent: bytes
) -> None:
    server.files["/x/film.mp4"] = sent
    expected = WorkError if len(sent) < len(FILM) else CorruptAssetError
    with pytest.raises(expected) as error:
        fetch(server, tmp_path)
    assert "\n" not in str(error.value)
    # A shorter answer may be the start of the file: it is kept, and given up when the rest does not fit.
    assert files_in(tmp_path) == ({} if expected is CorruptAssetError else {"clips/film.mp4.part": len(sent)})
    server.files["/x/film.mp4"] = FILM
    fetch(server, tmp_path)
    assert (tmp_path / "clips/film.mp4").read_bytes() == FILM


def test_a_damaged_file_in_its_place_is_replaced(server: Server, film: Asset, tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips/film.mp4").write_bytes(b"damaged")
    assert fetch(server, tmp_path)[0]["state"] == "fetched"
    assert (tmp_path / "clips/film.mp4").read_bytes() == FILM


def test_a_server_that_refuses_or_is_gone_is_told_in_one_sentence(server: Server, film: Asset, tmp_path: Path) -> None:
    del server.files["/x/film.mp4"]
    with pytest.raises(WorkError, match=r"The server refused .*/x/film.mp4 \(404 Not Found\)\.$"):
        fetch(server, tmp_path)
    with pytest.raises(WorkError, match=r"broke off \(ConnectionError\); 0 bytes are kept"):
        fetch_assets(["film"], tmp_path, progress=False, base_url="http://127.0.0.1:9")
    assert files_in(tmp_path) == {}


def test_a_full_disk_while_writing_leaves_nothing(
    server: Server, film: Asset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Path.open

    def open_on_full_disk(self: Path, mode: str = "r", *args: Any) -> Any:
        stream = opened(self, mode, *args)
        return FullAfter(stream, 300_000) if "b" in mode and mode != "rb" else stream

    monkeypatch.setattr(Path, "open", open_on_full_disk)
    with pytest.raises(WorkError, match=r"^The disk is full: .* nothing of it was left\.$"):
        fetch(server, tmp_path)
    assert files_in(tmp_path) == {}


class FullAfter:
    """A file on a disk that fills up."""

    def __init__(self, stream: io.BufferedWriter, room: int) -> None:
        self.stream, self.room = stream, room

    def write(self, data: bytes) -> int:
        self.room -= len(data)
        if self.room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self.stream.write(data)

    def __enter__(self) -> FullAfter:
        return self

    def __exit__(self, *_: object) -> None:
        self.stream.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(folder)], capture_output=True)
    if mount.returncode:
        pytest.skip("needs the right to mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("size_known", [True, False])
def test_a_really_full_disk_leaves_nothing(
    server: Server, monkeypatch: pytest.MonkeyPatch, tiny_disk: Path, size_known: bool
) -> None:
    server.files["/x/film.mp4"] = FILM
    file = AssetFile(
        "clips/film.mp4", len(FILM) if size_known else None, hashlib.sha256(FILM).hexdigest(), url="http://h/x/film.mp4"
    )
    offer(monkeypatch, Asset("film", "p", "s", "l", "video", ((file,),)))
    with pytest.raises(WorkError, match="The disk is full"):
        fetch(server, tiny_disk)
    assert files_in(tiny_disk) == {}
    assert len(server.requests) == (0 if size_known else 1)


def test_too_little_space_is_told_before_any_work(
    server: Server, film: Asset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 400_000}))
    with pytest.raises(WorkError, match=r"The disk is full: 1\.0 MB are needed in .*, 0\.4 MB are free\."):
        fetch(server, tmp_path)
    assert server.requests == []


def test_unwritable_folders_unknown_names_and_unfetchable_assets_fail_first(
    server: Server, film: Asset, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="Cannot make the folder"):
        fetch(server, tmp_path / "file")
    with pytest.raises(UsageError, match=r"Unknown asset 'flim'\. Did you mean 'film'"):
        fetch(server, tmp_path, "flim")
    assert server.requests == []


def test_places365_says_where_it_comes_from(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"^'places365' cannot be fetched\. Places365-Standard .*places2\.csail\.mit"
    ) as e:
        fetch_assets(["places365"], tmp_path, progress=False)
    assert "\n" not in str(e.value)


def test_progress_goes_to_standard_error(
    server: Server, film: Asset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fetch_assets(["film"], tmp_path, base_url=server.url)
    out, err = capsys.readouterr()
    assert out == ""
    assert "film" in err
    assert "1.0/1.0 MB" in err


class TestColors:
    """Colour tables are published as pickles by torch.save before 1.6."""

    @staticmethod
    def legacy(table: Any, protocol: int = 2) -> bytes:
        """The bytes torch's old writer makes for an object without tensors: three headers, the object, no storages."""
        sizes = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
        return b"".join(pickle.dumps(part, protocol) for part in (TORCH_MAGIC, 1001, sizes, table, []))

    def test_the_writer_of_this_test_is_torchs(self, tmp_path: Path) -> None:
        torch = pytest.importorskip("torch")
        torch.save(COLORS, tmp_path / "t.pt", _use_new_zipfile_serialization=False)
        assert [row["self_rgb"].tolist() for row in load_arrays((tmp_path / "t.pt").read_bytes())] == [
            row["self_rgb"].tolist() for row in COLORS
        ]
        assert load_arrays(self.legacy([1, 2])) == [1, 2]

    @pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
    @pytest.mark.parametrize("module", [b"numpy.core.multiarray", b"numpy._core.multiarray"])
    def test_arrays_are_read_exactly(self, protocol: int, module: bytes) -> None:
        array = np.random.default_rng(1).random((2, 3))
        values = [array, np.asfortranarray(array), array.astype(">f4"), np.arange(3), np.float64(0.1)]
        data = pickle.dumps(values, protocol)
        if protocol < 4:  # names are plain lines there, so that an old numpy's can be put in
            data = data.replace(b"numpy._core.multiarray", module)
        read = load_arrays(data)
        for got, wanted in zip(read, values, strict=True):
            np.testing.assert_array_equal(got, wanted)
        assert read[2].dtype == np.dtype(">f4")

    def test_a_table_is_fetched_verified_and_converted(
        self, server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        published = self.legacy(COLORS)
        text = colors_json(published, "owner/name src/color.pt")
        self.offer_colors(server, monkeypatch, published, text)
        fetch(server, tmp_path, "color")
        assert files_in(tmp_path) == {"colors/color.json": len(text)}
        read = json.loads((tmp_path / "colors/color.json").read_text())
        assert read["colors"][2] == {"grid_rgb1": [0.1, 0.2, 1 / 3], "self_rgb": [0.5, 0.25, 0.7]}
        assert (read["n"], read["keys"], read["source"]) == (
            3, ["grid_rgb1", "self_rgb"], "owner/name src/color.pt"
        )  # fmt: skip
        assert len(AssetStore([tmp_path], allow_stand_ins=False).find("color").files) == 1

    @staticmethod
    def offer_colors(server: Server, monkeypatch: pytest.MonkeyPatch, published: bytes, text: str) -> None:
        path = "/owner/name/0123456789/src/color.pt"
        server.files[path] = published
        file = AssetFile(
            "colors/color.json",
            len(text),
            hashlib.sha256(text.encode()).hexdigest(),
            url=f"https://example.org{path}",
            convert="colors",
            original_sha256=hashlib.sha256(published).hexdigest(),
        )
        offer(monkeypatch, Asset("color", "p", "s", "l", "file", ((file,),)))

    @pytest.mark.parametrize("fault", ["other pickle", "other values", "malicious"])
    def test_a_wrong_table_is_refused_and_removed(
        self, server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fault: str
    ) -> None:
        marker = tmp_path / "owned"
        published = self.legacy([Malicious(marker)]) if fault == "malicious" else self.legacy(COLORS)
        text = "{}" if fault == "other values" else colors_json(self.legacy(COLORS), "owner/name src/color.pt")
        self.offer_colors(server, monkeypatch, published, text)
        if fault == "other pickle":
            server.files = dict.fromkeys(server.files, self.legacy(COLORS[:2]))
        with pytest.raises(CorruptAssetError):
            fetch(server, tmp_path / "into", "color")
        assert files_in(tmp_path / "into") == {}
        assert not marker.exists()

    def test_every_name_but_arrays_is_refused(self, tmp_path: Path) -> None:
        marker = tmp_path / "owned"
        attack = pickle.dumps(Malicious(marker))
        pickle.loads(attack)
        assert marker.exists()  # the attack is real
        marker.rmdir()
        with pytest.raises(CorruptAssetError, match=r"it names (posix|os)\.mkdir"):
            load_arrays(attack)
        assert not marker.exists()

    @pytest.mark.parametrize(
        "make",
        [
            lambda: b"",
            lambda: b"\x80\x02not a pickle",
            lambda: pickle.dumps(COLORS, 2)[:-40],
            lambda: pickle.dumps(np.array([{}], dtype=object), 2),
            lambda: pickle.dumps(np.zeros(2, dtype=[("a", "f8")]), 2),
            lambda: pickle.dumps(np.zeros(3), 2).replace(b"latin1", b"zlib_1"),
            lambda: b"\x80\x02]q\x00h\x00a.",
        ],
        ids=["empty", "noise", "truncated", "objects", "records", "other codec", "holds itself"],
    )
    def test_broken_pickles_are_refused(self, make: Callable[[], bytes]) -> None:
        with pytest.raises(CorruptAssetError):
            load_arrays(make())

    @pytest.mark.parametrize("table", [{}, [], [1], np.zeros(3)])
    def test_another_object_is_no_table(self, table: Any) -> None:
        with pytest.raises(CorruptAssetError, match="is not a table of colours"):
            colors_json(pickle.dumps(table, 2), "f.pt")

    def test_conversion_gives_the_published_values_to_the_byte(self, asset_store: AssetStore) -> None:
        for name in ("color_easy", "color_hard"):
            path = asset_store.find(name).files[0]
            rows = json.loads(path.read_text())["colors"]
            table = [{key: np.array(color) for key, color in row.items()} for row in rows]
            source = json.loads(path.read_text())["source"]
            assert colors_json(self.legacy(table), source) == path.read_text()
            assert download._colors_source(manifest.asset_named(name).choices[0][0]) == source


class Malicious:
    """Makes a folder when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.marker),)
