"""`harness submit` and `harness verify`, from a run to a verdict."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.results.packing import pack
from harness.results.row_files import encode_rows
from harness.results.submission import read_submission

Harness = Callable[..., tuple[int, str, str]]
NAMES = ("--suite", "harness.testing:SUITE", "--agent", "tests.harness.learner:AGENT")


@pytest.fixture
def packed(harness: Harness, tmp_path: Path) -> Path:
    """A submission with policies, of one task, two settings, two episodes."""
    options = ("--task", "dot_reach", "--frames", "300", "--episodes", "2", "--workers", "1", "--quiet")
    status, _, err = harness("run", *NAMES, *options, "--set", "protocol.image_size=16")
    assert status == 0, err
    (run,) = (tmp_path / "runs").iterdir()
    status, out, err = harness("submit", str(run), "--policies", "--out", "sent.zip")
    assert (status, err) == (0, "")
    assert out.startswith("sent.zip  4 episodes, sha256 ")
    return tmp_path / "sent.zip"


def test_what_was_measured_comes_out_again_and_what_was_not_does_not(harness: Harness, packed: Path) -> None:
    status, out, _ = harness("verify", "sent.zip", *NAMES, "--episodes", "3", "--quiet", "--workers", "1")
    assert (status, out) == (0, "re-evaluated here: 3 of 3 episodes the same\n")
    kept = json.loads((packed.parent / "sent.zip.verified.json").read_text())
    assert len(kept["replayed"]) == 3
    found = read_submission(packed.read_bytes(), "sent.zip")
    better = [replace(row, episode_return=row.episode_return + 1) for row in found.rows]
    packed.write_bytes(pack({**found.files, "rows.parquet": encode_rows(better)}))
    status, out, _ = harness("verify", "sent.zip", *NAMES, "--seed", "1", "--quiet", "--workers", "1", "--json")
    assert status == 1
    replayed = json.loads(out)["replayed"]
    assert len(replayed) == 4
    assert all(each["submitted"] == pytest.approx(each["here"] + 1) and not each["is_same"] for each in replayed)


def test_code_from_outside_is_run_only_as_the_user_names_it(harness: Harness, packed: Path) -> None:
    status, _, err = harness("verify", "sent.zip")
    assert status == 2
    assert "names the suite 'harness.testing:SUITE', which is none of ours" in err


def test_wrong_use_is_one_sentence(harness: Harness, tmp_path: Path) -> None:
    (tmp_path / "bad.zip").write_bytes(b"PK")
    (tmp_path / "empty").mkdir()
    for arguments, told in (
        (("verify", "none.zip"), "There is no submission none.zip"),
        (("verify", "bad.zip"), "bad.zip is refused: it is no submission, or was cut short."),
        (("submit", "empty"), "empty is no run's folder: it has no record.json."),
        (("submit", "empty", "--out", "a.tar"), "--out takes a path that ends in .zip"),
        (("submit", "empty", "--out", "no/a.zip"), "There is no folder no"),
    ):
        status, out, err = harness(*arguments)
        assert (status, out) == (2, "")
        assert told in err
        assert len(err.splitlines()) == 1


def test_a_policy_without_parameters_is_made_again_from_its_seed(harness: Harness, tmp_path: Path) -> None:
    names = ("--suite", "harness.testing:SUITE", "--agent", "harness.testing:SEEKER")
    options = ("--task", "dot_reach", "--episodes", "2", "--workers", "1", "--quiet", "--no-replay")
    status, _, err = harness("run", *names, *options, "--set", "protocol.image_size=16")
    assert status == 0, err
    (run,) = (tmp_path / "runs").iterdir()
    status, _, err = harness("submit", str(run), "--policies", "--out", "sent.zip")
    assert (status, err) == (0, "")
    assert not [name for name in read_submission((tmp_path / "sent.zip").read_bytes(), "s").files if "policy" in name]
    status, out, _ = harness("verify", "sent.zip", *names, "--episodes", "4", "--quiet", "--workers", "1")
    assert (status, out) == (0, "re-evaluated here: 4 of 4 episodes the same\n")
