"""The gate on this project itself: a small fixed run against the baseline in `results/baselines`, by way of `ci/`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness import evaluate
from harness.testing import SUITE
from tests.harness.noisy import Noisy

ROOT = Path(__file__).resolve().parent.parent
BASELINE = ROOT / "results" / "baselines" / "dots_seeker.json"
# What another machine, and any change of the code that is to be judged, differ in.
ACROSS = "code_revision packages_json compute"


def measure(folder: Path, noise: float = 0.0) -> Path:
    """The fixed run: `python -m tests.test_gate_in_ci FILE` freezes it anew, after a change that is meant."""
    protocol = {"episode_frames": 20}
    evaluate(Noisy(noise), SUITE, episodes=10, identity="seeker 1", name="seeker", save=folder, protocol=protocol)  # type: ignore[arg-type]
    return folder


def check(run: Path, out: Path, **others: str) -> tuple[int, str]:
    """The script that both pipelines call."""
    told = {"RUN": str(run), "BASELINE": str(BASELINE), "ACROSS": ACROSS, "OUT": str(out), **others}
    command = out.parent / "harness"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m harness "$@"\n')
    command.chmod(0o755)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HARNESS": str(command), **told}
    done = subprocess.run(["bash", ROOT / "ci" / "check.sh"], env=environment, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_this_code_is_not_worse_than_its_baseline(tmp_path: Path) -> None:
    summary = tmp_path / "summary"
    status, told = check(measure(tmp_path / "run"), tmp_path / "out", GITHUB_STEP_SUMMARY=str(summary))
    assert (status, told[:9]) == (0, "Not worse")
    assert summary.read_text().startswith("### ✅ Not worse")
    assert (tmp_path / "out" / "junit.xml").read_text().startswith("<?xml")


def test_worse_code_fails(tmp_path: Path) -> None:
    status, told = check(measure(tmp_path / "run", noise=2.0), tmp_path / "out")
    assert (status, told[:5]) == (1, "Worse")
    assert 'failures="2"' in (tmp_path / "out" / "junit.xml").read_text()


def test_what_cannot_be_compared_is_no_verdict(tmp_path: Path) -> None:
    status, told = check(tmp_path / "nowhere", tmp_path / "out")
    assert status == 2
    assert "No rows" in told


@pytest.mark.parametrize("absent", ["RUN", "BASELINE"])
def test_an_empty_name_is_wrong_use_and_an_old_answer_is_not_shown(absent: str, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    for name in ("summary.md", "junit.xml"):
        (tmp_path / "out" / name).write_text("of an earlier run")
    summary = tmp_path / "summary"
    status, told = check(tmp_path / "nowhere", tmp_path / "out", GITHUB_STEP_SUMMARY=str(summary))
    assert (status, list((tmp_path / "out").iterdir()), summary.exists()) == (2, [], False)
    status, told = check(tmp_path / "nowhere", tmp_path / "out", **{absent: ""})
    assert (status, told) == (2, "error: RUN names a run and BASELINE what it is held against; one of them is empty.\n")


@pytest.mark.parametrize("name", ["github/action.yml", "gitlab/harness-check.yml"])
def test_templates_hand_over_what_the_script_takes(name: str) -> None:
    yaml = pytest.importorskip("yaml")
    script = (ROOT / "ci" / "check.sh").read_text()
    found = yaml.safe_load((ROOT / "ci" / name).read_text())
    told = found["runs"]["steps"][0]["env"] if "runs" in found else found[".harness-check"]["variables"]
    assert set(told) == {"RUN", "BASELINE", "MARGIN", "ON", "ALPHA", "ACROSS", "INCONCLUSIVE", "OUT"}
    assert all(f"${{{variable}" in script for variable in told)
    if "runs" in found:
        inputs = {f"${{{{ inputs.{key} }}}}" for key in found["inputs"]}
        assert set(told.values()) == inputs


if __name__ == "__main__":
    import tempfile

    from harness.reports.check_command import freeze

    with tempfile.TemporaryDirectory() as folder:
        freeze([measure(Path(folder) / "run")], Path(sys.argv[1]))
