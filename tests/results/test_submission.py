"""A submission is what a run measured, to the last byte, or it is refused with the reason."""

from __future__ import annotations

import hashlib
import io
import json
import random
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.reports.run_sources import _lines
from harness.results.packing import PackedError, is_name, pack, unpack
from harness.results.plausible import SuiteRules, impossible
from harness.results.row_files import encode_rows, read_parquet, write_parquet
from harness.results.rows import Row
from harness.results.store import RowStore
from harness.results.submission import (
    SubmissionError,
    load_submission,
    policy_digest,
    read_submission,
    submissions_in,
    submit,
)
from tests.results.test_store import ROW

WEIGHTS = b"weights of a policy"
DIGEST = hashlib.sha256(WEIGHTS).hexdigest()
RULES = SuiteRules("video_hard", 1, ("walker_walk",), ("train", "video_hard"), "return", (0.0, 1.0), 3, 42)
NUM_TAMPERED = 1000


def row_of(setting: str, seed: int, episode: int) -> Row:
    number = f"{10 * seed + episode:08d}{'7' * 8 if setting == 'train' else '8' * 8}"
    return replace(
        ROW,
        setting=setting,
        train_seed=seed,
        eval_seed=seed + 42,
        episode=episode,
        episode_return=100.0 * seed + episode,
        checkpoint=DIGEST,
        training="0123456789abcdef",
        first_pixels="feedfeedfeedfeed",
        trajectory=number,
    )


def record() -> dict[str, Any]:
    task = {
        "task": "walker_walk",
        "config": {"rate": 0.1},
        "eval_seed_offset": 42,
        **{name: getattr(ROW, name) for name in ("config_hash", "train_frames", "action_repeat", "frame_stack")},
        **{name: getattr(ROW, name) for name in ("image_size", "episode_frames")},
    }
    return {
        "record_version": 1,
        "run_id": ROW.run_id,
        "status": "finished",
        "command": ["harness", "run"],
        "suite": {"name": ROW.suite, "version": 1, "asked": ROW.suite},
        "agent": {"name": ROW.agent, "version": 1, "asked": ROW.agent},
        "preset": "quick",
        "seeds": [0, 1],
        "episodes": 2,
        "settings": ["train", "video_hard"],
        "tasks": [task],
        "checkpoints": {},
        "device": "cpu",
        "render_profile": ROW.render_profile,
        "packages": {},
        "code_revision": "abc",
        "started": "2026-01-01T00:00:00Z",
        "updated": "2026-01-01T00:00:00Z",
    }


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a finished run: one task, two settings, two seeds, two episodes."""
    folder = tmp_path / "run"
    store = RowStore(folder / "rows")
    for setting in ("train", "video_hard"):
        for seed in (0, 1):
            for episode in (0, 1):
                store.append(row_of(setting, seed, episode))
    for cell in store.cells():
        store.complete(*cell)
    for seed in (0, 1):
        policy = folder / "train" / f"walker_walk-seed{seed}" / "policy"
        policy.mkdir(parents=True)
        (policy / "weights.safetensors").write_bytes(WEIGHTS)
        (policy / "provenance.json").write_text("{}")
        (policy.parent / "train.jsonl").write_text('{"num_frames": 10, "episode_return": 1.0}\n{"num_frames": 2')
    (folder / "record.json").write_text(json.dumps(record()))
    return folder


def test_a_run_comes_out_as_it_went_in(run: Path, tmp_path: Path) -> None:
    data = submit(run)
    assert data == submit(run)
    (tmp_path / "a.zip").write_bytes(data)
    found = load_submission(tmp_path / "a.zip")
    assert (found.name, found.digest) == ("a.zip", hashlib.sha256(data).hexdigest())
    assert set(found.rows) == set(RowStore(run / "rows").rows())
    assert found.whole_record == record()
    assert found.logs()["walker_walk-seed1"] == b'{"num_frames": 10, "episode_return": 1.0}\n'
    assert found.policy_files(("walker_walk", 0)) == {}
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:  # any program opens it
        assert archive.testzip() is None


def test_rows_without_a_digest_get_none_by_being_submitted(run: Path) -> None:
    assert read_submission(submit(run), "a.zip").are_digested
    for path in (run / "rows").glob("*.parquet"):
        rows = read_parquet(path)
        write_parquet(rows, path, are_digested=False)
    told: list[Any] = []
    found = read_submission(submit(run, on_damage=told.append), "a.zip")
    assert len(told) == len(list((run / "rows").iterdir()))
    assert not found.are_digested


def test_policies_are_packed_on_request_and_compared_with_the_rows(run: Path) -> None:
    found = read_submission(submit(run, policies=True), "a.zip")
    assert found.policy_files(("walker_walk", 1))["weights.safetensors"] == WEIGHTS
    assert policy_digest(found.policy_files(("walker_walk", 1))) == DIGEST
    (run / "train/walker_walk-seed0/policy/weights.safetensors").write_bytes(b"others")
    with pytest.raises(SubmissionError, match="not the one that its rows were measured with"):
        submit(run, policies=True)


def test_given_policies_are_packed_from_where_they_were(run: Path) -> None:
    others = {f"walker_walk seed {seed}": str(run / f"train/walker_walk-seed{seed}/policy") for seed in (0, 1)}
    (run / "record.json").write_text(json.dumps({**record(), "checkpoints": others}))
    assert read_submission(submit(run, policies=True), "a").policy_files(("walker_walk", 0))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"status": "running"}, "not finished"),
        ({"episodes": 3}, "it is incomplete: 1 episodes of walker_walk"),
        ({"seeds": [0, 1, 2]}, "it is incomplete: 2 episodes of walker_walk, train, seed 2"),
        ({"run_id": "other"}, "differ in run_id"),
        ({"render_profile": "fast"}, "differ in render_profile"),
        ({"agent": {"name": ROW.agent, "version": 2, "asked": "x"}}, "differ in agent_version"),
        ({"seeds": "0"}, "seeds"),
        ({"episodes": True}, "episodes"),
    ],
)
def test_a_run_whose_parts_contradict_each_other_is_refused(run: Path, change: dict[str, Any], reason: str) -> None:
    (run / "record.json").write_text(json.dumps({**record(), **change}))
    with pytest.raises(SubmissionError, match=reason):
        submit(run)


def test_what_is_no_run_and_what_lacks_its_learning_curve_is_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(SubmissionError, match=r"no run's folder: it has no record\.json"):
        submit(tmp_path)
    (run / "train/walker_walk-seed0/train.jsonl").unlink()
    with pytest.raises(SubmissionError, match="the learning curve of walker_walk, seed 0, is missing"):
        submit(run)
    (run / "record.json").write_text("{")
    with pytest.raises(SubmissionError, match="record"):
        submit(run)


def test_only_what_the_record_asks_for_is_submitted(run: Path) -> None:
    (run / "record.json").write_text(json.dumps({**record(), "seeds": [0], "episodes": 1}))
    assert len(read_submission(submit(run), "a").rows) == 2


def outcome(data: bytes) -> str | None:
    """Why a file is refused; None if it is accepted."""
    try:
        found = read_submission(data, "a.zip")
    except SubmissionError as error:
        return str(error)
    return next(iter(impossible(found.rows, RULES)), None)


def repacked(files: dict[str, bytes], manifest: bytes) -> bytes:
    """The files with a manifest that may not be theirs, and a digest of the whole that is right."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in (("manifest.json", manifest), *sorted(files.items())):
            archive.writestr(name, data)
        archive.comment = b"harness submission, sha256 " + b"0" * 64
    body = buffer.getvalue()[:-64]
    return body + hashlib.sha256(body).hexdigest().encode()


