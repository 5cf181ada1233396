"""Training seeds as the user writes them."""

from __future__ import annotations

import pytest

from harness.errors import UsageError
from harness.running.seeds import parse_seeds


@pytest.mark.parametrize(
    ("text", "seeds"), [("3", (3,)), ("0-4", (0, 1, 2, 3, 4)), ("5,0,2-3,2", (0, 2, 3, 5)), (" 1 , 2 ", (1, 2))]
)
def test_seeds_are_read(text: str, seeds: tuple[int, ...]) -> None:
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "a", "1-", "-1", "4-2", "1;2", "0-99999999", "2147483648"])
def test_wrong_seeds_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"[Ss]eeds"):
        parse_seeds(text)
