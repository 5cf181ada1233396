"""Each cell of the table against hand-made rows: what is shown, what is missing, what is never mixed."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from dataclasses import FrozenInstanceError, replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from harness.reports import statistics
from harness.reports.filling import build_table, expected_from_rows
from harness.reports.render import FORMATS, _coloured, format_estimate, render
from harness.reports.table import MEAN, Estimate, Expected

TASKS = ("walker_walk", "cheetah_run")
EXPECTED = Expected(
    TASKS,
    ("train", "video_hard"),
    (0, 1),
    3,
    published_suite="dmcgb",
    protocol_frames={"walker_walk": 1_100_000, "cheetah_run": 3_100_000},
    protocol_episodes=100,
    protocol_action_repeat=dict.fromkeys(TASKS, 2),
    protocol_episode_frames=dict.fromkeys(TASKS, 1000),
)
RETURNS = {
    ("walker_walk", "train", 0): [900, 910, 920],
    ("walker_walk", "train", 1): [800, 850, 900],
    ("walker_walk", "video_hard", 0): [500, 400, 600],
    ("walker_walk", "video_hard", 1): [300, 350, 400],
    ("cheetah_run", "train", 0): [300, 310, 320],
    ("cheetah_run", "train", 1): [280, 290, 300],
    ("cheetah_run", "video_hard", 0): [90, 100, 110],
    ("cheetah_run", "video_hard", 1): [50, 60, 70],
}
FRAMES = {"walker_walk": 1_100_000, "cheetah_run": 3_100_000}


@pytest.fixture
def rows(cell):
    return pd.concat(
        [cell(task, setting, r, seed, train_frames=FRAMES[task]) for (task, setting, seed), r in RETURNS.items()],
        ignore_index=True,
    )


def line(table, task, setting, agent="pieg"):
    (found,) = [x for x in table.lines if (x.task, x.setting, x.agent) == (task, setting, agent)]
    return found


def test_every_number_of_a_complete_table(rows):
    table = build_table(rows, EXPECTED)
    assert [(x.task, x.setting) for x in table.lines] == [
        (task, setting) for setting in ("train", "video_hard") for task in (*TASKS, MEAN)
    ]
    assert {x.status for x in table.lines} == {"complete"}
    hard = line(table, "walker_walk", "video_hard")
    assert (hard.num_episodes, hard.expected_episodes) == (6, 6)
    assert hard.episode_return.mean == 425
    assert (hard.episode_return.num_seeds, hard.episode_return.num_episodes) == (2, 6)
    samples = [RETURNS[("walker_walk", "video_hard", seed)] for seed in (0, 1)]
    assert (hard.episode_return.low, hard.episode_return.high) == statistics.mean_interval(samples)
    assert hard.gap.mean == 880 - 425
    train = [RETURNS[("walker_walk", "train", seed)] for seed in (0, 1)]
    assert (hard.gap.low, hard.gap.high) == statistics.gap_interval(train, samples, [True, True])
    assert line(table, "walker_walk", "train").gap is None
    mean = line(table, MEAN, "video_hard")
    assert mean.episode_return.mean == (425 + 80) / 2
    assert mean.gap.mean == pytest.approx((455 + 220) / 2)
    assert mean.num_episodes == 12
    assert hard.success is None


def test_published_numbers_stand_beside_and_are_never_invented(rows):
    table = build_table(rows, EXPECTED)
    hard = line(table, "walker_walk", "video_hard").published
    assert {agent: (n.mean, n.std) for agent, n in hard.items()} == {
        "PIE-G": (600, 28),
        "SVEA": (377, 93),
        "DrQ": (104, 22),
        "DrQ-v2": (34, 11),
        "TLDA": (271, 55),
    }
    assert [n.mean for n in hard["SVEA"].others] == [385]
    assert line(table, MEAN, "video_hard").published["PIE-G"].mean == (600 + 154) / 2
    assert line(table, "walker_walk", "train").published == {}
    plain = build_table(rows, EXPECTED, published=False)
    assert plain.published_agents == ()
    assert "PIE-G" not in render(plain, "text")
    color = replace(EXPECTED, settings=("train", "color_hard"))
    table = build_table(rows, color)
    assert table.published_agents == ("SVEA", "DrQ")
    assert line(table, "walker_walk", "color_hard", "pieg").published["SVEA"].label == (
        "SVEA, Table 1, variant SVEA (overlay)"
    )
    assert line(table, MEAN, "color_hard", "pieg").published == {}  # no cheetah_run there
    assert any("No published numbers here of PIE-G, DrQ-v2, TLDA" in text for text in table.footnotes)


DRAWER = Expected(
    ("drawer_close", "drawer_open"),
    ("train", "wood", "metal", "blanket", "black"),
    (0, 1),
    4,
    metric="success",
    published_suite="drawerworld",
    views={"three": ("wood", "metal", "blanket")},
    published_note="Published successes are those of v1.",
)


def drawer_rows(cell, rng, **others):
    """Random returns and successes, equal in every definition; by (task, setting, seed)."""
    made = {}
    for task in DRAWER.tasks:
        for setting in DRAWER.settings:
            for seed in DRAWER.train_seeds:
                success = (rng.random(4) < 0.6).tolist()
                texts = [json.dumps({"v1": True, "v3": value}) for value in success]
                made[(task, setting, seed)] = cell(
                    task, setting, rng.random(4), seed, success=success, successes_json=texts, **others
                )
    return made


def test_a_view_is_the_mean_over_its_settings_paired_by_episode(cell):
    made = drawer_rows(cell, np.random.default_rng(3))
    table = build_table(pd.concat(made.values()), DRAWER)
    assert list(dict.fromkeys(x.setting for x in table.lines)) == [*DRAWER.settings, "three"]
    view = line(table, "drawer_open", "three")
    parts = [line(table, "drawer_open", setting) for setting in DRAWER.views["three"]]
    assert view.episode_return.mean == pytest.approx(sum(part.episode_return.mean for part in parts) / 3)
    assert view.success.mean == pytest.approx(sum(part.success.mean for part in parts) / 3)
    assert view.gap.mean == pytest.approx(sum(part.gap.mean for part in parts) / 3)
    assert (view.status, view.num_episodes, view.successes["v1"].mean) == ("complete", 8, 1.0)
    episodes = [  # by hand: an episode's outcome is its mean over the settings
        np.mean([made[("drawer_open", s, seed)]["success"].astype(float) for s in DRAWER.views["three"]], axis=0)
        for seed in (0, 1)
    ]
    assert (view.success.low, view.success.high) == pytest.approx(statistics.mean_interval(episodes))
    mean = line(table, MEAN, "three")
    assert mean.success.mean == pytest.approx(
        (view.success.mean + line(table, "drawer_close", "three").success.mean) / 2
    )
    assert "setting" not in view.key
    assert view.key["task"] == "drawer_open"


def test_published_numbers_of_a_view_are_the_mean_where_one_source_has_all(cell):
    table = build_table(pd.concat(drawer_rows(cell, np.random.default_rng(0)).values()), DRAWER)
    close = line(table, "drawer_close", "three").published
    assert close["PIE-G"].mean == pytest.approx((0.59 + 0.95 + 0.71) / 3)
    assert close["DrQ-v2"].mean == pytest.approx((0.32 + 0.46 + 0.08) / 3)
    assert line(table, "drawer_open", "three").published == {}
    assert "  Published successes are those of v1." in table.footnotes
    assert any(text.startswith("Three: wood, metal, blanket.") for text in table.footnotes)
    without = build_table(pd.concat(drawer_rows(cell, np.random.default_rng(0)).values()), DRAWER, published=False)
    assert not any("v1" in text for text in without.footnotes)


def test_a_view_has_only_the_episodes_all_its_settings_have(cell):
    made = drawer_rows(cell, np.random.default_rng(1), notes="six pictures")
    made[("drawer_open", "metal", 1)] = made[("drawer_open", "metal", 1)][1:3]
    table = build_table(pd.concat(made.values()), DRAWER)
    view = line(table, "drawer_open", "three")
    assert (view.status, view.num_episodes, view.expected_episodes) == ("partial", 6, 8)
    kept = [
        np.mean(
            [
                made[("drawer_open", s, seed)].set_index("episode")["episode_return"][numbers]
                for s in DRAWER.views["three"]
            ]
        )
        for seed, numbers in ((0, [0, 1, 2, 3]), (1, [1, 2]))
    ]
    assert view.episode_return.mean == pytest.approx(np.mean(kept))
    assert view.notes[0] == "six pictures"
    assert "of 10 cells, 0 missing and 1 partial" in render(table, "text")  # a view is no further cell
    gone = pd.concat(rows for (task, setting, _), rows in made.items() if (task, setting) != ("drawer_open", "metal"))
    assert line(build_table(gone, DRAWER), "drawer_open", "three").status == "missing"


def test_a_view_needs_a_name_and_settings_of_the_table():
    for views in ({"train": ("wood",)}, {"some": ()}, {"some": ("wood", "velvet")}):
        with pytest.raises(ValueError, match="view"):
            replace(DRAWER, views=views)


def test_adroits_numbers_stand_beside_training_only_and_a_printed_mean_beside_the_mean_only(cell):
    def make(suite, task, setting):
        return cell(task, setting, [1, 2], suite=suite, success=[True, False], successes_json='{"sustained":true}')

    tasks = ("door", "hammer", "pen", "relocate")
    settings = ("train", "light_position")
    frame = pd.concat([make("adroit_distractors", task, setting) for task in tasks for setting in settings])
    expected = Expected(tasks, settings, (0,), 2, metric="success", published_suite="adroit", published_note="Mind it.")
    table = build_table(frame, expected)
    assert table.published_agents == ("RRL", "FERM")
    shown = {task: line(table, task, "train").published for task in tasks}
    assert {task: round(beside["RRL"].mean, 2) for task, beside in shown.items()} == {
        "door": 0.98,
        "hammer": 0.98,
        "pen": 0.88,
        "relocate": 0.88,
    }
    assert shown["door"]["RRL"].label.startswith("RRL, released logs")
    assert shown["door"]["FERM"].mean == pytest.approx(0.706)
    assert all(line(table, task, "light_position").published == {} for task in (*tasks, MEAN))
    assert "  Mind it." in table.footnotes

    tasks, settings = tasks[:3], ("train", "video_easy", "camera_hard", "light_easy")
    frame = pd.concat([make("adroit_vigen", task, setting) for task in tasks for setting in settings])
    expected = Expected(tasks, settings, (0,), 2, metric="success", published_suite="adroit_vigen")
    table = build_table(frame, expected)
    beside = {setting: line(table, MEAN, setting).published for setting in settings}
    assert {
        setting: {a: n.mean for a, n in numbers.items() if a in ("PIE-G", "VRL3")}
        for setting, numbers in beside.items()
    } == {
        "train": {},
        "video_easy": {"PIE-G": 0.66, "VRL3": 0.0},
        "camera_hard": {"PIE-G": 0.16, "VRL3": 0.22},
        "light_easy": {},
    }
    assert all(line(table, task, setting).published == {} for task in tasks for setting in settings)
    assert any("RL-ViGen, bar charts, approximate: PIE-G" in text for text in table.footnotes)
    fewer = replace(expected, tasks=("door", "pen"))
    assert build_table(frame, fewer).published_agents == ()  # a mean over other tasks is another number


def test_a_missing_cell_is_shown_and_takes_the_mean_with_it(rows):
    table = build_table(rows[~((rows["task"] == "cheetah_run") & (rows["setting"] == "video_hard"))], EXPECTED)
    gone = line(table, "cheetah_run", "video_hard")
    assert (gone.status, gone.num_episodes, gone.episode_return, gone.gap) == ("missing", 0, None, None)
    mean = line(table, MEAN, "video_hard")
    assert (mean.status, mean.episode_return, mean.gap) == ("missing", None, None)
    assert (mean.num_episodes, mean.expected_episodes) == (6, 12)
    text = render(table, "text")
    assert re.search(r"cheetah_run +missing +– +0 of 6 +154 ±17", text)
    assert re.search(r"mean over tasks +missing +– +6 of 12 +377", text)
    assert "of 4 cells, 1 missing and 0 partial" in text


def test_an_unfinished_cell_is_partial(rows):
    table = build_table(rows[(rows["train_seed"] == 0) | (rows["task"] == "cheetah_run")], EXPECTED)
    walker = line(table, "walker_walk", "video_hard")
    assert (walker.status, walker.num_episodes, walker.episode_return.num_seeds) == ("partial", 3, 1)
    assert walker.episode_return.mean == 500
    assert line(table, MEAN, "video_hard").status == "partial"
    assert "partial, 3 of 6" in render(table, "text")


def test_the_gap_pairs_the_seeds_that_have_both_and_says_so(rows):
    cut = rows[~((rows["task"] == "walker_walk") & (rows["setting"] == "train") & (rows["train_seed"] == 1))]
    hard = line(build_table(cut, EXPECTED), "walker_walk", "video_hard")
    assert hard.gap.mean == 910 - 500
    assert hard.gap.num_seeds == 1
    assert hard.notes == (
        "the gap is over the 3 (seed, episode) pairs measured in both settings; 3 episodes have no counterpart",
    )
    alone = build_table(rows[rows["setting"] != "train"], replace(EXPECTED, settings=("video_hard",)))
    assert line(alone, "walker_walk", "video_hard").gap is None


def test_the_gap_is_over_the_episodes_that_both_settings_have(rows):
    """They are the same in whatever order the rows come; one that only one setting has does not count."""
    shuffled = rows.sample(frac=1, random_state=2)
    hard = line(build_table(shuffled, EXPECTED), "walker_walk", "video_hard")
    samples = [[RETURNS[("walker_walk", setting, seed)] for seed in (0, 1)] for setting in ("train", "video_hard")]
    assert (hard.gap.low, hard.gap.high) == statistics.gap_interval(*samples, [True, True])
    assert hard.notes == ()
    walker, train, hard_rows = (
        rows["task"] == "walker_walk",
        rows["setting"] == "train",
        rows["setting"] == "video_hard",
    )
    cut = rows[~(walker & train & (rows["train_seed"] == 1) & (rows["episode"] == 2))]
    hard = line(build_table(cut, EXPECTED), "walker_walk", "video_hard")
    shared = [[side[0], side[1][:2]] for side in samples]
    assert hard.gap.mean == statistics.gap(*shared)
    assert (hard.gap.low, hard.gap.high) == statistics.gap_interval(*shared, [True, True])
    number = sum(len(values) for values in shared[1])
    (note,) = hard.notes
    assert note == (
        f"the gap is over the {number} (seed, episode) pairs measured in both settings; "
        f"{sum(map(len, samples[1])) - number} episodes have no counterpart"
    )
    other = rows.assign(eval_seed=rows["eval_seed"].mask(hard_rows, 7))  # other states, though numbered alike
    assert line(build_table(other, EXPECTED), "walker_walk", "video_hard").gap is None


def test_a_gap_that_is_the_same_in_every_pair_is_exact_however_unfinished_a_setting_is(cell):
    """Episodes differ by hundreds, each shifted one is 50 below its counterpart, and one setting is half done."""
    returns = [100.0, 300.0, 650.0, 900.0]
    frame = pd.concat(
        [
            cell("walker_walk", "train", returns),
            cell("walker_walk", "video_hard", [value - 50 for value in returns[:2]]),
        ]
    )
    expected = Expected(("walker_walk",), ("train", "video_hard"), (0,), 4)
    hard = line(build_table(frame, expected), "walker_walk", "video_hard")
    assert hard.status == "partial"
    assert (hard.gap.mean, hard.gap.low, hard.gap.high) == (50.0, 50.0, 50.0)
    assert hard.notes == (
        "the gap is over the 2 (seed, episode) pairs measured in both settings; 2 episodes have no counterpart",
    )


def test_rows_with_unequal_keys_never_share_a_cell(rows):
    other = rows[(rows["task"] == "walker_walk") & (rows["setting"] == "video_hard")].copy()
    other["code_revision"], other["episode_return"] = "def", other["episode_return"] + 1000
    table = build_table(pd.concat([rows, other]), EXPECTED)
    assert line(table, "walker_walk", "video_hard", "pieg (a)").episode_return.mean == 425
    b = line(table, "walker_walk", "video_hard", "pieg (b)")
    assert (b.episode_return.mean, b.gap, b.key["code_revision"]) == (1425, None, "def")
    assert line(table, MEAN, "video_hard", "pieg (b)").status == "missing"
    assert "  code_revision: pieg (a) abc, pieg (b) def" in table.footnotes
    assert not [x for x in table.lines if x.task == "cheetah_run" and x.agent == "pieg (b)"]


def test_code_that_was_edited_is_not_told_as_its_commit(rows):
    edited = rows.assign(code_revision="0123456789ab-dirty.89abcdef")
    assert any("code 0123456789ab-dirty.89abcdef." in note for note in build_table(edited, EXPECTED).footnotes)


def test_a_row_loaded_twice_counts_once_and_contradictions_are_told(rows):
    table = build_table(pd.concat([rows, rows]), EXPECTED)
    assert line(table, "walker_walk", "train").num_episodes == 6
    assert not any("Measured twice" in text for text in table.footnotes)
    wrong = rows.iloc[:1].assign(episode_return=1.0)
    table = build_table(pd.concat([rows, wrong]), EXPECTED)
    assert line(table, "walker_walk", "train").episode_return.mean == 880
    assert any("different outcomes: 1 episode." in text for text in table.footnotes)


def test_rows_not_asked_for_are_left_out_and_counted(rows, cell):
    extra = cell("walker_walk", "train", [1, 1], train_seed=7)
    table = build_table(pd.concat([rows, extra]), EXPECTED)
    assert line(table, "walker_walk", "train").episode_return.mean == 880
    assert any("Left out: 2 episodes" in text for text in table.footnotes)


def test_policies_without_a_training_seed_have_cells(cell):
    frame = cell("walker_walk", "train", [5, 7], train_seed=None)
    table = build_table(frame, Expected(("walker_walk",), ("train",), (None,), 2))
    only = line(table, "walker_walk", "train")
    assert len(table.lines) == 1
    assert (only.status, only.episode_return.mean, only.episode_return.num_seeds) == ("complete", 6, 1)
    assert expected_from_rows(frame) == Expected(("walker_walk",), ("train",), (None,), 2)


def test_success_has_rates_definitions_and_gaps(cell):
    frame = pd.concat(
        [
            cell("drawer_close", "train", [1, 1], success=[True, True], successes_json='{"final":true,"any":true}'),
            cell(
                "drawer_close",
                "wood",
                [1, 1],
                success=[True, False],
                successes_json=['{"final":true,"any":true}', '{"final":false,"any":true}'],
            ),
        ]
    )
    expected = Expected(("drawer_close",), ("train", "wood"), (0,), 2, metric="success", published_suite="drawerworld")
    table = build_table(frame, expected)
    wood = line(table, "drawer_close", "wood")
    assert wood.success.mean == 0.5
    assert (wood.success.low, wood.success.high) == pytest.approx(statistics.wilson_interval(1, 2))
    assert {name: e.mean for name, e in wood.successes.items()} == {"final": 0.5, "any": 1.0}
    assert wood.gap.mean == 0.5
    assert wood.published["PIE-G"].mean == 0.59
    header = render(table, "text").split("\n")[2]
    assert "success: any" in header
    assert "success: final" not in header  # says what the headline says
    half = frame.assign(success=frame["success"].mask(frame["episode"] == 1))
    assert line(build_table(half, expected), "drawer_close", "wood").success is None


def test_footnotes_say_what_a_quick_run_is_not(cell):
    frame = pd.concat(
        [
            cell("walker_walk", "train", [10], preset="quick", train_frames=2000),
            cell(
                "walker_walk",
                "video_hard",
                [5],
                preset="quick",
                train_frames=2000,
                stand_ins="video_hard",
                notes="6 of 10 videos",
            ),
        ]
    ).assign(render_profile="fast", action_repeat=4, episode_frames=20)
    table = build_table(frame, replace(EXPECTED, tasks=("walker_walk",), train_seeds=(0,), episodes=1))
    text = render(table, "text", width=1000)
    for sentence in (
        "[1] Made with stand-ins (video_hard).",
        "[2] 6 of 10 videos.",
        "One seed and one episode: no interval.",
        "Preset quick shows that everything works; its numbers say nothing about the agent.",
        "Not comparable with published numbers: trained for 2,000 frames, published protocol 1,100,000.",
        "1 of the protocol's 100 evaluation episodes per task, setting and training seed.",
        "Action repeat 4 where the protocol has 2.",
        "Episodes of 20 frames where the protocol has 1,000.",
        "Drawn by llvmpipe, render profile fast.",
        "Profile fast leaves out shadows and multisampling",
        "PIE-G workshop paper, Table 1: PIE-G, SVEA, DrQ, DrQ-v2, TLDA (video_hard).",
    ):
        assert sentence in text
    assert re.search(r"walker_walk +5\.0 +5\.0 +1×1 +\[1\] \[2\] +600 ±28", text)
    assert line(table, "walker_walk", "train").notes == ()


def test_an_agent_without_training_has_seeds_but_no_training_budget(cell):
    """As a class from outside has: its seeds make it; no sentence calls them training seeds or its training short."""
    cells = [cell("walker_walk", "video_hard", [1, 2, 3], s, agent="random", train_frames=0) for s in (0, 1)]
    expected = replace(EXPECTED, tasks=("walker_walk",), settings=("video_hard",))
    text = "\n".join(build_table(pd.concat(cells), expected).footnotes)
    assert "Cells: mean over seeds [95 % interval]; bootstrap over seeds, then episodes" in text
    assert "3 of the protocol's 100 evaluation episodes per task, setting and seed." in text
    assert "PIE-G workshop paper" in text
    for word in ("training seed", "Not comparable", "rained for", "training again"):
        assert word not in text
    one = "\n".join(build_table(cells[0], replace(expected, train_seeds=(0,))).footnotes)
    assert "One seed: the interval is over episodes only." in one
    beside = cell("walker_walk", "video_hard", [1, 2, 3], train_frames=500)
    text = "\n".join(build_table(pd.concat([*cells, beside]), expected).footnotes)
    assert "trained for 500 frames, published protocol 1,100,000." in text
    assert "training seed" not in text


def test_a_policy_that_is_not_made_from_a_seed_has_episodes_alone(cell):
    frame = cell("walker_walk", "video_hard", [1, 2, 3], None, agent="mine", train_frames=0, preset="quick")
    train = frame.assign(setting="train", episode_return=[5.0, 7.0, 9.0])
    expected = replace(EXPECTED, tasks=("walker_walk",), train_seeds=(None,), episodes=3)
    text = "\n".join(build_table(pd.concat([train, frame]), expected).footnotes)
    assert "Cells: mean over episodes [95 % interval]; bootstrap over episodes (" in text
    assert "minus return in this setting, paired by episode." in text
    assert "3 of the protocol's 100 evaluation episodes per task and setting." in text
    assert "says nothing about the agent" not in text  # no preset trained it
    one = build_table(frame[:1], replace(expected, settings=("video_hard",), episodes=1))
    assert "One episode: no interval." in one.footnotes
    assert "seed" not in text + " ".join(one.footnotes)


def test_beside_agents_with_seeds_a_policy_without_is_complete(cell):
    """And the others are not short of an episode because it has no seed."""
    trained = [cell("walker_walk", "video_hard", [1, 2], seed) for seed in (0, 1)]
    ready = cell("walker_walk", "video_hard", [3, 4], None, agent="mine", train_frames=0, training="")
    expected = replace(EXPECTED, tasks=("walker_walk",), settings=("video_hard",), train_seeds=(None, 0, 1), episodes=2)
    lines = {found.agent: found for found in build_table(pd.concat([*trained, ready]), expected).lines}
    assert {agent: (found.status, found.expected_episodes) for agent, found in lines.items()} == {
        "mine": ("complete", 2),
        "pieg": ("complete", 4),
    }
    half = {found.agent: found for found in build_table(pd.concat([trained[0], ready[:1]]), expected).lines}
    assert {agent: (found.status, found.expected_episodes) for agent, found in half.items()} == {
        "mine": ("partial", 2),
        "pieg": ("partial", 4),
    }


def test_a_short_training_is_compared_with_published_numbers_only_where_they_are_shown(rows):
    short = rows.assign(train_frames=rows["train_frames"].mask(rows["task"] == "walker_walk", 2000))
    beside = "Not comparable with published numbers: trained for 2,000 (walker_walk) frames, published protocol"
    alone = "Trained for 2,000 (walker_walk) frames; the protocol has 1,100,000 (walker_walk)."
    assert any(text.startswith(beside) for text in build_table(short, EXPECTED).footnotes)
    for table in (
        build_table(short, EXPECTED, published=False),
        build_table(short, replace(EXPECTED, published_suite=None)),
        build_table(short[short["setting"] == "train"], replace(EXPECTED, settings=("train",))),
    ):
        assert alone in table.footnotes
        assert not any("Not comparable" in text for text in table.footnotes)
    both = pd.concat([short, rows.assign(run_id="r2")])  # the full budget of other rows hides nothing
    assert any(text.startswith(beside) for text in build_table(both, EXPECTED).footnotes)


def test_a_paper_run_of_full_length_has_no_warning(rows):
    text = "\n".join(build_table(rows, replace(EXPECTED, protocol_episodes=3)).footnotes)
    for word in ("Not comparable", "quick", "Unfinished", "where the protocol", "stand-in", "Left out"):
        assert word not in text
    assert "action repeat 2, 3 stacked frames of 84x84 pixels" in text


def test_an_empty_run_is_a_table_of_missing_cells(rows):
    table = build_table(rows.iloc[:0], EXPECTED)
    assert {x.status for x in table.lines} == {"missing"}
    assert len(table.lines) == 6
    for fmt in FORMATS:
        assert "missing" in render(table, fmt)


def test_wrong_use_is_refused(rows, cell):
    with pytest.raises(ValueError, match="one suite, not about a, video_hard"):
        build_table(pd.concat([rows, cell("x", "train", [1], suite="a")]), EXPECTED)
    with pytest.raises(ValueError, match="'return' or 'success', not 'score'"):
        replace(EXPECTED, metric="score")
    with pytest.raises(ValueError, match="at least one"):
        replace(EXPECTED, tasks=())
    with pytest.raises(ValueError, match=r"Unknown table format 'pdf'\. Formats: terminal, text"):
        render(build_table(rows, EXPECTED), "pdf")
    with pytest.raises(FrozenInstanceError):
        build_table(rows, EXPECTED).title = "x"


@pytest.mark.parametrize(
    ("estimate", "decimals", "text"),
    [
        (None, None, "–"),
        (Estimate(600.4, 571.6, 631.2, 5, 500), None, "600 [572, 631]"),
        (Estimate(99.96, None, None, 1, 1), None, "100"),
        (Estimate(12.34, 9.96, 15.0, 5, 500), None, "12.3 [10.0, 15.0]"),
        (Estimate(-0.04, None, None, 1, 1), None, "0.0"),
        (Estimate(0.625, 0.5, 1.0, 5, 50), 2, "0.62 [0.50, 1.00]"),
    ],
)
def test_numbers_for_readers(estimate, decimals, text):
    assert format_estimate(estimate, decimals=decimals) == text


@pytest.mark.parametrize("width", [100, 120, 160])
def test_plain_text_keeps_to_its_width_and_is_stable(rows, width):
    table = build_table(rows, EXPECTED)
    text = render(table, "text", width=width)
    assert max(map(len, text.split("\n"))) <= width
    assert text == render(build_table(rows.sample(frac=1, random_state=1), EXPECTED), "text", width=width)
    assert not re.search(r"\x1b|[ \t]\n", text)
    assert text.count("600 ±28") == 1
    assert text.count("video_hard\n  walker_walk") == (
        2 if width == 100 else 1
    )  # a table of its own where it is narrow


def test_the_terminal_shows_the_text_in_colours(rows, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    table = build_table(rows, EXPECTED)
    coloured = _coloured(table, 120)
    assert "\x1b[" in coloured
    stripped = [x.rstrip() for x in re.sub(r"\x1b\[[0-9;]*m", "", coloured).split("\n")]
    assert stripped == [x.rstrip() for x in render(table, "text", width=120).split("\n")]
    assert "\x1b[" not in render(table, "terminal")  # standard output is no terminal under pytest


def test_json_and_csv_hold_every_digit(rows):
    table = build_table(rows.assign(episode_return=rows["episode_return"] / 7), EXPECTED)
    content = json.loads(render(table, "json"))
    mean = content["lines"][3]["episode_return"]["mean"]
    assert mean == table.lines[3].episode_return.mean == pytest.approx(425 / 7)
    assert content["lines"][3]["key"]["gl_renderer"] == "llvmpipe"
    assert content["lines"][3]["published"]["SVEA"]["others"][0]["mean"] == 385
    assert content["expected"]["protocol_frames"]["cheetah_run"] == 3_100_000
    lines = list(csv.DictReader(io.StringIO(render(table, "csv"))))
    assert len(lines) == 6
    assert float(lines[3]["return_mean"]) == mean
    assert float(lines[3]["gap_low"]) == table.lines[3].gap.low
    assert (lines[3]["success_mean"], lines[3]["published_PIE-G_mean"]) == ("", "600.0")


def test_json_aggregates_the_complete_tasks(cell):
    tasks = ("a", "b", "c", "d", "e")
    scores = {(task, seed): float(10 * t * t + 3 * seed) for t, task in enumerate(tasks) for seed in (0, 1)}
    both = [
        cell(task, "train", [score - 1, score, score + 1], seed, agent=agent, run_id=agent)
        for agent in ("pieg", "svea")
        for (task, seed), score in scores.items()
        if agent == "pieg" or (task in "ab" or (task, seed) == ("c", 0))
    ]
    table = build_table(pd.concat(both), Expected(tasks, ("train", "hard"), (0, 1), 3))
    pieg, svea = json.loads(render(table, "json"))["aggregate"]
    assert (pieg["agent"], pieg["setting"], pieg["tasks"]) == ("pieg", "train", list(tasks))
    assert (svea["agent"], svea["tasks"]) == ("svea", ["a", "b"])
    everything = list(scores.values())
    assert pieg["mean"]["mean"] == pytest.approx(sum(everything) / 10)
    mean = line(table, MEAN, "train", "pieg").episode_return
    assert (pieg["mean"]["low"], pieg["mean"]["high"]) == (mean.low, mean.high)
    assert pieg["interquartile_mean"]["mean"] == pytest.approx(scipy.stats.trim_mean(everything, 0.25))
    limits = (pieg["interquartile_mean"]["low"], pieg["interquartile_mean"]["high"])
    assert limits == statistics.score_interval([[scores[(task, seed)] for task in tasks] for seed in (0, 1)])
    assert (pieg["mean"]["num_seeds"], pieg["mean"]["num_episodes"]) == (2, 30)
    one = build_table(pd.concat(both), Expected(tasks, ("train",), (0,), 3)).aggregates
    assert (one[0].interquartile_mean.mean, one[0].interquartile_mean.low) == (
        scipy.stats.trim_mean([scores[(task, 0)] for task in tasks], 0.25),
        None,
    )
    assert build_table(pd.concat(both), Expected(("a", "zz"), ("train",), (0,), 3)).aggregates == ()


class _Cells(HTMLParser):
    def __init__(self):
        super().__init__()
        self.texts, self.open = [], []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th"):
            self.texts.append(data)


def test_markdown_html_and_latex_hold_the_cells_and_escape(rows):
    table = build_table(rows, EXPECTED, title="a<b & 100% | x_y")
    parser = _Cells()
    parser.feed(render(table, "html"))
    assert parser.open == []
    markdown = render(table, "md")
    assert len({text.replace("\\|", "").count("|") for text in markdown.split("\n") if text.startswith("|")}) == 1
    latex = render(table, "latex")
    wanted = format_estimate(line(table, "walker_walk", "video_hard").episode_return)
    assert wanted in parser.texts
    assert f"| {wanted} |" in markdown
    assert f"walker\\_walk & {wanted} &" in latex
    assert "a&lt;b &amp; 100%" in render(table, "html")
    assert r"\caption{a\textless{}b \& 100\% | x\_y}" in latex
    assert not re.search(r"(?<!\\)_", latex.split("\n", 1)[1])
    columns = re.search(r"\\begin\{tabular\}\{(\w+)\}", latex)[1]
    body = [text for text in latex.split("\n") if " & " in text]
    assert {len(re.findall(r"(?<!\\)&", text)) + 1 for text in body} == {len(columns)}


def test_importing_the_table_is_light():
    code = "import sys, harness.reports.filling, harness.reports.render, harness.results.store; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "mujoco", "pandas", "pyarrow", "scipy", "rich", "matplotlib"} & set(modules)