def any_byte(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]


def any_cut(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + data[at + rng.randrange(1, 20) :]


def any_field(rng: random.Random, data: bytes) -> bytes:
    """One field of one row is another, and the file has right digests everywhere but in the manifest."""
    found = read_submission(data, "a.zip")
    rows, at = list(found.rows), rng.randrange(len(found.rows))
    name = rng.choice(sorted(rows[at].__dataclass_fields__))
    value = getattr(rows[at], name)
    text = '{"a":1}' if name.endswith("json") else "other"
    other = {int: 1, float: 0.5}.get(type(value), 0) + value if type(value) in (int, float) else text
    rows[at] = replace(rows[at], **{name: True if name == "success" else other})
    return repacked({**found.files, "rows.parquet": encode_rows(rows)}, manifest_of(data))


def any_entry(rng: random.Random, data: bytes) -> bytes:
    """One value of the record is another."""
    found = read_submission(data, "a.zip")
    whole = dict(found.whole_record)
    name = rng.choice(sorted(whole))
    whole[name] = {"changed": rng.random()}
    return repacked({**found.files, "record.json": json.dumps(whole).encode()}, manifest_of(data))


def manifest_of(data: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return archive.read("manifest.json")


def test_of_a_thousand_tampered_submissions_none_is_accepted(run: Path) -> None:
    data = submit(run, policies=True)
    assert outcome(data) is None
    rng = random.Random(0)
    kinds: tuple[Callable[[random.Random, bytes], bytes], ...] = (any_byte, any_byte, any_cut, any_field, any_entry)
    accepted = [n for n in range(NUM_TAMPERED) if outcome(kinds[n % len(kinds)](rng, data)) is None]
    assert accepted == []
    files = read_submission(data, "a.zip").files
    assert outcome(repacked(dict(files), manifest_of(data))) is None  # with its own manifest it would be


@pytest.mark.parametrize("name", ["run_id", "suite", "agent", "config_hash", "train_frames", "eval_seed", "checkpoint"])
def test_a_row_that_is_not_the_records_is_seen_although_every_digest_is_right(run: Path, name: str) -> None:
    found = read_submission(submit(run, policies=True), "a")
    value = getattr(found.rows[0], name)
    rows = [replace(found.rows[0], **{name: value + 1 if isinstance(value, int) else "f" * 64}), *found.rows[1:]]
    assert outcome(pack({**found.files, "rows.parquet": encode_rows(rows)})) is not None


def test_rows_that_no_run_measured_are_refused_although_everything_else_is_right(run: Path) -> None:
    found = read_submission(submit(run, policies=True), "a")
    rows = [replace(row, origin="monitor.csv (monitor)") for row in found.rows]
    reason = outcome(pack({**found.files, "rows.parquet": encode_rows(rows)}))
    assert reason is not None
    assert "its rows were not measured by a run, but are from monitor.csv (monitor)" in reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"episode_return": 1001.0}, "a return of 1001 where 1000 frames give 0 to 1000"),
        ({"episode_return": -1.0}, "a return of -1 where"),
        ({"num_steps": 0, "num_frames": 0, "success": True}, "a success without steps"),
        ({"num_steps": 0, "num_frames": 0, "episode_return": 0.0}, "an episode without steps"),
        ({"num_frames": 2000, "num_steps": 1000}, "2000 frames in an episode of 1000"),
        ({"num_frames": 1000, "num_steps": 100}, "100 steps of 2 frames are not 1000 frames"),
        ({"episode": 3}, "outside the protocol, which has episodes 0 to 2"),
        ({"episode": -1}, "its number is negative"),
        ({"eval_seed": 7}, "evaluation seed 7 is outside the protocol"),
        ({"suite_version": 2}, "version 2 of video_hard does not exist"),
        ({"task": "fly"}, "video_hard has no such task"),
        ({"setting": "dark"}, "video_hard has no such setting"),
        ({"trajectory": "xyz"}, "its trajectory is no digest"),
        ({"checkpoint": ""}, "conditions of training"),
        ({"train_frames": 0}, "conditions of training of a policy that was trained for 0 frames"),
        ({"episode_return": 1e51}, "beyond what can be averaged"),
    ],
)
def test_values_that_cannot_be_are_named(change: dict[str, Any], reason: str) -> None:
    row = replace(row_of("train", 0, 0), episode_return=10.0)
    assert list(impossible([row], RULES)) == []
    assert any(reason in clause for clause in impossible([replace(row, **change)], RULES))


