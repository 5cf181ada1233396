"""The gate's test, its refusals and its answers, on made-up evaluations."""

from __future__ import annotations

import json
from collections.abc import Callable
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from harness.reports.gate import Gate, GateError, Question, check, check_question, parse_margin
from harness.reports.gate_power import units_needed
from harness.reports.gate_sides import WAIVABLE
from harness.reports.gate_test import Evidence, chances, difference, judge
from harness.reports.gate_text import show_gate

Cell = Callable[..., pd.DataFrame]
RNG = np.random.default_rng(0)
BASE = {seed: 100 + RNG.normal(0, 10, 20) for seed in range(5)}


_MADE: dict[str, pd.DataFrame] = {}


def side(cell: Cell, *arguments, **others) -> pd.DataFrame:
    """As `make`, but only once."""
    key = repr((arguments, others))
    _MADE[key] = _MADE[key] if key in _MADE else make(cell, *arguments, **others)
    return _MADE[key].copy()


def make(cell: Cell, shift: float = 0.0, noise: float = 0.0, *, policy: str = "p", seed: int = 1, **others):
    """Two tasks in two settings, five policies, twenty episodes."""
    rng = np.random.default_rng(seed)
    return pd.concat(
        cell(task, setting, BASE[s] * share - shift + rng.normal(0, noise, 20), s, checkpoint=f"{policy}{s}", **others)
        for task in ("walker_walk", "cheetah_run")
        for setting, share in (("train", 1.0), ("video_hard", 0.8))
        for s in BASE
    )


def ask(candidate, baseline, margin: str = "5%", **others) -> Gate:
    return check(candidate, baseline, check_question(Question(parse_margin(margin), **others)))


def test_the_same_again_is_not_worse(cell: Cell) -> None:
    gate = ask(side(cell), side(cell))
    assert gate.verdict == "not worse"
    assert [line.name for line in gate.lines] == ["cheetah_run", "walker_walk"]
    assert "400 of 400 pairs of episodes went exactly as in the baseline" in gate.notes
    assert ask(side(cell, noise=3), side(cell)).verdict == "not worse"


def test_a_drop_is_worse_and_a_small_one_is_accepted(cell: Cell) -> None:
    assert ask(side(cell, shift=15, noise=3), side(cell)).verdict == "worse"
    assert ask(side(cell, shift=2, noise=3), side(cell)).verdict == "not worse"
    assert ask(side(cell, shift=2, noise=3), side(cell), "1").verdict == "worse"


def test_a_drop_on_one_task_is_worse(cell: Cell) -> None:
    rows = side(cell, noise=3)
    rows.loc[rows["task"] == "walker_walk", "episode_return"] -= 15
    gate = ask(rows, side(cell))
    assert [line.judged.verdict for line in gate.lines] == ["not worse", "worse"]
    assert gate.sentence() == "Worse: more than 5% of return is lost on walker_walk."


def test_too_few_episodes_cannot_tell_and_say_how_many_would(cell: Cell) -> None:
    few = [rows[(rows["episode"] < 2) & (rows["train_seed"] < 1)] for rows in (side(cell, noise=10), side(cell))]
    gate = ask(*few)
    assert gate.verdict == "cannot tell"
    assert "episodes would do, where there are 2" in gate.sentence()
    one = [rows[rows["episode"] == 0] for rows in few]
    gate = ask(*one)
    assert gate.verdict == "cannot tell"
    assert "1 episode says nothing of how episodes differ; at least 2 are needed" in gate.sentence()


def test_new_trainings_are_judged_by_seeds_not_by_episodes(cell: Cell) -> None:
    """Trainings that differ by far more than episodes: many episodes prove nothing."""
    rng = np.random.default_rng(3)
    luck = {s: rng.normal(0, 20) for s in BASE}
    rows = side(cell, noise=0.1, policy="q")
    rows["episode_return"] += rows["train_seed"].map(luck).astype(float)
    again = ask(rows, side(cell))
    assert {line.line.evidence.noise for line in again.lines} == {"seeds"}
    assert again.verdict == "cannot tell"
    assert "training seeds would do, where there are 5" in again.sentence()
    assert {line.line.evidence.noise for line in ask(rows, side(cell), noise="episodes").lines} == {"episodes"}


def test_one_new_training_cannot_be_judged(cell: Cell) -> None:
    rows = side(cell, policy="q")
    gate = ask(rows[rows["train_seed"] == 0], side(cell))
    assert gate.verdict == "cannot tell"
    assert "1 training seed says nothing of how training seeds differ" in gate.sentence()


