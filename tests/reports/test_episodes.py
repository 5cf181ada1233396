"""Which episodes a report shows, and what it says of them."""

from __future__ import annotations

import pandas as pd

from harness.reports.episodes import Choice, Clip, chosen_episodes, episode_sections, picture_of_clip
from harness.reports.leaderboard import SuiteFacts
from harness.reports.pages import Notes, Picture

FACTS = {"video_hard": SuiteFacts("video_hard", ("walk",), ("video_hard",), metric="success")}


def told(rows, facts=None):
    return [(c.kind, c.setting, c.task, c.train_seed, c.episode) for c in chosen_episodes(rows, facts or {})]


def test_best_median_and_worst_of_each_setting_over_tasks_and_seeds(cell):
    rows = pd.concat(
        [cell("walk", "train", [3, 1, 2], None), cell("walk", "hard", [5, 9], 0), cell("run", "hard", [7, 6, 8], 1)]
    )
    assert told(rows) == [
        ("best", "hard", "walk", 0, 1),
        ("median", "hard", "run", 1, 0),
        ("worst", "hard", "walk", 0, 0),
        ("best", "train", "walk", None, 0),
        ("median", "train", "walk", None, 2),
        ("worst", "train", "walk", None, 1),
    ]


def test_success_counts_first_where_it_is_the_metric(cell):
    rows = cell("walk", "video_hard", [9, 1, 2, 3], 0, success=[False, True, True, False])
    assert [c[-1] for c in told(rows, FACTS)] == [2, 1, 3]
    assert [c[-1] for c in told(rows)] == [0, 3, 1]


def test_of_few_episodes_none_is_shown_twice_and_imported_ones_never(cell):
    assert [c[0] for c in told(cell("walk", "train", [1]))] == ["best"]
    assert [c[0] for c in told(cell("walk", "train", [1, 2]))] == ["best", "worst"]
    assert told(cell("walk", "train", [1, 2], origin="m.csv")) == []


def test_a_caption_says_whether_it_is_the_same_episode():
    choice = Choice("best", "r", "hard", "walk", 3, 7, 10)
    same, other = (picture_of_clip(Clip(choice, b"RIFF", 1.5, now, now == 1.5)) for now in (1.5, 2.25))
    assert same.caption == (
        "hard: best of 10, walk, training seed 3, episode 7: return 1.5, the same when played again."
    )
    assert "return 1.5, 2.25 when played again for this page, so it was not the same episode" in other.caption
    assert same.source == "data:image/webp;base64,UklGRg=="


def test_what_is_refused_is_told_in_its_section():
    clip = Clip(Choice("best", "a", "hard", "walk", None, 0, 1), b"", 0.0, 0.0, True)
    sections = episode_sections([clip], {"b": "gone."})
    assert [section.title for section in sections] == [f"Episodes as the agent saw them: {run}" for run in "ab"]
    assert isinstance(sections[0].blocks[0], Picture)
    assert sections[1].blocks == (Notes(("Not played again: gone.",)),)
