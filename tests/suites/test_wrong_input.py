"""Wrong wishes about the suites end in one sentence on the command line, before any work; so do missing files."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from harness import cli
from harness.errors import UsageError
from harness.suites.shifts.table_texture import picture_path

RUN = ("run", "--agent", "random", "--suite")
PAPER = ("run", "--agent", "random", "--preset", "paper", "--suite")
COLLECT = ("demos", "collect", "--suite")

# What a first argument stands for is tried with third-party files and without.
WRONG = {
    "a task of another suite": ((*RUN, "dmcgb2", "--task", "reach_duplo"), "Unknown task 'reach_duplo'. Tasks: ball"),
    "a task misspelt": ((*RUN, "drawerworld", "--task", "drawer_opem"), "Did you mean 'drawer_open'"),
    "a task of another suite to look at": (
        ("preview", "--suite", "adroit_vigen", "--task", "relocate"),
        "Unknown task",
    ),
    "a task of another suite to show": ((*COLLECT, "adroit_distractors", "--task", "push"), "Unknown task 'push'"),
    "an unknown texture": ((*RUN, "drawerworld", "--shift", "woood+light=2"), "Did you mean 'wood'"),
    "a shift that does not exist": ((*RUN, "drawerworld", "--shift", "textures=0.5"), "Unknown shift 'textures'"),
    "a shift of another domain": ((*RUN, "drawerworld", "--shift", "arm_thickness=1"), "does not work on this suite"),
    "a texture beyond its range": ((*RUN, "drawerworld", "--shift", "table_texture=1.5"), "from 0 to 1"),
    "an intensity beyond its range": ((*RUN, "video_hard", "--shift", "distracting_camera=1.5"), "from 0 to 1"),
    "a negative intensity": ((*RUN, "video_hard", "--shift", "distracting_color=-0.1"), "not -0.1"),
    "an intensity that is no number": ((*RUN, "video_hard", "--shift", "distracting_color=nan"), "with a number"),
    "a light beyond its range": ((*RUN, "adroit_distractors", "--shift", "light=9"), "from 0 to 4"),
    "a brick beyond its range": ((*RUN, "jaco_deformed", "--shift", "target_scale=9"), "from 0.5 to 2.5"),
    "a thickness beyond its range": (("preview", "--suite", "jaco_deformed", "--shift", "arm_thickness=2"), "to 1.5"),
    "nobody demonstrates": ((*COLLECT, "jaco_deformed", "--task", "reach_duplo"), "offers no expert"),
    "no human demonstrates": ((*COLLECT, "adroit_distractors", "--task", "pen", "--source", "human"), "only of door"),
}
ABSENT = {
    "DAVIS": ((*PAPER, "distracting_cs"), "unpack it so that DIR/DAVIS/JPEGImages/480p exists and pass --assets DIR"),
    "textures": ((*PAPER, "drawerworld"), "Run: harness assets fetch drawerworld"),
    "videos": ((*PAPER, "dmcgb2"), "Run: harness assets fetch"),
    "an expert": ((*COLLECT, "adroit_distractors", "--task", "hammer"), "put adroit/expert_hammer.npz below a folder"),
    "recordings": (
        (*COLLECT, "adroit_distractors", "--task", "door", "--source", "human"),
        "put adroit/door_demos.npz below a folder",
    ),
    "an asset that is not fetched": (("assets", "fetch", "davis"), "'davis' cannot be fetched. DAVIS-2017"),
}


@pytest.fixture
def sentence(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., str]:
    """Runs a command that is refused, in an empty folder; returns the one line it says."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def call(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["harness", *arguments])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        captured = capfd.readouterr()
        assert (stop.value.code, captured.out) == (2, "")
        assert not list(folder.iterdir())
        (line,) = captured.err.splitlines()
        return line

    return call


@pytest.mark.parametrize("case", WRONG)
def test_wrong_wishes(case: str, sentence: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    arguments, words = WRONG[case]
    said = sentence(*arguments)
    assert words in said
    monkeypatch.delenv("HARNESS_ASSETS", raising=False)
    assert sentence(*arguments) == said


@pytest.mark.parametrize("case", ABSENT)
def test_missing_files(case: str, sentence: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HARNESS_ASSETS", raising=False)
    arguments, words = ABSENT[case]
    assert words in sentence(*arguments)


def test_a_folder_with_some_of_the_videos(sentence: Callable[..., str], tmp_path: Path) -> None:
    folder = tmp_path / "DAVIS" / "JPEGImages" / "480p" / "bear"
    folder.mkdir(parents=True)
    Image.new("RGB", (64, 36)).save(folder / "00000.jpg")
    said = sentence(*PAPER, "distracting_cs", "--assets", str(tmp_path))
    assert "1 of the 2 DAVIS videos that are shown lack pictures, such as 'bmx-bumps'" in said


@pytest.mark.parametrize("name", ["metaworld/wod", "adroit/wood99", "nowhere/wood", "wood"])
def test_unknown_pictures_of_the_adroit_table(name: str) -> None:
    with pytest.raises(UsageError, match=f"There is no texture '{name}'"):
        picture_path(name)
