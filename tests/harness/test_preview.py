"""harness/preview.py on a real suite."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from harness.errors import UsageError, WorkError
from harness.preview import contact_sheet, picture
from suites.color_hard import SUITE
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
