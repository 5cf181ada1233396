"""harness/preview.py: the sheet on a real suite, the strip on the dots."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from harness import testing
from harness.environment import make_env
from harness.errors import UsageError, WorkError
from harness.preview import FONT_SIZE, MARGIN, SEAM, contact_sheet, episode_strip, picture, play
from harness.spec import Setting
from harness.suites.adroit_distractors import SUITE as ADROIT
from harness.suites.color_hard import SUITE
from tests.made_assets import FakeStore

STORE = FakeStore({})  # stand-ins only


@pytest.mark.render
def test_sheet_shows_the_agents_own_pictures(tmp_path) -> None:
    path = tmp_path / "sheet.png"
    tasks = ("cartpole_swingup", "finger_spin")
    sheet = contact_sheet(SUITE, STORE, size=168, profile="fast", tasks=tasks, save_to=path)
    pixels = np.asarray(sheet)
    np.testing.assert_array_equal(np.asarray(Image.open(path)), pixels)
    found = 0
    for task in tasks:
        for setting in ("train", "color_hard"):
            enlarged = picture(SUITE, task, setting, STORE, "fast").repeat(2, axis=0).repeat(2, axis=1)
            windows = np.argwhere((pixels[:-167, :-167] == enlarged[0, 0]).all(-1))
            found += any(np.array_equal(pixels[y : y + 168, x : x + 168], enlarged) for y, x in windows)
    assert found == 4


@pytest.mark.render
def test_sheet_shows_all_cameras_of_a_task_one_below_the_other() -> None:
    """Light is not to be seen from below, where relocate's first camera stands."""
    suite = replace(ADROIT, settings=ADROIT.settings[:1])
    sheet = np.asarray(contact_sheet(suite, STORE, size=84, profile="fast", tasks=("door", "relocate")))
    assert len(sheet) == 2 * MARGIN + FONT_SIZE + (84 + MARGIN) + (3 * 84 + 2 * SEAM + MARGIN)
    train, light = (picture(suite, "relocate", name, STORE, "fast") for name in ("train", "light_position"))
    assert train.shape == (3 * len(train[0]), len(train[0]), 3)
    for shown in (train, light):
        views = [np.asarray(Image.fromarray(view).resize((84, 84), 0)) for view in np.split(shown, 3)]
        column = sheet[-3 * 84 - 2 * SEAM - MARGIN : -MARGIN]
        expected = np.full((len(column), 84, 3), 255, np.uint8)
        for number, view in enumerate(views):
            expected[number * (84 + SEAM) :][:84] = view
        assert any(np.array_equal(column[:, x : x + 84], expected) for x in range(sheet.shape[1] - 83))
    assert [(a != b).any() for a, b in zip(np.split(train, 3), np.split(light, 3), strict=True)][1:] == [True, True]


def test_wrong_use_fails_before_any_work(tmp_path) -> None:
    with pytest.raises(UsageError, match="at least 16"):
        contact_sheet(SUITE, STORE, size=3)
    with pytest.raises(UsageError, match=r"does not end in \.png"):
        contact_sheet(SUITE, STORE, save_to=tmp_path / "sheet.jpg")
    with pytest.raises(UsageError, match="Did you mean 'finger_spin'"):
        contact_sheet(SUITE, STORE, tasks=("finger_spim",))


@pytest.mark.render
def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path) -> None:
    with pytest.raises(WorkError, match="Cannot write"):
        contact_sheet(SUITE, STORE, profile="fast", tasks=("finger_spin",), save_to=tmp_path / "no" / "s.png")


def strip_frames(path: Path) -> list[np.ndarray]:
    with Image.open(path) as image:
        return [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(image)]


def test_strip_has_a_frame_per_moment_and_a_picture_per_setting(tmp_path) -> None:
    path = tmp_path / "dots.gif"
    assert episode_strip(testing.SUITE, "dot_reach", STORE, num_steps=7, size=48, save_to=path) == 8
    frames = strip_frames(path)
    assert len(frames) == 8
    assert {frame.shape for frame in frames} == {frames[0].shape}
    assert all((a != b).any() for a, b in pairwise(frames))
    narrow = tmp_path / "train.gif"
    episode_strip(testing.SUITE, "dot_reach", STORE, settings=("train",), num_steps=2, size=48, save_to=narrow)
    assert frames[0].shape[0] == strip_frames(narrow)[0].shape[0]
    assert frames[0].shape[1] - strip_frames(narrow)[0].shape[1] >= 48 + MARGIN


