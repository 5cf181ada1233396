"""From rows to a leaderboard: places, scores, gaps, ranks, claims, and what is left out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from harness.reports import statistics
from harness.reports.intervals import PERCENTILE
from harness.reports.leaderboard import SuiteFacts, axis_of, headline, places_of
from harness.reports.ranking import COLUMNS, build_leaderboard, check_across, method_named

RNG = np.random.default_rng(4)
TASKS = ("walker_walk", "cheetah_run")
FACTS = {
    "video_hard": SuiteFacts("video_hard", TASKS, ("video_hard",), frame_rewards=(0.0, 1.0), published_suite="dmcgb")
}


def made(cell, agents: dict[str, float], *, seeds: int = 4, episodes: int = 3, tasks=TASKS, **others) -> pd.DataFrame:
    """Rows of agents with a mean each; in the shifted setting half of it."""
    cells = []
    for agent, mean in agents.items():
        for task in tasks:
            for seed in range(seeds):
                train = mean + RNG.normal(0, 10, episodes)
                for setting, values in (("train", train), ("video_hard", train / 2)):
                    facts = {"agent": agent, "run_id": f"run {agent}", "config_hash": agent, **others}
                    cells.append(cell(task, setting, values, seed, **facts))
    return pd.concat(cells, ignore_index=True)


def ranking_of(found, kind: str, setting: str = "video_hard", task: str | None = None, board: int = 0):
    mine = [r for r in found.boards[board].rankings if r.place.kind == kind and r.place.settings[0] == setting]
    return next(r for r in mine if task in (None, *r.place.tasks))


def test_scores_gaps_and_claims_of_two_agents_that_differ(cell):
    rows = made(cell, {"good": 800.0, "poor": 200.0})
    found = build_leaderboard(rows, FACTS)
    (board,) = found.boards
    assert [entrant.label for entrant in board.entrants] == ["good", "poor"]
    ranking = ranking_of(found, "setting")
    good, poor = ranking.standings
    here = rows[(rows.agent == "good") & (rows.setting == "video_hard")]
    assert good.score.mean == pytest.approx(here.episode_return.mean())
    assert good.gap.mean == pytest.approx(here.episode_return.mean())  # half of the return is lost
    assert good.shortfall.mean == pytest.approx(1000 - here.episode_return.mean())
    assert good.middle.mean == pytest.approx(here.episode_return.mean(), abs=5)
    assert (good.score.num_seeds, good.score.num_episodes) == (4, 24)
    assert [s.rank for s in (good, poor)] == [1, 2]
    assert [s.ranks for s in (good, poor)] == [(1, 1), (2, 2)]
    assert [s.is_best for s in (good, poor)] == [True, False]
    assert [s.group for s in (good, poor)] == ["a", "b"]
    assert good.best_chance == 1.0
    assert ranking.order() == [0, 1]
    assert ranking in board.heads
    assert found.notes == ()
    assert found.why == ()


def test_agents_that_cannot_be_told_apart_share_ranks_and_none_is_bold(cell):
    found = build_leaderboard(made(cell, {"one": 500.0, "two": 501.0}), FACTS)
    standings = ranking_of(found, "setting").standings
    assert [s.ranks for s in standings] == [(1, 2), (1, 2)]
    assert not any(s.is_best for s in standings)
    assert {s.group for s in standings} == {"a"}
    assert sum(s.best_chance for s in standings) == pytest.approx(1)


def test_an_interval_is_that_of_the_method(cell):
    rows = made(cell, {"one": 500.0})
    tasks = [
        [
            g.episode_return.to_numpy()
            for _, g in rows[(rows.task == task) & (rows.setting == "train")].groupby("train_seed")
        ]
        for task in TASKS
    ]
    percentile = build_leaderboard(rows, FACTS, method=PERCENTILE)
    score = ranking_of(percentile, "setting", "train").standings[0].score
    assert (score.low, score.high) == statistics.task_mean_interval(tasks)
    student = ranking_of(build_leaderboard(rows, FACTS), "setting", "train").standings[0].score
    assert student.low != score.low


def test_a_single_training_makes_no_claim(cell):
    rows = pd.concat([made(cell, {"twice": 900.0}, seeds=2), made(cell, {"once": 100.0}, seeds=1)])
    found = build_leaderboard(rows, FACTS)
    once = next(
        s
        for s, e in zip(ranking_of(found, "setting").standings, found.boards[0].entrants, strict=True)
        if e.label == "once"
    )
    assert once.rank == 2
    assert (once.ranks, once.best_chance, once.group, once.is_best) == (None, None, "", False)
    assert once.score.low is not None  # over its episodes
    assert any("Trained once" in note and "once" in note for note in found.boards[0].notes)


@pytest.mark.parametrize("third", [100.0, 950.0])
def test_nobody_is_better_than_every_other_where_one_was_trained_once(cell, third):
    rows = pd.concat([made(cell, {"good": 900.0, "bad": 100.0}, seeds=5), made(cell, {"once": third}, seeds=1)])
    alone = build_leaderboard(rows[(rows["agent"] != "once").to_numpy()], FACTS)
    assert [s.is_best for s in ranking_of(alone, "setting").standings].count(True) == 1
    found = build_leaderboard(rows, FACTS)
    assert not any(standing.is_best for ranking in found.boards[0].rankings for standing in ranking.standings)


def test_a_random_agent_makes_claims_with_one_seed(cell):
    rows = pd.concat(
        [made(cell, {"twice": 900.0}, seeds=3), made(cell, {"random": 10.0}, seeds=1, train_frames=0, training="")]
    )
    random = ranking_of(build_leaderboard(rows, FACTS), "setting").standings[0]
    assert random.ranks == (2, 2)


def test_a_missing_task_is_missing_and_not_zero(cell):
    rows = made(cell, {"whole": 500.0, "part": 900.0})
    rows = rows[~((rows.agent == "part") & (rows.task == "cheetah_run"))]
    found = build_leaderboard(rows, FACTS)
    part, whole = ranking_of(found, "setting").standings
    assert (part.status, part.score, part.rank) == ("missing", None, None)
    assert whole.rank == 1
    assert not whole.is_best  # nobody to be better than
    assert ranking_of(found, "cell", task="walker_walk").standings[0].rank == 1


def test_a_run_at_work_is_marked(cell):
    rows = made(cell, {"done": 500.0, "busy": 500.0})
    rows = rows[~((rows.agent == "busy") & (rows.task == "cheetah_run") & (rows.train_seed == 3) & (rows.episode > 0))]
    found = build_leaderboard(rows, FACTS)
    busy, done = ranking_of(found, "setting").standings
    assert (busy.status, done.status) == ("partial", "complete")
    assert ranking_of(found, "cell", task="walker_walk").standings[0].status == "complete"
    assert any(note.startswith("Unfinished") and "busy" in note for note in found.boards[0].notes)


def test_stand_ins_are_left_out_and_counted(cell):
    rows = pd.concat([made(cell, {"real": 500.0}), made(cell, {"fake": 900.0}, stand_ins="videos")])
    found = build_leaderboard(rows, FACTS)
    assert [e.label for e in found.boards[0].entrants] == ["real"]
    assert found.notes == ("Left out: 48 episodes measured with stand-ins for real files.",)
    nothing = build_leaderboard(rows[rows.agent == "fake"], FACTS)
    assert nothing.boards == ()


def test_repeats_count_once_and_contradictions_are_told(cell):
    rows = made(cell, {"one": 500.0})
    doubled = build_leaderboard(pd.concat([rows, rows]), FACTS)
    assert ranking_of(doubled, "setting").standings == ranking_of(build_leaderboard(rows, FACTS), "setting").standings
    assert doubled.notes == ()
    other = rows.head(1).assign(episode_return=0.0)
    found = build_leaderboard(pd.concat([rows, other]), FACTS)
    assert "different outcomes: 1 episode." in found.notes[0]
    assert ranking_of(found, "setting").standings == ranking_of(build_leaderboard(rows, FACTS), "setting").standings


def test_other_conditions_make_other_boards_and_why_names_the_field(cell):
    rows = pd.concat([made(cell, {"old": 500.0}, code_revision="1"), made(cell, {"new": 900.0}, code_revision="2")])
    found = build_leaderboard(rows, FACTS)
    assert [[e.label for e in board.entrants] for board in found.boards] == [["new"], ["old"]]
    assert found.why == ("Boards 1 and 2: new and old were not measured alike: code_revision: new 2, old 1.",)
    assert "2 boards" in found.notes[-1]
    across = build_leaderboard(rows, FACTS, across=["code_revision"])
    assert len(across.boards) == 1
    assert ranking_of(across, "setting").standings[0].is_best
    assert any("code_revision" in note for note in across.notes)


def test_two_runs_of_an_agent_under_other_settings_are_two_columns(cell):
    rows = pd.concat([made(cell, {"pieg": 500.0}), made(cell, {"pieg": 900.0}, config_hash="other", run_id="r2")])
    found = build_leaderboard(rows, FACTS)
    assert [e.label for e in found.boards[0].entrants] == ["pieg (a)", "pieg (b)"]
    assert "config_hash" in found.why[0]


def test_published_numbers_stand_beside_and_take_no_part(cell):
    found = build_leaderboard(made(cell, {"pieg": 500.0}), FACTS)
    assert ranking_of(found, "cell", task="walker_walk").published["PIE-G"].mean == 600
    assert "PIE-G" in found.boards[0].published_agents
    assert len(ranking_of(found, "setting").standings) == 1
    assert not build_leaderboard(made(cell, {"pieg": 500.0}), FACTS, published=False).boards[0].published_agents


def test_all_suites_together_are_shares_of_the_best(cell):
    hard = made(cell, {"pieg": 500.0})
    rate = [
        cell(
            "door",
            s,
            [1, 0, 1, 1],
            seed,
            suite="adroit",
            success=[True, False, True, True],
            run_id="a",
            agent="pieg",
            config_hash="a",
        )
        for seed in range(3)
        for s in ("train", "light")
    ]
    facts = {**FACTS, "adroit": SuiteFacts("adroit", ("door",), ("light",), metric="success")}
    found = build_leaderboard(pd.concat([hard, *rate]), facts)
    ranking = found.boards[0].rankings[0]
    assert ranking.place.kind == "all suites"
    returns = hard[hard.setting == "video_hard"].groupby("task").episode_return.mean() / 1000
    assert ranking.standings[0].score.mean == pytest.approx((returns.sum() + 0.75) / 3)
    unknown = {**facts, "video_hard": SuiteFacts("video_hard", TASKS, ("video_hard",))}  # no bound of its rewards
    without = build_leaderboard(pd.concat([hard, *rate]), unknown)
    assert all(r.place.kind != "all suites" for r in without.boards[0].rankings)


def test_means_over_settings_pair_episodes_and_axes_have_lines_of_their_own(cell):
    settings = ("light=0.5", "light=2.0", "wood")
    cells = [cell("t", s, [10.0 * n, 20.0 * n], seed) for seed in range(3) for n, s in enumerate(("train", *settings))]
    facts = {"video_hard": SuiteFacts("video_hard", ("t",), settings)}
    found = build_leaderboard(pd.concat(cells), facts)
    kinds = [r.place.kind for r in found.boards[0].rankings]
    assert kinds == ["suite", "axis", "task", *["cell"] * 4]
    suite, axis = found.boards[0].rankings[:2]
    assert suite.standings[0].score.mean == pytest.approx(30.0)
    assert axis.standings[0].score.mean == pytest.approx(22.5)
    assert axis.place.name == "light (2 settings)"


def test_every_column_that_is_named_is_read_and_no_other(cell):
    rows = made(cell, {"one": 500.0})
    some, all_ = (build_leaderboard(r, FACTS).boards[0].rankings for r in (rows[list(COLUMNS)], rows))
    assert some == all_


def test_unknown_suites_are_described_by_their_rows(cell):
    found = build_leaderboard(made(cell, {"one": 500.0}), {})
    assert ranking_of(found, "setting").place.tasks == ("cheetah_run", "walker_walk")
    assert ranking_of(found, "setting").standings[0].shortfall is None


def test_names_that_do_not_exist_are_refused():
    with pytest.raises(ValueError, match="Kinds: student, percentile"):
        method_named("bca")
    with pytest.raises(ValueError, match="Cannot compare across 'agent'"):
        check_across(["agent"])


@pytest.mark.parametrize(
    ("setting", "axis"),
    [
        ("light=0.5", "light"),
        ("wood+light=0.5", "wood+light"),
        ("distracting_0.025", "distracting"),
        ("color_hard", "color"),
        ("wood", "wood"),
        ("other_object", "other_object"),
    ],
)
def test_the_axis_of_a_setting(setting, axis):
    assert axis_of(setting) == axis


def test_a_suite_with_one_setting_is_headed_by_its_mean_over_tasks():
    facts = FACTS["video_hard"]
    places = places_of(facts, TASKS, ("train", "video_hard"))
    assert [(p.kind, p.settings[0]) for p in places] == [
        ("setting", "train"),
        ("cell", "train"),
        ("cell", "train"),
        ("setting", "video_hard"),
        ("cell", "video_hard"),
        ("cell", "video_hard"),
    ]
    assert headline(facts, TASKS, ("train", "video_hard")) == places[3]
    assert headline(facts, TASKS[:1], ("train", "video_hard")).kind == "cell"
    assert headline(facts, TASKS, ("train",)) is None
