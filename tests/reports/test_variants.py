"""Rows measured differently never share a variant; rows measured alike always do."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from harness.reports.entrants import find_entrants, told_apart
from harness.reports.filling import build_table, expected_from_rows
from harness.reports.leaderboard import SuiteFacts
from harness.reports.ranking import build_leaderboard
from harness.reports.variants import CELL_FIELDS, assign_variants, differences
from harness.results.comparison_key import COMPARISON_KEY

RUN_WIDE = [name for name in COMPARISON_KEY if name not in CELL_FIELDS]
OF_A_TASK = ("config_hash", "training", "train_frames", "action_repeat", "episode_frames")
OTHER = {"train_frames": 7, "action_repeat": 4, "frame_stack": 1, "image_size": 64, "episode_frames": 500}
OTHER |= {"suite_version": 2, "agent_version": 2, "assets_json": '{"video":"ff"}', "packages_json": '{"torch":"2.12"}'}


def labels(frame):
    variants, index = assign_variants(frame)
    return [variants[i].label for i in index]


def test_cells_of_one_run_are_one_variant_although_their_fields_differ(cell):
    frame = pd.concat(
        [
            cell("walker_walk", "train", [1], config_hash="c1", train_frames=5),
            cell("walker_walk", "hard", [1], config_hash="c1", train_frames=5, assets_json='{"v":"1"}', stand_ins="v"),
            cell("cheetah_run", "train", [1], config_hash="c2", train_frames=9, action_repeat=4),
        ]
    )
    assert labels(frame) == ["pieg"] * 3
    variants, _ = assign_variants(frame)
    assert differences(variants) == []
    assert variants[0].values("train_frames") == [5, 9]


@pytest.mark.parametrize("name", [name for name in COMPARISON_KEY if name not in ("task", "setting", "suite")])
@pytest.mark.parametrize("run", ["r1", "r2"])
def test_any_field_of_the_key_separates_rows_of_one_cell(cell, name, run):
    other = OTHER.get(name, "other")
    frame = pd.concat(
        [cell("walker_walk", "train", [1, 2]), cell("walker_walk", "train", [3], run_id=run, **{name: other})]
    )
    found = labels(frame)
    assert found[0] == found[1] != found[2]
    variants, _ = assign_variants(frame)
    texts = differences(variants)
    if name == "agent":
        assert found == ["pieg", "pieg", "other"]
        assert texts == []
    else:
        assert found == ["pieg (a)", "pieg (a)", "pieg (b)"]
        (text,) = texts
        told = "trained under other conditions" if name == "training" else name
        assert text.startswith(f"{told}: pieg (a) ")


def test_runs_that_agree_where_they_overlap_are_one_variant(cell):
    frame = pd.concat(
        [
            cell("walker_walk", "train", [1], config_hash="c1"),
            cell("cheetah_run", "train", [1], config_hash="c2"),
            cell("walker_walk", "train", [1], config_hash="c1", train_seed=1, run_id="r2"),
        ]
    )
    assert labels(frame) == ["pieg"] * 3


def test_runs_without_overlap_need_the_same_settings(cell):
    alike = [cell("walker_walk", "train", [1]), cell("cheetah_run", "train", [1], run_id="r2")]
    assert labels(pd.concat(alike)) == ["pieg"] * 2
    unlike = [cell("walker_walk", "train", [1]), cell("cheetah_run", "train", [1], run_id="r2", config_hash="c9")]
    assert labels(pd.concat(unlike)) == ["pieg (a)", "pieg (b)"]


@pytest.mark.parametrize("name", ["gl_renderer", "code_revision", "packages_json", "compute", "preset"])
def test_what_must_be_the_same_throughout_separates_whole_cells_too(cell, name):
    other = OTHER.get(name, "other")
    frame = pd.concat([cell("walker_walk", "train", [1]), cell("cheetah_run", "train", [1], **{name: other})])
    assert labels(frame) == ["pieg (a)", "pieg (b)"]
    variants, _ = assign_variants(frame)
    assert [text.partition(":")[0] for text in differences(variants)] == [name]


def test_only_the_differing_entries_of_json_are_told(cell):
    new = '{"mujoco":"3.3.0","torch":"2.14.0"}'
    frame = pd.concat([cell("walker_walk", "train", [1]), cell("walker_walk", "train", [1], packages_json=new)])
    variants, _ = assign_variants(frame)
    assert differences(variants) == ["packages_json: pieg (a) torch=2.13.0, pieg (b) torch=2.14.0"]


def test_agents_are_told_apart_by_name_and_warned_about_what_is_not_theirs(cell):
    frame = pd.concat(
        [
            cell("walker_walk", "train", [1]),
            cell(
                "walker_walk",
                "train",
                [1],
                run_id="r2",
                agent="svea",
                config_hash="c9",
                training="t9",
                gl_renderer="NVIDIA",
            ),
        ]
    )
    variants, _ = assign_variants(frame)
    assert labels(frame) == ["pieg", "svea"]
    assert differences(variants) == ["gl_renderer: pieg llvmpipe, svea NVIDIA"]


def test_an_agent_without_training_may_stand_beside_a_trained_one(cell):
    trained = cell("walker_walk", "train", [1], compute="cpu, threads 2; evaluated on cpu, threads 1")
    random = {"agent": "random", "run_id": "r2", "config_hash": "c9", "training": "", "train_frames": 0}
    untrained = cell("walker_walk", "train", [1], compute="cpu", **random)
    variants, _ = assign_variants(pd.concat([trained, untrained]))
    assert differences(variants) == []
    other = cell("walker_walk", "train", [1], agent="svea", run_id="r3", config_hash="c8", train_frames=5)
    variants, _ = assign_variants(pd.concat([trained, untrained, other]))
    assert [text.partition(":")[0] for text in differences(variants)] == ["train_frames", "compute"]
    assert "random" not in " ".join(differences(variants))


def test_cells_of_one_run_may_have_their_own_training_conditions(cell):
    cells = [cell("walker_walk", "train", [1], training="t1"), cell("cheetah_run", "train", [1], training="t2")]
    assert labels(pd.concat(cells)) == ["pieg"] * 2


def test_no_rows_no_variants(cell):
    assert assign_variants(cell("walker_walk", "train", [1]).iloc[:0]) == ([], [])
    assert "gl_renderer" in RUN_WIDE


def gaps(frame):
    """Every gap of the table and of the leaderboard of some rows."""
    table = build_table(frame, expected_from_rows(frame))
    facts = {"video_hard": SuiteFacts("video_hard", ("walker_walk",), ("hard",))}
    boards = build_leaderboard(frame, facts).boards
    standings = [s for board in boards for ranking in board.rankings for s in ranking.standings]
    return [line.gap for line in table.lines if line.gap] + [s.gap for s in standings if s.gap]


def pair(cell, run: str, **others):
    """A training and a shifted cell with a gap of 100; `others` hold for the shifted one."""
    train = cell("walker_walk", "train", [300, 320])
    return pd.concat([train, cell("walker_walk", "hard", [200, 220], run_id=run, **others)])


@pytest.mark.parametrize("run", ["r1", "r2"])
def test_a_gap_within_what_was_measured_alike(cell, run):
    assert {gap.mean for gap in gaps(pair(cell, run))} == {100.0}


@pytest.mark.parametrize("name", OF_A_TASK)
@pytest.mark.parametrize("run", ["r1", "r2"])
def test_a_field_of_the_task_keeps_training_and_shifted_rows_apart(cell, name, run):
    frame = pair(cell, run, **{name: OTHER.get(name, "other")})
    assert labels(frame) == ["pieg (a)"] * 2 + ["pieg (b)"] * 2
    assert gaps(frame) == []
    variants, _ = assign_variants(frame)
    (text,) = differences(variants)
    told = "trained under other conditions" if name == "training" else name
    assert text.startswith(f"{told}: pieg (a) ")
    assert told_apart(*find_entrants(frame)[0]) == [text]


@pytest.mark.parametrize("name", OF_A_TASK)
def test_a_field_of_the_task_splits_only_where_it_differs(cell, name):
    other = {name: OTHER.get(name, "other")}
    frame = pd.concat([pair(cell, "r1", **other), cell("cheetah_run", "train", [1]), cell("cheetah_run", "hard", [1])])
    found = labels(frame)
    assert found[0] == found[1] != found[2] == found[3]
    assert found[4] == found[5] == found[0]


@pytest.mark.parametrize("run", ["r1", "r2"])
@pytest.mark.parametrize("seed", [0, None])
def test_two_policies_of_one_task_and_seed_are_two_variants(cell, run, seed):
    train = cell("walker_walk", "train", [300, 320], seed, checkpoint="aa" * 32)
    other = cell("walker_walk", "hard", [200, 220], seed, checkpoint="bb" * 32, run_id=run)
    frame = pd.concat([train, other])
    assert labels(frame) == ["pieg (a)"] * 2 + ["pieg (b)"] * 2
    assert gaps(frame) == []
    place = "walker_walk" if seed is None else "walker_walk, training seed 0"
    (text,) = differences(assign_variants(frame)[0])
    assert text == f"checkpoint: pieg (a) {'aa' * 8}, pieg (b) {'bb' * 8} ({place})"
    assert told_apart(*find_entrants(frame)[0]) == [text]
    assert any(text in note for note in build_table(frame, expected_from_rows(frame)).footnotes)
    assert text in build_leaderboard(frame, {}).why[0]


def test_one_policy_measured_in_two_runs_has_a_gap(cell):
    train = cell("walker_walk", "train", [300, 320], checkpoint="aa")
    frame = pd.concat([train, cell("walker_walk", "hard", [200, 220], checkpoint="aa", run_id="r2")])
    assert {gap.mean for gap in gaps(frame)} == {100.0}


def test_policies_of_other_seeds_and_tasks_are_one_variant(cell):
    cells = [
        cell(task, setting, [1], seed, checkpoint=f"{task} {seed}")
        for seed in (0, 1)
        for task in ("walker_walk", "cheetah_run")
        for setting in ("train", "hard")
    ]
    frame = pd.concat(cells)
    assert set(labels(frame)) == {"pieg"}
    assert differences(assign_variants(frame)[0]) == []


def test_a_policy_trained_anew_takes_only_its_own_rows_along(cell):
    cells = [cell("walker_walk", s, [1], seed, checkpoint=f"old {seed}") for seed in (0, 1) for s in ("train", "hard")]
    anew = [cell("walker_walk", setting, [5], 1, checkpoint="new 1") for setting in ("hard", "light")]
    assert labels(pd.concat([*cells, *anew])) == ["pieg (a)"] * 4 + ["pieg (b)"] * 2


def test_the_same_episode_of_two_policies_is_no_repeat(cell):
    frame = pd.concat([cell("walker_walk", "train", [1], checkpoint=name) for name in ("aa", "bb")])
    assert {line.agent for line in build_table(frame, expected_from_rows(frame)).lines} == {"pieg (a)", "pieg (b)"}
    assert not any("Measured twice" in note for note in build_table(frame, expected_from_rows(frame)).footnotes)
    assert build_leaderboard(frame, {}).notes == ()


def test_policies_in_several_suites_are_one_entrant_only_if_no_seed_has_two(cell):
    easy = cell("walker_walk", "easy", [1], suite="video_easy", checkpoint="aa")
    hard = {"suite": "video_hard", "run_id": "r2"}
    for digest, training, expected in (("aa", "t0", 1), ("bb", "t0", 2), ("bb", "trained in video_hard", 1)):
        other = cell("walker_walk", "hard", [1], checkpoint=digest, training=training, **hard)
        assert len(find_entrants(pd.concat([easy, other]))[0]) == expected


@pytest.mark.parametrize("seed", range(20))
def test_no_variant_of_random_rows_holds_two_of_anything(cell, seed):
    rng = np.random.default_rng(seed)
    cells = []
    for run, task, setting, train_seed in itertools.product("12", ("walker", "cheetah"), ("train", "hard"), (0, 1)):
        others = {name: rng.choice([1, 1, 1, 2]) for name in ("train_frames", "episode_frames", "suite_version")}
        others |= {name: rng.choice(["a", "a", "a", "b"]) for name in ("config_hash", "notes", "checkpoint")}
        cells.append(cell(task, setting, [1], train_seed, run_id=run, **others))
    frame = pd.concat(cells, ignore_index=True)
    for found in (assign_variants(frame)[1], find_entrants(frame)[1]):
        mine = frame.assign(variant=found)
        assert mine.groupby("variant")["suite_version"].nunique().max() == 1
        assert mine.groupby(["variant", "task", "setting"])["notes"].nunique().max() == 1
        of_task = mine.groupby(["variant", "task"])[["config_hash", "train_frames", "episode_frames"]].nunique()
        assert of_task.max().max() == 1
        assert mine.groupby(["variant", "task", "train_seed"])["checkpoint"].nunique().max() == 1
