"""The sentence for a name that does not exist."""

from __future__ import annotations

import os

import pytest

from harness.errors import unknown


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("suite", "Unknown suite 'vido'. Did you mean 'video'? Suites: color, video"),
        ("policy", "Unknown policy 'vido'. Did you mean 'video'? Policies: color, video"),
        (
            "setting of agent pieg",
            "Unknown setting of agent pieg 'vido'. Did you mean 'video'? Settings of agent pieg: color, video",
        ),
    ],
)
def test_what_there_is_and_what_is_nearest(kind: str, said: str) -> None:
    assert str(unknown(kind, "vido", ["video", "color"])) == said


def test_of_very_many_names_only_the_nearest_are_listed() -> None:
    assert len(vars(os)) > 200
    said = str(unknown("attribute of os", "getcw", [name for name in vars(os) if not name.startswith("_")]))
    assert said.startswith("Unknown attribute of os 'getcw'. Did you mean 'getcwd'? Attributes of os: getcwd, ")
    assert said.endswith(" in all")
    assert len(said) < 250
    assert str(unknown("task", "zzz", map(str, range(61)))) == "Unknown task 'zzz'. Tasks: 61 in all"
    assert str(unknown("task", "zzz", map(str, range(60)))).count(",") == 59