def test_other_seeds_are_compared_without_pairs(cell: Cell) -> None:
    rows = side(cell, noise=1, policy="q")
    rows["train_seed"] += 10
    rows["eval_seed"] += 10
    evidence = ask(rows, side(cell)).lines[0].line.evidence
    assert (evidence.is_paired, evidence.noise, evidence.num_seeds) == (False, "seeds", 5)


def test_pairs_are_found_by_seed_and_episode_in_any_order(cell: Cell) -> None:
    candidate, baseline = side(cell, noise=3), side(cell)
    expected = ask(candidate, baseline).lines[0].judged
    assert ask(candidate.sample(frac=1, random_state=0), baseline).lines[0].judged == expected
    paired = candidate[["episode_return"]].to_numpy() - baseline[["episode_return"]].to_numpy()
    mine = paired[(candidate["task"] == "cheetah_run").to_numpy()].reshape(2, 5, 20).mean(axis=0)
    error = np.sqrt((mine.var(axis=1, ddof=1) / 20).sum()) / 5
    assert expected.difference.estimate == pytest.approx(mine.mean(), abs=1e-12)
    assert expected.difference.variance == pytest.approx(error**2, rel=1e-12)


def test_seeds_give_the_t_test_of_paired_means() -> None:
    rng = np.random.default_rng(5)
    before, after = ([rng.normal(100, 10, 7) for _ in range(6)] for _ in range(2))
    line = Evidence(before, after, True, "seeds", "return")
    worse, fine = chances(difference(line), line, 4.0)
    means = np.mean(after, axis=1) - np.mean(before, axis=1)
    assert worse == pytest.approx(stats.ttest_1samp(means, -4.0, alternative="less").pvalue, rel=1e-9)
    assert fine == pytest.approx(stats.ttest_1samp(means, -4.0, alternative="greater").pvalue, rel=1e-9)


def test_seeds_without_pairs_give_welchs_test() -> None:
    rng = np.random.default_rng(6)
    before, after = [rng.normal(100, 10, 7) for _ in range(6)], [rng.normal(95, 30, 7) for _ in range(4)]
    line = Evidence(before, after, False, "seeds", "return")
    shifted = [values + 4.0 for values in after]
    found = stats.ttest_ind(np.mean(shifted, axis=1), np.mean(before, axis=1), equal_var=False, alternative="less")
    assert chances(difference(line), line, 4.0)[0] == pytest.approx(found.pvalue, rel=1e-9)


def test_worse_is_corrected_by_holm_and_not_worse_needs_every_task() -> None:
    rng = np.random.default_rng(7)
    lines = [Evidence([np.zeros(10)], [rng.normal(-9, 5, 10)], True, "episodes", "return") for _ in range(3)]
    alone = [judge([line], [5.0], 0.05)[0].worse_chance for line in lines]
    together = [each.worse_chance for each in judge(lines, [5.0] * 3, 0.05)]
    order = np.argsort(alone)
    assert together[order[0]] == pytest.approx(3 * alone[order[0]])
    assert together[order[2]] == pytest.approx(max(alone[order[2]], 2 * alone[order[1]], 3 * alone[order[0]]))


@pytest.mark.parametrize(("units", "verdict"), [(1, "cannot tell"), (4, "cannot tell"), (5, "not worse")])
def test_constant_returns_are_counted_by_sign(units: int, verdict: str) -> None:
    line = Evidence([np.full(units, 1000.0)], [np.full(units, 1000.0)], True, "episodes", "return")
    assert judge([line], [50.0], 0.05)[0].verdict == verdict
    lost = Evidence([np.full(units, 1000.0)], [np.full(units, 900.0)], True, "episodes", "return")
    assert judge([lost], [50.0], 0.05)[0].verdict == {"not worse": "worse"}.get(verdict, verdict)


def test_all_successes_of_a_few_prove_nothing_of_a_rate() -> None:
    for num, verdict in ((10, "cannot tell"), (50, "cannot tell"), (100, "not worse")):
        line = Evidence([np.ones(num)], [np.ones(num)], True, "episodes", "success")
        assert judge([line], [0.05], 0.05)[0].verdict == verdict


def test_half_a_step_of_a_rate_is_given_away() -> None:
    before, after = np.ones(100), np.ones(100)
    before[0], after[1:4] = 0.0, 0.0  # one won, three lost
    line = Evidence([before], [after], True, "episodes", "success")
    worse, fine = chances(difference(line), line, 0.05)
    error = np.sqrt(max(np.var(after - before, ddof=1), 0.05 * 0.95) / 100)
    assert fine == pytest.approx(stats.t.sf((-0.02 + 0.05 - 0.005) / error, 99), rel=1e-9)
    assert worse == pytest.approx(stats.t.cdf((-0.02 + 0.05 + 0.005) / error, 99), rel=1e-9)


