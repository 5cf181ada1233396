"""Tests between agents, their correction, and what follows from them: ranks, groups, the best."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.stats

from harness.reports import comparing

RNG = np.random.default_rng(3)


def seeds(*means: float) -> list[list[float]]:
    return [[mean] for mean in means]


def test_two_agents_on_one_task_are_welch_s_test_of_scipy():
    x, y = RNG.normal(1, 1, 5), RNG.normal(0, 3, 8)
    ours = comparing.difference_chance([seeds(*x)], [seeds(*y)], "return")
    assert ours == pytest.approx(scipy.stats.ttest_ind(x, y, equal_var=False).pvalue, rel=1e-10)
    assert comparing.difference_chance([[[1.0]]], [seeds(*y)], "return") is None


def test_without_spread_returns_are_permuted_and_rates_by_chance():
    """Of 2 and 2 seeds 1 of 6 ways to deal them is so far apart one way, 1 the other."""
    assert comparing.difference_chance([seeds(1, 1)], [seeds(0, 0)], "return") == pytest.approx(2 / 6)
    assert comparing.difference_chance([seeds(*[1] * 5)], [seeds(*[0] * 5)], "return") == pytest.approx(2 / 252)
    assert comparing.difference_chance([[[1] * 20]], [[[0] * 20]], "return") == pytest.approx(2 / math.comb(40, 20))
    assert comparing.difference_chance([seeds(0.1, 0.1)], [[[0.1, 0.1, 0.1]] * 2], "return") == 1.0
    assert comparing.difference_chance([seeds(1, 1)], [seeds(0, 0)], "success") > 0.05
    assert comparing.difference_chance([[[1] * 20] * 5], [[[0] * 20] * 5], "success") < 1e-6


def test_holm_s_own_example():
    """P values 0.01, 0.04, 0.03, 0.005 are corrected to 0.03, 0.06, 0.06, 0.02."""
    assert comparing.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert comparing.holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert comparing.holm([]) == []


def test_three_agents_two_of_which_are_alike():
    agents = [[seeds(9, 10, 11, 10)], [seeds(50, 51, 49, 50)], [seeds(10, 11, 9, 11)], None]
    ((signs, tested),) = comparing.better_signs([agents], "return")
    assert signs.tolist() == [[0, -1, 0, 0], [1, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 0]]
    assert comparing.rank_limits(signs, tested, 3) == [(2, 3), (1, 1), (2, 3), None]
    # one that claims nothing may stand anywhere
    assert comparing.rank_limits(signs, tested, 4) == [(2, 4), (1, 2), (2, 4), None]
    assert comparing.group_letters(signs, tested, [1, 2, 0, 3]) == ["b", "a", "b", ""]
    assert comparing.best_alone(signs, tested) == 1
    chances = comparing.best_chances(agents, "return")
    assert chances[1] == 1.0
    assert chances[3] is None


def test_an_agent_alone_is_not_called_the_best():
    ((signs, tested),) = comparing.better_signs([[[seeds(1, 2)], None]], "return")
    assert comparing.best_alone(signs, tested) is None
    assert comparing.rank_limits(signs, tested, 2) == [None, None]


def test_groups_overlap_where_neighbours_cannot_be_told_apart():
    """A > C is the only claim: B belongs to both, which one letter each could not say."""
    signs = np.array([[0, 0, 1], [0, 0, 0], [-1, 0, 0]], np.int8)
    tested = ~np.eye(3, dtype=bool)
    assert comparing.group_letters(signs, tested, [0, 1, 2]) == ["a", "ab", "b"]


def test_letters_say_exactly_which_pairs_are_apart():
    for _ in range(200):
        count = int(RNG.integers(2, 7))
        upper = np.triu(RNG.random((count, count)) < 0.4, 1).astype(np.int8)
        signs, tested = upper - upper.T, ~np.eye(count, dtype=bool)
        letters = comparing.group_letters(signs, tested, range(count))
        for i, j in itertools.combinations(range(count), 2):
            assert bool(set(letters[i]) & set(letters[j])) == (signs[i, j] == 0)


def test_several_lines_are_one_family():
    """A difference with p = 0.02 or so is claimed alone, and not as one of four."""
    values = scipy.stats.norm.ppf(np.arange(1, 10) / 10)
    x, y = seeds(*(values + 1.0)), seeds(*values)
    assert 0.0125 < comparing.difference_chance([x], [y], "return") < 0.05
    assert comparing.better_signs([[[x], [y]]], "return")[0][0][0, 1] == 1
    alike = [[y], [y]]
    assert comparing.better_signs([[[x], [y]], alike, alike, alike], "return")[0][0][0, 1] == 0


def test_being_best_is_a_fair_share_among_equals_and_follows_the_difference():
    same = [seeds(1, 2, 3)]
    assert comparing.best_chances([same, same, same], "return") == pytest.approx([1 / 3] * 3, abs=0.02)
    certain, few = [seeds(1, 1, 1, 1)], [seeds(1, 1, 1)]
    assert comparing.best_chances([certain, certain], "return") == [0.5, 0.5]
    assert comparing.best_chances([certain, few], "return") == [1.0, None]
    perfect, good = [[[1] * 10] * 2], [[[1] * 10, [1] * 9 + [0]]]
    first, second = comparing.best_chances([perfect, good], "success")
    assert 0.5 < first < 0.95
    assert first + second == pytest.approx(1)


def test_outcomes_of_nothing_or_all_make_no_false_claims():
    """Two equal agents with two seeds of one episode: often neither has a spread."""
    rng, wrong = np.random.default_rng(3), 0
    for _ in range(400):
        agents = [[rng.integers(0, 2, (2, 1)).astype(float)] for _ in range(2)]
        ((signs, _),) = comparing.better_signs([agents], "return")
        wrong += bool(signs.any())
    assert wrong / 400 < 0.09


def test_no_claim_is_wrong_in_more_than_one_of_twenty_boards():
    """Five equal agents with five seeds: 600 boards; three standard errors above 5 % are 7.7 %."""
    rng = np.random.default_rng(9)
    wrong = 0
    for _ in range(600):
        agents = [[rng.normal(size=(5, 1))] for _ in range(5)]
        ((signs, _),) = comparing.better_signs([agents], "return")
        wrong += bool(signs.any())
    assert wrong / 600 < 0.077
