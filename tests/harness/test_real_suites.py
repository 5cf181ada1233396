"""Runs over real simulators: workers, third-party files present, absent, damaged."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.assets.store import AssetStore
from harness.errors import CorruptAssetError, MissingAssetError, UsageError
from harness.results.rows import Row
from harness.running.plan import RunOptions
from harness.running.planning import make_plan
from harness.running.run import execute

SHORT = ("protocol.episode_frames=16",)


def rows(folder: Path, suite: str, **changes: object) -> list[Row]:
    options = {"agent": "random", "tasks": ["cartpole_swingup"], "settings": SHORT, "device": "cpu", "runs": folder}
    plan = make_plan(RunOptions(**{"suite": suite, **options, **changes}))  # type: ignore[arg-type]
    return [replace(row, code_revision="", training="") for row in execute(plan, quiet=True).rows()]


@pytest.mark.render
def test_rows_of_a_real_suite_do_not_depend_on_workers_or_subsets(tmp_path: Path) -> None:
    alone = rows(tmp_path / "1", "video_hard", episodes=5, workers=1)
    assert rows(tmp_path / "3", "video_hard", episodes=5, workers=3) == alone
    assert rows(tmp_path / "grown", "video_hard", episodes=2, workers=1) == [r for r in alone if r.episode < 2]
    assert rows(tmp_path / "grown", "video_hard", episodes=5, workers=2) == alone
    shifted = [row for row in alone if row.setting == "video_hard"]
    assert [json.loads(row.shift_json)["video"] for row in shifted] == [1, 2, 3, 4, 5]
    returns = {name: [row.episode_return for row in alone if row.setting == name] for name in ("train", "video_hard")}
    assert returns["train"] == returns["video_hard"]  # random actions do not see: start states pair up
    assert len({row.first_pixels for row in alone}) == len(alone)


@pytest.mark.render
def test_stand_ins_are_named_in_every_row_they_touch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HARNESS_ASSETS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    made = rows(tmp_path, "color_easy")
    assert {row.setting: row.stand_ins for row in made} == {"train": "", "color_easy": "color_easy"}
    assert {row.setting: row.assets_json for row in made}["color_easy"] == '{"color_easy":"stand-in:color_easy-v1"}'
    with pytest.raises(MissingAssetError, match="harness assets fetch color_easy"):
        make_plan(RunOptions(suite="color_easy", agent="random", preset="paper", device="cpu", runs=tmp_path))


@pytest.mark.render
def test_a_reduced_video_set_is_named_in_every_row(asset_store: AssetStore, tmp_path: Path) -> None:
    found = asset_store.find("video_easy")
    if len(found.files) == 10:
        pytest.skip("all ten videos are here")
    made = rows(tmp_path, "video_easy", episodes=2)
    assert {row.notes for row in made if row.setting == "video_easy"} == {found.note}
    assert f"{len(found.files)} of 10 videos" in found.note
    assert {row.stand_ins for row in made} == {""}


def test_a_damaged_video_is_refused_before_any_work(tmp_path: Path) -> None:
    video = tmp_path / "assets" / "dmcgb" / "video_easy" / "video1.mp4"
    video.parent.mkdir(parents=True)
    video.write_bytes(b"\0" * 1000)
    with pytest.raises(CorruptAssetError, match=r"video1\.mp4"):
        make_plan(RunOptions(suite="video_easy", agent="random", assets=str(tmp_path / "assets"), runs=tmp_path))


def test_a_policy_is_not_taken_to_another_suites_task(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Unknown task 'dot_reach'"):
        make_plan(RunOptions(suite="video_easy", agent="random", tasks=["dot_reach"], runs=tmp_path))
