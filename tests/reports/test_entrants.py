"""Who may be compared with whom: one column per way of being measured, one board per set of conditions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from harness.reports.entrants import ACROSS, fields_apart, find_entrants, into_boards, told_apart


def entrants_of(*cells: pd.DataFrame):
    return find_entrants(pd.concat(cells, ignore_index=True))


def test_agents_measured_alike_are_entrants_of_one_board(cell):
    a = cell("walker_walk", "train", [1, 2], agent="a", run_id="ra", config_hash="ca", training="ta")
    b = cell("walker_walk", "train", [1, 2], agent="b", run_id="rb", config_hash="cb", training="tb")
    entrants, who = entrants_of(a, b)
    assert [entrant.label for entrant in entrants] == ["a", "b"]
    assert who.tolist() == [0, 0, 1, 1]
    assert into_boards(entrants) == [[0, 1]]
    assert fields_apart(*entrants) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("suite_version", 2),
        ("preset", "laptop"),
        ("train_frames", 5),
        ("action_repeat", 4),
        ("frame_stack", 1),
        ("image_size", 48),
        ("episode_frames", 200),
        ("render_profile", "fast"),
        ("packages_json", '{"mujoco":"3.4.0"}'),
        ("compute", "cuda"),
        ("gl_renderer", "NVIDIA"),
        ("code_revision", "def"),
    ],
)
def test_each_condition_keeps_agents_on_boards_of_their_own_and_is_named(cell, field, value):
    a = cell("walker_walk", "hard", [1, 2], agent="a", run_id="ra")
    b = cell("walker_walk", "hard", [1, 2], agent="b", run_id="rb", **{field: value})
    entrants, _ = entrants_of(a, b)
    assert into_boards(entrants) == [[0], [1]]
    assert fields_apart(*entrants) == [field]
    (told,) = told_apart(*entrants)
    assert told.startswith(f"{field}: a ")
    assert field in ACROSS
    assert into_boards(entrants, [field]) == [[0, 1]]


@pytest.mark.parametrize("field", ["config_hash", "training", "agent_version", "code_revision", "notes", "assets_json"])
def test_rows_of_one_agent_whose_keys_differ_never_share_a_column(cell, field):
    value = {"agent_version": 2, "assets_json": '{"x":"1"}'}.get(field, "other")
    a = cell("walker_walk", "hard", [1, 2], run_id="ra")
    b = cell("walker_walk", "hard", [1, 2], run_id="rb", **{field: value})
    entrants, who = entrants_of(a, b)
    assert [entrant.label for entrant in entrants] == ["pieg (a)", "pieg (b)"]
    assert who.tolist() == [0, 0, 1, 1]
    names = {"training": "trained under other conditions"}
    assert any(text.startswith(names.get(field, field)) for text in told_apart(*entrants))


def test_notes_and_assets_of_its_own_keep_no_agent_apart_but_another_file_under_one_name_does(cell):
    a = cell("walker_walk", "hard", [1], agent="a", assets_json='{"videos":"1"}')
    b = cell("walker_walk", "hard", [1], agent="b", assets_json='{"videos":"1","weights":"2"}', notes="6 textures")
    c = cell("walker_walk", "hard", [1], agent="c", assets_json='{"videos":"9"}')
    entrants, _ = entrants_of(a, b, c)
    assert into_boards(entrants) == [[0, 1], [2]]
    assert fields_apart(entrants[0], entrants[2]) == ["assets_json"]
    assert entrants[1].notes() == ["6 textures"]


def test_an_agent_that_is_not_trained_stands_on_every_board_it_fits(cell):
    a = cell("walker_walk", "hard", [1], agent="a", train_frames=10, compute="cuda")
    b = cell("walker_walk", "hard", [1], agent="b", train_frames=20)
    random = cell("walker_walk", "hard", [1], agent="random", train_frames=0, training="", compute="cpu, 2 threads")
    entrants, _ = entrants_of(a, b, random)
    assert into_boards(entrants) == [[0, 2], [1, 2]]


def test_one_agent_in_several_suites_is_one_entrant_where_that_is_clear(cell):
    cells = [
        cell("walker_walk", "easy", [1], suite="video_easy", run_id="r1", training="t1"),
        cell("walker_walk", "hard", [1], suite="video_hard", run_id="r2", training="t2"),
    ]
    entrants, who = entrants_of(*cells)
    assert [entrant.label for entrant in entrants] == ["pieg"]
    assert list(entrants[0].variants) == ["video_easy", "video_hard"]
    again = cell("walker_walk", "hard", [1], suite="video_hard", run_id="r3", training="t1")
    entrants, who = entrants_of(*cells, again)  # two in video_hard: the one trained as in video_easy goes with it
    assert [sorted(entrant.variants) for entrant in entrants] == [["video_easy", "video_hard"], ["video_hard"]]
    assert who.tolist() == [0, 1, 0]


def test_a_million_letters_are_not_needed_but_27_columns_work(cell):
    cells = [cell("walker_walk", "hard", [1], run_id=f"r{n:02d}", config_hash=f"c{n:02d}") for n in range(27)]
    entrants, who = entrants_of(*cells)
    assert entrants[26].label == "pieg (aa)"
    assert who.tolist() == list(range(27))


def test_categories_change_nothing(cell):
    rows = pd.concat(
        [
            cell("walker_walk", "hard", [1, 2], run_id="b", code_revision="x"),
            cell("walker_run", "hard", [1, 2], run_id="a", code_revision="y", train_seed=None),
        ],
        ignore_index=True,
    )
    texts = [name for name in rows if rows[name].map(type).eq(str).all()]
    plain, coded = find_entrants(rows), find_entrants(rows.astype(dict.fromkeys(texts, "category")))
    assert [e.label for e in plain[0]] == [e.label for e in coded[0]]
    assert np.array_equal(plain[1], coded[1])
