"""What is drawn depends on no process: threads, locale, folder, what ran before and a shared cache change no byte."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from harness.assets.store import AssetStore
from harness.registry import load_suite, suite_names
from harness.results.store import load_rows
from harness.spec import Suite

pytestmark = pytest.mark.render

ROOT = Path(__file__).parent.parent.parent
DRAWING = Path(__file__).with_name("drawing.py")
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LP_NUM_THREADS")  # LP: Mesa's
VIDEO_ASSETS = {"video_easy", "video_hard"}

SEEN = ["setting", "first_pixels", "trajectory", "episode_return"]

Place = tuple[str, str, str]  # suite, task, setting


@pytest.fixture(scope="module")
def comma(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """Variables that choose a locale whose numbers have a comma, where the machine can make one."""
    folder = tmp_path_factory.mktemp("locales")
    if shutil.which("localedef") is None or not Path("/usr/share/i18n/locales/de_DE").exists():
        return {"LC_ALL": "C.UTF-8"}
    subprocess.run(["localedef", "-i", "de_DE", "-f", "UTF-8", folder / "de_DE.UTF-8"], check=True)
    return {"LOCPATH": str(folder), "LC_ALL": "de_DE.UTF-8"}


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of JPEG files of other sizes and compressions."""
    folder = tmp_path_factory.mktemp("photographs")
    rng = np.random.default_rng(0)
    for number in range(12):
        cells = rng.integers(0, 256, (9, 12, 3), np.uint8)
        smooth = Image.fromarray(cells).resize((200 + 7 * number, 150 + 5 * number), Image.Resampling.BICUBIC)
        smooth.save(folder / f"{number:02}.jpg", quality=60 + 3 * number, subsampling=number % 3)
    return folder


def process_environment(threads: int, cache: Path, **more: str) -> dict[str, str]:
    number = str(threads)
    variables = {**dict.fromkeys(THREAD_VARIABLES, number), "XDG_CACHE_HOME": str(cache), "PYTHONHASHSEED": number}
    return {**os.environ, **variables, "PYTHONPATH": str(ROOT), "LC_ALL": "C", **more}


def draw(threads: int, places: Iterable[Place], cache: Path, **more: Any) -> dict[str, str]:
    """Digests of what one process draws, in this order, in a folder of its own."""
    variables = more.pop("variables", {})
    cache.mkdir(exist_ok=True)
    (folder := cache / f"in {threads} threads").mkdir()
    asked = json.dumps({"threads": threads, "places": list(places), "size": 84, **more})
    done = subprocess.run(
        [sys.executable, DRAWING, asked],
        env=process_environment(threads, cache, **variables),
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(done.stdout))


def check(places: list[Place], tmp_path: Path, photographs: Path, comma: Mapping[str, str], profile: str) -> None:
    """One empty cache: who comes first makes what the others read. And caches of their own, for what is cached."""
    orders = {1: places, 2: places[::-1], 4: random.Random(0).sample(places, len(places))}
    more: dict[str, Any] = {"photographs": str(photographs), "profile": profile}
    localised = {4: {"variables": comma}}
    shared = {n: draw(n, order, tmp_path / "shared", **more, **localised.get(n, {})) for n, order in orders.items()}
    assert shared[1] == shared[2] == shared[4]
    cached = [place for place in places if VIDEO_ASSETS.intersection(load_suite(place[0]).setting(place[2]).assets)]
    for number in (2, 4):
        own = draw(number, cached, tmp_path / f"own{number}", **more)
        assert own == {name: shared[1][name] for name in own}


def some_settings(suite: Suite) -> list[str]:
    """The last setting, and the last that shows a video."""
    videos = [setting.name for setting in suite.settings if VIDEO_ASSETS.intersection(setting.assets)]
    return sorted({suite.settings[-1].name, *videos[-1:]})


def test_pictures_depend_on_no_process(tmp_path: Path, photographs: Path, comma: Mapping[str, str]) -> None:
    suites = [load_suite(name) for name in suite_names()]
    places = [(suite.name, suite.tasks[-1], setting) for suite in suites for setting in some_settings(suite)]
    assert {name for name, _, _ in places} == set(suite_names())
    check(places, tmp_path, photographs, comma, "fast")


@pytest.mark.slow
@pytest.mark.exhaustive
def test_pictures_of_every_setting_depend_on_no_process(
    tmp_path: Path, photographs: Path, comma: Mapping[str, str]
) -> None:
    """Every setting of every suite, and every task at least once, drawn as the published code draws them."""
    places = []
    for suite in map(load_suite, suite_names()):
        tasks, settings = suite.all_tasks, suite.all_settings
        for number in range(max(len(tasks), len(settings))):
            places.append((suite.name, tasks[number % len(tasks)], settings[number % len(settings)].name))
    check(places, tmp_path, photographs, comma, "standard")


def run_random(folder: Path, cache: Path, first: tuple[str, ...]) -> list[dict[str, Any]]:
    """What rows say was seen, of a run in a fresh cache, after another command or none."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache), "PYTHONPATH": str(ROOT)}
    run = ("run", "--suite", "video_hard", "--agent", "random", "--task", "walker_walk", "--episodes", "1")
    folder.mkdir()
    for command in filter(None, (first, run)):
        arguments = [sys.executable, "-m", "harness", *command]
        subprocess.run(arguments, check=True, env=environment, cwd=folder, capture_output=True)
    (run_folder,) = (folder / "runs").iterdir()
    return load_rows(run_folder)[SEEN].to_dict("records")


@pytest.mark.slow
def test_a_run_has_the_same_rows_before_and_after_a_preview(tmp_path: Path, asset_store: AssetStore) -> None:
    """A preview takes the machine's threads and a run one; both keep their videos in the same place."""
    asset_store.find("video_hard")
    preview = ("preview", "--suite", "video_hard", "--task", "walker_walk", "--out", "sheet.png", "--episode", "0")
    alone = run_random(tmp_path / "alone", tmp_path / "cache1", ())
    after = run_random(tmp_path / "after", tmp_path / "cache2", preview)
    assert alone == after
    assert {row["setting"] for row in alone} == {"train", "video_hard"}
