"""Published numbers arrive as printed, marked, in one unit, and never out of nothing."""

from __future__ import annotations

import csv
import math

import pytest

from harness.results.published import (
    AGENTS,
    FOLDER,
    MAIN_AGENTS,
    SOURCES,
    compared_agents,
    load_published,
    mean_over,
    published_cell,
)

MAIN = ("PIE-G", "SVEA", "DrQ", "DrQ-v2", "TLDA")


def test_every_line_of_every_file_is_loaded():
    lines = {path.stem: len(list(csv.DictReader(path.open()))) for path in FOLDER.glob("*.csv")}
    table = load_published()
    assert lines.keys() == set(SOURCES)
    assert table["file"].value_counts().to_dict() == lines
    assert table["missing"].sum() == 12 + 72
    assert table.loc[table["missing"], "mean"].isna().all()
    assert table.loc[~table["missing"], "mean"].notna().all()


def test_success_is_a_fraction_everywhere():
    table = load_published()
    success = table[(table["metric"] == "success") & ~table["missing"]]
    assert len(success) > 300
    assert success["mean"].between(0, 1).all()
    assert success["mean"].max() == 1.0
    (close,) = published_cell("drawerworld", "drawer_close", "metal", ["PIE-G"])
    assert (close.mean, close.metric) == (0.95, "success")
    (robot,) = published_cell("kinova robotic manipulation", "push", "train", ["DrQ (CNN)"])
    assert robot.mean == 0.76  # printed as a fraction


@pytest.mark.parametrize(
    ("task", "setting", "values"),
    [
        ("walker_walk", "video_hard", [(600, 28), (377, 93), (104, 22), (34, 11), (271, 55)]),
        ("cheetah_run", "video_easy", [(305, 60), (249, 20), (102, 30), (64, 22), (336, 57)]),
    ],
)
def test_the_main_block_is_the_workshop_table(task, setting, values):
    first = [published_cell("dmcgb", task, setting, [agent])[0] for agent in MAIN]
    assert [(n.mean, n.std) for n in first] == values
    assert {n.label for n in first} == {"PIE-G workshop paper, Table 1"}


def test_all_sources_of_a_cell_are_kept_in_order():
    numbers = published_cell("dmcgb", "cartpole_swingup", "video_easy", ["SVEA", "PIE-G"])
    assert [(n.agent, n.variant, n.mean, n.label) for n in numbers] == [
        ("SVEA", "SVEA", 782, "PIE-G workshop paper, Table 1"),
        ("SVEA", "SVEA (overlay)", 782, "SVEA, Table 1"),
        ("SVEA", "SVEA (conv)", 606, "SVEA, Table 1"),
        ("SVEA", "SVEA", 702, "SGQN, performance table"),
        ("PIE-G", "PIE-G", 614, "PIE-G workshop paper, Table 1"),
        ("PIE-G", "PIE-G", 587, "PIE-G (NeurIPS), second-hand listing"),
    ]
    assert numbers[1].num_seeds == 5
    assert numbers[0].num_seeds is None


def test_color_hard_comes_from_the_svea_table():
    numbers = published_cell("dmcgb", "walker_walk", "color_hard", MAIN)
    assert [(n.variant, n.mean, n.std) for n in numbers] == [
        ("SVEA (overlay)", 749, 61),
        ("SVEA (conv)", 760, 145),
        ("DrQ", 520, 91),
        ("DrQ (ConvNet)", 569, None),
    ]


def test_missing_cells_are_no_numbers():
    assert published_cell("drawerworld", "drawer-open", "wood", MAIN) == []
    assert published_cell("dmcontrol", "finger_spin", "train", ["RRL-SAC", "RAD"]) == []
    assert published_cell("dmcgb", "walker_walk", "color_easy", MAIN) == []
    assert published_cell("metaworld", "push-v2", "224x224", ["VC CLS"]) == []  # a count of seeds, not a score


def test_a_curve_gives_its_last_point_only():
    numbers = published_cell("adroit", "hammer", "train", ["RRL"])
    assert {(n.label, n.metric) for n in numbers} == {
        ("RRL, released logs", "success"),
        ("RRL, released logs", "return"),
        ("RRL, Figure 4, read from pixels", "success"),
    }
    assert [n.frames for n in numbers if n.metric == "success" and n.label == "RRL, released logs"] == [12_000_000]
    assert all(n.setting == "train" for n in numbers)
    assert any(n.note.startswith("iteration 299; sampling") for n in numbers)


def test_a_printed_mean_is_found_under_exactly_its_tasks():
    assert mean_over(["pen", "door", "hammer-v0"]) == "mean over door, hammer, pen"
    (number,) = published_cell("adroit_vigen", mean_over(["door", "hammer", "pen"]), "video_hard", ["PIE-G"])
    assert (number.mean, number.metric, number.label) == (0.56, "success", "RL-ViGen, bar charts, approximate")
    (camera,) = published_cell("adroit_vigen", mean_over(["pen", "hammer", "door"]), "camera_hard", ["SGQN"])
    assert camera.mean == 0.51
    assert published_cell("adroit_vigen", mean_over(["door", "hammer"]), "video_hard", ["PIE-G"]) == []
    assert published_cell("adroit", mean_over(["door", "hammer", "pen"]), "video_hard", ["PIE-G"]) == []


def test_a_suites_columns_are_agents_that_have_numbers_there():
    table = load_published()
    assert compared_agents("adroit") == ("RRL", "FERM")
    assert compared_agents("dmcgb") == compared_agents(None) == MAIN_AGENTS
    for suite, agents in AGENTS.items():
        names = set(table.loc[table["suite"] == suite, "agent"])
        assert all(any(name.startswith(agent) for name in names) for agent in agents)


def test_no_number_is_nan_and_texts_are_for_readers():
    for task in ("walker_walk", "finger_spin"):
        for number in published_cell("dmcgb", task, "video_hard", MAIN):
            assert math.isfinite(number.mean)
    text = load_published()[["source", "note", "label"]].to_csv() + (FOLDER / "README.md").read_text()
    for word in ("seed 00", "stored", "shared/"):
        assert word not in text