def test_a_suite_that_measures_success_has_one_in_every_row() -> None:
    row = replace(row_of("light=0.5", 0, 0), success=None, episode_return=5000.0)
    rules = replace(RULES, metric="success", frame_rewards=None)
    assert "has no success" in next(impossible([row], rules))
    assert list(impossible([replace(row, success=False)], rules)) == []
    assert list(impossible([row], None)) == []


BAD_LINES = (
    f'{{"num_frames": {10**400}, "episode_return": 1.0}}',
    '{"num_frames": -1}',
    '{"num_frames": true}',
    '{"num_frames": 1, "episode_return": [1]}',
    '{"num_frames": 1, "episode_return": [1], "curve_returns": [2]}',
    '{"num_frames": 1, "episode_return": 1e999}',
    '{"num_frames": 1, "episode_return": NaN}',
    '{"num_frames": 1, "curve_returns": 2}',
    '{"num_frames": 1, "curve_returns": [null]}',
    "[]",
)


@pytest.mark.parametrize("line", BAD_LINES)
def test_a_curve_that_cannot_be_drawn_is_refused(run: Path, line: str) -> None:
    """Beside lines that can: drawn together, it would end in a traceback."""
    log = run / "train" / "walker_walk-seed0" / "train.jsonl"
    log.write_text(f'{{"num_frames": 10, "episode_return": 1.0}}\n{line}\n')
    with pytest.raises(SubmissionError, match="learning curve of walker_walk, seed 0, is damaged"):
        submit(run)
    lines = _lines(log.read_bytes())
    assert lines == [{"num_frames": 10, "episode_return": 1.0}]


@pytest.mark.parametrize("name", ["../a", "/a", "a//b", "..", "a/..", "a\\b", "manifest.json", "a\n", "a/b/c/d/e", "é"])
def test_no_packed_file_leads_out_of_its_folder(name: str) -> None:
    assert not is_name(name)
    with pytest.raises(ValueError, match="No name for a packed file"):
        pack({name: b""})


@pytest.mark.parametrize("data", [b"", b"PK", b"x" * 200, b"harness submission, sha256 " + b"0" * 64])
def test_what_is_no_submission_is_refused(data: bytes) -> None:
    with pytest.raises(PackedError):
        unpack(data)


def test_submissions_are_found_by_name_and_in_folders(tmp_path: Path) -> None:
    for name in ("b.zip", "a.zip", "c.txt"):
        (tmp_path / name).touch()
    assert submissions_in([tmp_path / "z.zip", tmp_path]) == [tmp_path / n for n in ("z.zip", "a.zip", "b.zip")]


def test_files_that_are_none_are_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_submission(tmp_path / "a.zip")
    (tmp_path / "b.zip").mkdir()
    with pytest.raises(SubmissionError, match="cannot be read"):
        load_submission(tmp_path / "b.zip")