@pytest.mark.parametrize("field", [name for name in WAIVABLE if name not in ("assets_json", "packages_json")])
def test_every_field_that_differs_is_named(cell: Cell, field: str) -> None:
    rows = side(cell)
    other = rows.copy()
    other[field] = other[field] + 1 if other[field].dtype.kind == "i" else "other"
    with pytest.raises(GateError, match=rf"{field}: baseline .*, candidate .*--across {field}\.$"):
        ask(other, rows)
    gate = ask(other, rows, across=(field,))
    assert gate.verdict == "not worse"
    assert any(field in note for note in gate.notes) or field == "stand_ins"


def test_of_packages_only_what_differs_is_shown(cell: Cell) -> None:
    other = side(cell, packages_json='{"mujoco":"3.3.0","torch":"2.14.0"}')
    with pytest.raises(GateError, match=r"packages_json: baseline torch=2.13.0, candidate torch=2.14.0\."):
        ask(other, side(cell))


def change(rows: pd.DataFrame, column: str, value: object, *, first: int = 1) -> pd.DataFrame:
    rows = rows.reset_index(drop=True)
    rows.loc[: first - 1, column] = value
    return rows


REFUSED = {
    "an unfinished cell": (lambda r: r.iloc[:-1], "unfinished: cheetah_run, video_hard, training seed 4 has 19 of 20"),
    "a policy not yet measured": (lambda r: r[~((r.train_seed == 4) & (r.setting == "train"))], "has 0 of 20 episodes"),
    "a setting missing": (lambda r: r[r.setting == "train"], "no episodes of walker_walk, video_hard and 1 more"),
    "two ways of measuring": (lambda r: change(r, "compute", "gpu"), "measured in two ways: compute"),
    "two policies": (lambda r: change(r, "checkpoint", "other"), "two policies of walker_walk"),
    "two outcomes": (lambda r: pd.concat([r, change(r.iloc[:1], "episode_return", 1.0)]), "two outcomes of episode 0"),
    "no number": (lambda r: change(r, "episode_return", np.nan), "a return that is no number"),
    "infinity": (lambda r: change(r, "episode_return", np.inf), "a return that is no number"),
    "nothing": (lambda r: r.iloc[:0], "The candidate has no rows"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_as_it_should_be_is_refused(cell: Cell, case: str) -> None:
    spoil, told = REFUSED[case]
    with pytest.raises(GateError, match=told):
        ask(spoil(side(cell)), side(cell))


def test_an_episode_twice_with_one_outcome_counts_once(cell: Cell) -> None:
    rows = side(cell, noise=3)
    assert ask(pd.concat([rows, rows]), side(cell)).lines[0].judged == ask(rows, side(cell)).lines[0].judged


def test_success_needs_successes(cell: Cell) -> None:
    with pytest.raises(GateError, match=r"no success in episode 0 of walker_walk, train.*--on return"):
        ask(side(cell), side(cell), metric="success")
    rows = side(cell, success=[True] * 20)
    assert ask(rows, rows, metric="success").verdict == "not worse"


def test_a_share_of_nothing_is_no_margin(cell: Cell) -> None:
    rows = cell("walker_walk", "train", np.zeros(10))
    with pytest.raises(GateError, match="mean of walker_walk is 0"):
        ask(rows, rows)
    assert ask(rows, rows, "1").verdict == "not worse"
    negative = cell("walker_walk", "train", -100 - np.arange(10.0))
    assert ask(negative, negative).lines[0].judged.margin == pytest.approx(5.225)


def test_a_margin_of_points_on_successes_is_refused() -> None:
    """Five points are 0.05 of a rate; nothing can lose 5."""
    with pytest.raises(GateError, match=r"5 points of a hundred are --margin 0\.05"):
        check_question(Question(margin=parse_margin("5"), metric="success"))
    check_question(Question(margin=parse_margin("0.05"), metric="success"))
    check_question(Question(margin=parse_margin("100%"), metric="success"))
    check_question(Question(margin=parse_margin("5"), metric="return"))


def test_a_margin_of_nothing_needs_no_luck(cell: Cell) -> None:
    gate = ask(side(cell, noise=1), side(cell), "0")
    assert gate.verdict == "cannot tell"
    assert "with a margin of 0" in gate.sentence()


@pytest.mark.parametrize("text", ["", "five", "-1", "5 %%", "nan", "inf", "1e3", "101%", "5%;"])
def test_a_margin_is_a_number(text: str) -> None:
    with pytest.raises(GateError, match="--margin is"):
        parse_margin(text)


@pytest.mark.parametrize(
    ("text", "number", "is_share"), [("5%", 0.05, True), ("12.5", 12.5, False), (" .5 % ", 0.005, True)]
)
def test_margins_are_shares_or_amounts(text: str, number: float, is_share: bool) -> None:
    margin = parse_margin(text)
    assert (margin.number, margin.is_share) == (pytest.approx(number), is_share)


def shown(gate: Gate, fmt: str, status: int = 0) -> str:
    return show_gate(gate, fmt, status=status, now="2026-01-02T03:04:05")


def test_json_says_all(cell: Cell) -> None:
    gate = ask(side(cell, shift=15, noise=3), side(cell))
    found = json.loads(shown(gate, "json", 1))
    assert (found["verdict"], found["exit_status"], found["alpha"]) == ("worse", 1, 0.05)
    line = found["lines"][0]
    assert line["settings"] == ["train", "video_hard"]
    assert line["limits"][0] < line["difference"] < line["limits"][1]


def test_markdown_has_one_line_per_task(cell: Cell) -> None:
    text = shown(ask(side(cell, shift=15, noise=3), side(cell)), "markdown", 1)
    assert text.startswith("### ❌ Worse: more than 5% of return is lost on cheetah_run, walker_walk.")
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len(table) == 4
    assert len({line.count("|") for line in table}) == 1


def test_hostile_names_are_text(cell: Cell) -> None:
    name = '<script>|`x`\x1b[31m"&\u202e\uffff\ufffe\ufdd0\U0001ffff'
    rows = pd.concat(cell(name, "train", np.arange(10.0) + 100, s, checkpoint=f"p{s}") for s in range(2))
    gate = ask(rows, rows)
    for fmt in ("text", "markdown", "json", "junit"):
        text = shown(gate, fmt)
        assert "\x1b" not in text
        assert "\u202e" not in text
    assert "<script>" not in shown(gate, "markdown")
    ElementTree.fromstring(shown(gate, "junit"))


# Of the schemas of Ant (windyroad/JUnit-Schema, JUnit.xsd) and of Jenkins (xunit-plugin, junit-10.xsd), what both ask.
SUITE_MUST = {"name", "package", "id", "timestamp", "hostname", "time", "tests", "failures", "errors"}
SUITE_MAY = SUITE_MUST | {"skipped"}


@pytest.mark.parametrize(("shift", "kept", "status", "kinds"), [
    (15, 20, 1, ["failure", "failure"]),
    (0, 20, 0, [None, None]),
    (0, 1, 3, ["skipped", "skipped"]),
    (0, 1, 1, ["failure", "failure"]),
])  # fmt: skip
def test_junit_is_what_both_schemas_take(cell: Cell, shift: float, kept: int, status: int, kinds: list) -> None:
    rows = [side(cell, shift, 3), side(cell)]
    gate = ask(*(each[(each["episode"] < kept) & (each["train_seed"] < (5 if kept > 1 else 1))] for each in rows))
    root = ElementTree.fromstring(shown(gate, "junit", status))
    [suite] = root
    assert (root.tag, root.attrib) == ("testsuites", {})
    assert SUITE_MUST <= set(suite.attrib) <= SUITE_MAY
    assert [child.tag for child in suite] == ["properties", "testcase", "testcase", "system-out", "system-err"]
    assert suite.get("timestamp") == "2026-01-02T03:04:05"
    cases = suite.findall("testcase")
    assert all(set(case.attrib) == {"name", "classname", "time"} for case in cases)
    found = [next((child.tag for child in case), None) for case in cases]
    assert found == kinds
    assert int(suite.get("failures")) == kinds.count("failure")
    assert int(suite.get("skipped")) == kinds.count("skipped")
    assert all(set(case[0].attrib) == {"message", "type"} for case in cases if found[0] == "failure")


def test_so_many_units_would_do_and_one_less_would_not() -> None:
    found = units_needed(400.0, 5.0, 0.05)
    assert found is not None
    power = {n: stats.nct.sf(stats.t.ppf(0.95, n - 1), n - 1, 5.0 / np.sqrt(400.0 / n)) for n in (found - 1, found)}
    assert power[found - 1] < 0.8 <= power[found]
    assert units_needed(400.0, 0.0, 0.05) is None
    assert units_needed(1e12, 5.0, 0.05) is None
    assert units_needed(0.0, 5.0, 0.05) == 5
