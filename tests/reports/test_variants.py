"""Rows measured differently never share a variant; rows measured alike always do."""

from __future__ import annotations

import pandas as pd
import pytest

from harness.reports.variants import CELL_FIELDS, assign_variants, differences
from harness.results.comparison_key import COMPARISON_KEY

RUN_WIDE = [name for name in COMPARISON_KEY if name not in CELL_FIELDS]
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
