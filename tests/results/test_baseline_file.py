"""A frozen baseline comes back as it went in, and comes back in no other way."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.results import baseline_file
from harness.results.baseline_file import read_baseline, write_baseline
from harness.results.damage import CorruptRowsError
from harness.results.rows import Row
from tests.results.test_store import ROW

ROWS = [
    replace(ROW, setting=setting, train_seed=seed, episode=episode, episode_return=0.1 * episode + seed / 3)
    for setting in ("train", "video_hard")
    for seed in (0, 1)
    for episode in range(3)
]


def frozen(folder: Path) -> Path:
    write_baseline(ROWS, folder / "b.json")
    return folder / "b.json"


def test_rows_come_back(tmp_path: Path) -> None:
    assert read_baseline(frozen(tmp_path)) == ROWS
    write_baseline(ROWS[::-1], tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == frozen(tmp_path).read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again.json", "b.json"]


def test_names_and_absent_values_come_back(tmp_path: Path) -> None:
    rows = [replace(ROW, agent='<b>"\u202e\n\x1b', train_seed=None, success=None, episode=e) for e in range(2)]
    write_baseline(rows, tmp_path / "b.json")
    assert read_baseline(tmp_path / "b.json") == rows
    assert "\u202e" not in (tmp_path / "b.json").read_text()


def read_or_refusal(path: Path) -> list[Row] | int:
    """The rows, or the number of lines of the refusal."""
    try:
        return read_baseline(path)
    except CorruptRowsError as error:
        return len(str(error).splitlines())


def test_any_altered_byte_is_refused_or_says_the_same(tmp_path: Path) -> None:
    path = frozen(tmp_path)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(300):
        data = bytearray(whole)
        data[rng.integers(len(data))] = rng.integers(256)
        path.write_bytes(data)
        assert read_or_refusal(path) in (ROWS, 1)  # spaces between values say nothing


def altered(**changes: object) -> bytes:
    return json.dumps({"format": "harness-baseline", "format_version": 1, **changes}).encode()


def later(path: Path) -> bytes:
    content = json.loads(path.read_text())
    del content["digest"]
    content["rows_version"] = 99
    return json.dumps({**content, "digest": baseline_file._digest_of(content)}).encode()


def with_nan(path: Path) -> bytes:
    content = json.loads(path.read_text())
    del content["digest"]
    content["episodes"][0]["episode_return"] = float("nan")
    return json.dumps({**content, "digest": baseline_file._digest_of(content)}).encode()


def twice(path: Path) -> bytes:
    content = json.loads(path.read_text())
    del content["digest"]
    content["episodes"][1] = content["episodes"][0]
    return json.dumps({**content, "digest": baseline_file._digest_of(content)}).encode()


WRONG = {
    "a changed number": (lambda p: p.read_bytes().replace(b'"episode":1', b'"episode":7', 1), "altered"),
    "a later version": (lambda p: altered(format_version=2), "version 2"),
    "later rows": (later, "version 99"),
    "a return that is none": (with_nan, "not finite"),
    "an episode twice": (twice, "twice"),
    "a field twice": (lambda p: b'{"format": 1, "format": 2}', "twice"),
    "another JSON": (lambda p: b'{"runs": []}', "format"),
    "no JSON": (lambda p: b"hello", "no frozen baseline"),
    "a torn file": (lambda p: p.read_bytes()[:-40], "no frozen baseline"),
    "nothing": (lambda p: b"", "no frozen baseline"),
    "nested": (lambda p: b"[" * 100_000, "no frozen baseline"),
    "one field more": (lambda p: p.read_bytes().replace(b'"format"', b'"more": 1, "format"', 1), "more"),
    "without its digest": (lambda p: altered(rows_version=3, shared={}, episodes=[{}]), "digest"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_was_altered_is_refused(tmp_path: Path, case: str) -> None:
    path = frozen(tmp_path)
    make, told = WRONG[case]
    path.write_bytes(make(path))
    with pytest.raises(CorruptRowsError, match=told):
        read_baseline(path)


def test_nothing_is_not_frozen(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no rows"):
        write_baseline([], tmp_path / "b.json")
    with pytest.raises(ValueError, match="twice"):
        write_baseline([ROW, ROW], tmp_path / "b.json")
