"""Demonstrations and cameras that an agent asks for: what cannot be is refused before any work."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.assets.store import AssetStore
from harness.demos import DemoSet, check_scene, collect_demos, load_demos
from harness.errors import MissingAssetError, UsageError
from harness.reading import SEAL, seal
from harness.running.plan import RunOptions
from harness.running.planning import make_plan
from harness.running.run import execute
from tests.harness import demonstrated
from tests.harness.demonstrated import SUITE

NAME = "tests.harness.demonstrated:SUITE"
SMALL = ("protocol.image_size=24", "crop_size=20", "num_filters=4", "feature_dim=8", "hidden_dim=16", "batch_size=8")
QUICK = ("warm_up_updates=2", "update_every_steps=10", "replay_capacity=500", "num_demos=3")


def options(runs: Path, *settings: str, **changes: Any) -> RunOptions:
    quick = [each for each in QUICK if each.split("=")[0] not in {given.split("=")[0] for given in settings}]
    made: dict[str, Any] = {
        "suite": NAME,
        "agent": "ferm",
        "tasks": ("dot_reach",),
        "frames": 60,
        "episodes": 1,
        "device": "cpu",
        "workers": 1,
        "settings": (*SMALL, *quick, *settings),
        "runs": runs,
    }
    return RunOptions(**{**made, **changes})


def collected(folder: Path, episodes: int = 4, noisy: bool = True, task: str = "dot_reach", **protocol: int) -> DemoSet:
    chosen = SUITE.protocol
    for name, value in {"image_size": 24, **protocol}.items():
        chosen = chosen.replace(task, name, value)
    store, suite = AssetStore([], allow_stand_ins=True), replace(SUITE, protocol=chosen)
    return collect_demos(suite, task, episodes=episodes, seed=0, out=folder, store=store, noisy=noisy)


def test_a_training_takes_the_first_demonstrations_of_a_folder(tmp_path: Path) -> None:
    demos = collected(tmp_path / "demos")
    execute(make_plan(options(tmp_path / "runs", f"demo_folder={tmp_path / 'demos'}")), quiet=True)
    (record,) = (tmp_path / "runs").rglob("policy/provenance.json")
    assert json.loads(record.read_text())["assets"]["demos"] == demos.first(3).identity != demos.identity


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"task": "dot_stay"}, "another scene: task 'dot_stay', not 'dot_reach'"),
        ({"image_size": 30}, "another scene: image_size 30, not 24"),
        ({"episode_frames": 30}, "another scene: episode_frames 30, not 40"),
        ({"action_repeat": 1}, "another scene: action_repeat 1, not 2"),
        ({"episodes": 2}, "holds 2 demonstrations, fewer than 3"),
        ({"noisy": False}, "holds demonstrations by 'expert' without noise"),
    ],
)
def test_demonstrations_of_something_else_are_refused(changes: dict[str, Any], words: str, tmp_path: Path) -> None:
    collected(tmp_path / "demos", **changes)
    with pytest.raises(UsageError, match=words):
        make_plan(options(tmp_path / "runs", f"demo_folder={tmp_path / 'demos'}"))
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("name", ["nowhere", ""])
def test_a_folder_without_demonstrations_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no demonstrations"):
        make_plan(options(tmp_path / "runs", f"demo_folder={tmp_path / 'x' / name}"))


def test_a_record_without_the_length_of_episodes_is_read(tmp_path: Path) -> None:
    """Earlier versions did not write it; what such a folder was collected under is not known, and not compared."""
    folder = tmp_path / "demos"
    collected(folder, episodes=2)
    file = folder / "demos.json"
    record = json.loads(file.read_text())
    assert record.pop("episode_frames") == 40
    del record[SEAL]
    file.write_text(json.dumps(seal(record)))
    assert len(collected(folder, episodes=3)) == 3
    assert load_demos(folder).record["episode_frames"] is None
    check_scene(load_demos(folder), replace(SUITE, protocol=SUITE.protocol.replace("dot_reach", "image_size", 24)),
                "dot_reach", "standard")  # fmt: skip


def test_a_folder_is_not_gone_on_with_under_another_length_of_episodes(tmp_path: Path) -> None:
    collected(tmp_path / "demos", episodes=1)
    with pytest.raises(UsageError, match=r"other demonstrations \(episode_frames differ\)"):
        collected(tmp_path / "demos", episodes=2, episode_frames=30)


ADROIT: dict[str, Any] = {"suite": "adroit_distractors", "tasks": ("door",)}


@pytest.mark.parametrize(
    ("changes", "settings", "error", "words"),
    [
        ({**ADROIT, "agent": "ferm"}, ("cameras=[0,1]",), UsageError, "cannot see door .*: there is no camera 1"),
        ({"agent": "ferm"}, ("protocol.episode_frames=60",), UsageError, "Episodes of 60 frames are longer"),
        ({"agent": "ferm"}, (*SMALL[:-1], "batch_size=200", "num_demos=3"), UsageError, "batch_size of 200 is more"),
        ({**ADROIT, "agent": "rrl"}, ("episodes_per_update=1", "protocol.episode_frames=100"), UsageError,
         "1 episodes of 100 steps are less than two batches of 64"),
        ({**ADROIT, "agent": "rrl"}, ("num_demos=1", "clone_batch_size=300"), UsageError, "than one batch to clone"),
        ({**ADROIT, "agent": "dapg", "frames": 1999}, ("episodes_per_update=10",), UsageError,
         "one update takes 2000 frames .10 episodes., and 1999 are given"),
        ({**ADROIT, "agent": "npg", "device": "cuda"}, (), UsageError, "npg computes on the CPU alone"),
        ({**ADROIT, "agent": "rrl", "preset": "laptop"}, ("encoder=resnet34",), MissingAssetError, "resnet34"),
        ({**ADROIT, "agent": "rrl_sac", "preset": "laptop"}, ("encoder=resnet34",), MissingAssetError, "resnet34"),
    ],
)  # fmt: skip
def test_wrong_input(
    changes: dict[str, Any],
    settings: tuple[str, ...],
    error: type[Exception],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("HARNESS_ASSETS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    if "suite" in changes:  # the experts are at hand, as far as planning goes
        monkeypatch.setattr("harness.running.planning.check_demos", lambda *_: None)
    made = replace(options(tmp_path / "runs"), **{"frames": None, "settings": settings, **changes})
    with pytest.raises(error, match=words) as caught:
        make_plan(made)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "runs").exists()


class Recording:
    """Thirty actions of somebody."""

    actions = np.zeros((30, 2))

    def start(self, simulation: Any) -> None:
        """Anywhere."""


ONE_STEP = ("protocol.action_repeat=1", "protocol.episode_frames=30")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ((*ONE_STEP, "noisy_demos=false", "num_demos=3"), "are 2 human demonstrations of dot_reach, fewer than 3"),
        ((*ONE_STEP, "num_demos=2"), r"ask for no noise \(noisy_demos=false\)"),
        (("noisy_demos=false", "num_demos=2"), "one action per control step; use action repeat 1"),
        (("noisy_demos=false", "num_demos=2", *ONE_STEP[:1], "protocol.episode_frames=31"),
         "Episodes of 31 frames are longer than the human demonstrations of dot_reach, which end after 30"),
    ],
)  # fmt: skip
def test_recordings_of_humans_that_do_not_fit_are_refused(
    settings: tuple[str, ...], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    human = {**SUITE.demonstrators, "human": {"dot_reach": ""}}
    monkeypatch.setattr(demonstrated, "SUITE", replace(SUITE, demonstrators=human))
    monkeypatch.setattr(demonstrated, "human_demos", lambda *_: ((Recording(),) * 2, "hands"), raising=False)
    plan = make_plan(options(tmp_path, "demo_source=human", "noisy_demos=false", "num_demos=2", *ONE_STEP))
    assert plan.tasks[0].config["num_demos"] == 2
    with pytest.raises(UsageError, match=words):
        make_plan(options(tmp_path, "demo_source=human", *settings))


def test_a_task_that_is_not_asked_for_refuses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Door has one camera and relocate three; pen's episodes are too short for two batches, door's are not."""
    monkeypatch.setattr("harness.running.planning.check_demos", lambda *_: None)
    suite = {"suite": "adroit_distractors", "frames": None}
    made = options(tmp_path, **suite, tasks=("relocate",))
    made = replace(made, settings=("cameras=[0,2]",))
    assert make_plan(made).tasks[0].config["cameras"] == [0, 2]
    with pytest.raises(UsageError, match="cannot see door"):
        make_plan(replace(made, tasks=("relocate", "door")))
    with pytest.raises(UsageError, match="cameras names 2 twice"):
        make_plan(replace(made, settings=("cameras=[2,2]",)))
    monkeypatch.setattr("harness.running.planning.find_assets", lambda *_: {})
    assert make_plan(replace(made, agent="dapg", tasks=("door",), settings=("episodes_per_update=1",))).tasks


def test_the_number_of_cameras_a_suite_states_is_that_of_its_simulations() -> None:
    from harness.registry import load_suite
    from harness.suites.domains.adroit_cameras import CAMERAS

    suite = load_suite("adroit_distractors")
    assert {task: len(CAMERAS[task.removesuffix("_dense")]) for task in suite.all_tasks} == {
        task: suite.cameras.get(task, 1) for task in suite.all_tasks
    }
