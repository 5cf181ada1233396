"""What the benchmark of an iteration of RRL compares is the same."""

from __future__ import annotations

from benchmarks.rrl_iteration import AGREEMENT, learning, products


def test_both_products_agree() -> None:
    ours, theirs, apart = products(rows=300, features=11, actions=3, hidden=16)
    assert apart < AGREEMENT
    assert min(ours, theirs) > 0


def test_the_parts_of_learning_are_timed() -> None:
    assert all(seconds > 0 for seconds in learning(rows=300, features=11, actions=3).values())
