"""Whatever a file holds, reading it gives what was asked for or one sentence."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from harness import reading
from harness.errors import CheckpointError, UsageError
from harness.reading import Record, SealedRecord, parse_json, read_json, read_sealed, seal
from tests.prompt import AT_ONCE


class Inner(Record):
    """Something inside."""

    size: int


class Thing(SealedRecord):
    """Something with a digest."""

    name: str
    sizes: tuple[int, ...] = ()
    ratio: float = 0.5
    inner: Inner = Inner(size=1)


WRONG = {
    "null": (b'{"name": null}', "'name' should be a valid string, not null"),
    "missing": (b"{}", "'name' is missing"),
    "of another thing": (b'{"name": "a", "nmae": "b"}', "'nmae' is nothing it may hold"),
    "inside": (b'{"name": "a", "inner": {"size": "3"}}', """'inner.size' should be a valid integer, not "3\""""),
    "in a list": (b'{"name": "a", "sizes": [1, true]}', "'sizes.1' should be a valid integer, not true"),
    "no number": (b'{"name": "a", "ratio": NaN}', "'ratio' should be a finite number, not NaN"),
    "a list": (b"[1]", "it should be an object, not [1]"),
    "long": (b'{"name": ' + b"[1, 2, 3]" * 1 + b"}", "'name' should be a valid string, not [1, 2, 3]"),
    "many": (json.dumps({"name": list(range(1000))}).encode(), "'name' should be a valid string, not 1000 values"),
    "an endless key": (json.dumps({"name": "a", "x" * 9999: 1}).encode(), "x…' is nothing it may hold"),
    "empty": (b"", "it is not JSON (EOF"),
    "a mark of byte order": (b'\xef\xbb\xbf{"name": "a"}', "it is not JSON"),
    "no text": (b"\xff\xfe{}", "it is not JSON"),
    "half": (b'{"name": "a"', "it is not JSON"),
    "nested": (b'{"name": ' + b"[" * 10_000 + b"]" * 10_000 + b"}", "recursion limit"),
    "half a character": (b'{"name": "\\ud800"}', "it is not JSON"),
    "a number without end": (b'{"name": ' + b"9" * 10_000 + b"}", "it is not JSON"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_one_sentence(case: str, tmp_path: Path) -> None:
    text, words = WRONG[case]
    (tmp_path / "thing.json").write_bytes(text)
    with pytest.raises(CheckpointError) as caught:
        read_json(tmp_path / "thing.json", Thing, error=CheckpointError, remedy="throw it away")
    sentence = str(caught.value)
    assert words in sentence
    assert sentence.startswith(f"{tmp_path}/thing.json is damaged: ")
    assert sentence.endswith("; throw it away.")
    assert len(sentence) < 300 + len(str(tmp_path))


def test_what_is_right_comes_back() -> None:
    thing = parse_json('{"name": "a", "sizes": [1, 2], "ratio": 1, "inner": {"size": 3}}', Thing, "here")
    assert (thing.sizes, thing.ratio, thing.inner.size) == ((1, 2), 1.0, 3)
    assert parse_json("[1, 2]", list[int], "here") == [1, 2]


def test_a_seal_holds_every_field(tmp_path: Path) -> None:
    path = tmp_path / "thing.json"
    values = seal({"name": "a", "sizes": [1, 2], "inner": {"size": 3}, "ratio": 1})
    path.write_text(json.dumps(values))
    assert read_sealed(path, Thing).name == "a"
    for change in ({"name": "b"}, {"sizes": [2, 1]}, {"ratio": 1.5}, {"inner": {"size": 4}}):
        path.write_text(json.dumps({**values, **change}))
        with pytest.raises(UsageError, match=r"thing\.json was edited"):
            read_sealed(path, Thing)
    path.write_text(json.dumps({"name": "old"}))
    assert read_sealed(path, Thing).record_digest is None


def test_what_is_no_file_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    started = time.monotonic()
    for name in ("pipe", "folder", "loop", "x" * 300):
        with pytest.raises(UsageError, match=r"not a plain file|cannot be read"):
            read_json(tmp_path / name, Thing)
    assert time.monotonic() - started < AT_ONCE
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "absent", Thing)
    monkeypatch.setattr(reading, "MAX_BYTES", 5)
    (tmp_path / "large").write_text('{"name": "a"}')
    with pytest.raises(UsageError, match="more than 5 bytes"):
        read_json(tmp_path / "large", Thing)