def test_strip_shows_the_agents_own_pictures(tmp_path) -> None:
    path = tmp_path / "train.gif"
    episode_strip(testing.SUITE, "dot_stay", STORE, settings=("train",), num_steps=3, size=48, save_to=path)
    env = make_env(testing.SUITE, "dot_stay", "train", assets=STORE)
    env.reset(seed=0)
    env.action_space.seed(0)
    for frame in strip_frames(path):
        enlarged = env.render().repeat(2, axis=0).repeat(2, axis=1)
        shown = frame[-48 - MARGIN : -MARGIN]
        columns = (shown != 255).any((0, 2)).nonzero()[0]
        left = columns[-1] - 47  # the picture is what stands furthest to the right; it has no white
        difference = np.abs(shown[:, left : left + 48].astype(int) - enlarged)
        assert difference.max() <= 2  # the palette holds 256 colours
        env.step(env.action_space.sample())


def test_all_settings_of_a_strip_play_the_same_actions_and_stop_with_the_episode(tmp_path) -> None:
    quiet = replace(testing.SUITE, settings=(Setting("quiet", ()),))
    pictures = {name: play(quiet, "dot_reach", name, STORE, "standard", 100) for name in ("train", "quiet")}
    np.testing.assert_array_equal(pictures["train"], pictures["quiet"])
    assert len(pictures["train"]) == 26  # 50 control steps, two a step, and the reset
    path = tmp_path / "long.gif"
    assert episode_strip(quiet, "dot_reach", STORE, num_steps=100, size=48, save_to=path) == 26


def test_previews_show_the_episode_asked_for(tmp_path) -> None:
    env = make_env(testing.SUITE, "dot_reach", "train", assets=STORE)
    pictures = []
    for episode in (0, 3):
        observation, _ = env.reset(seed=0, options={"episode": episode})
        shown = play(testing.SUITE, "dot_reach", "train", STORE, "standard", 2, episode)
        np.testing.assert_array_equal(shown[0], observation[-3:].transpose(1, 2, 0))
        strip = tmp_path / f"{episode}.gif"
        episode_strip(testing.SUITE, "dot_reach", STORE, num_steps=2, size=48, episode=episode, save_to=strip)
        sheet = contact_sheet(testing.SUITE, STORE, size=48, tasks=("dot_reach",), episode=episode)
        pictures.append((shown[-1], strip_frames(strip)[-1], np.asarray(sheet)))
    assert all((first != fourth).any() for first, fourth in zip(*pictures, strict=True))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"num_steps": 0}, "at least 1 step, not 0"),
        ({"size": 3}, "at least 16"),
        ({"save_to": Path("dots.png")}, r"does not end in \.gif"),
        ({"settings": ()}, "at least one setting"),
        ({"settings": ("backdrp",)}, "Did you mean 'backdrop'"),
        ({"task": "dot_reech"}, "Did you mean 'dot_reach'"),
    ],
)
def test_wrong_use_of_a_strip_fails_before_any_work(changed, words, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("harness.preview.make_env", lambda *_, **__: pytest.fail("an environment was made"))
    options = {"task": "dot_reach", "save_to": Path("dots.gif"), **changed}
    with pytest.raises(UsageError, match=words):
        episode_strip(testing.SUITE, options.pop("task"), STORE, **options)
    assert not list(tmp_path.iterdir())


def test_a_strip_that_cannot_be_written_is_one_sentence(tmp_path) -> None:
    with pytest.raises(WorkError, match="Cannot write"):
        episode_strip(testing.SUITE, "dot_reach", STORE, num_steps=1, save_to=tmp_path / "no" / "dots.gif")


@pytest.mark.render
def test_strip_of_a_real_suite(tmp_path) -> None:
    path = tmp_path / "cartpole.gif"
    episode_strip(SUITE, "cartpole_swingup", STORE, num_steps=3, profile="fast", save_to=path)
    frames = strip_frames(path)
    assert len(frames) == 4
    assert (frames[0] != frames[-1]).any()
