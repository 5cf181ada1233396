"""Where networks are computed: `--device`."""

from __future__ import annotations

import re

from harness.cards import card_names
from harness.errors import UsageError, unknown

NAMES = ("auto", "cpu", "cuda")


def choose_device(name: str, *, elsewhere: bool = False) -> str:
    """Resolves "auto", "cpu", "cuda" or "cuda:1"; asks the driver, not torch, so that the answer comes at once.

    Args:
      name: as the user wrote it.
      elsewhere: whether other machines compute, so that this one's driver says nothing; "auto" is "cpu" then.
    Returns:
      "cpu", "cuda" (CUDA's first card), or "cuda:1".
    Raises:
      UsageError: for another name, or a card that is not there.
    """
    if name not in NAMES and not re.fullmatch(r"cuda:[0-9]{1,3}", name):
        raise unknown("device", name, [*NAMES, "cuda:0"])
    if elsewhere:
        return _elsewhere(name)
    cards = card_names() if name != "cpu" else ()
    if name.startswith("cuda"):
        _check_there(name, cards)
        return name
    return "cuda" if cards else "cpu"


def _elsewhere(name: str) -> str:
    if ":" in name:
        raise UsageError(
            f"--device {name} names a card of this machine, and jobs elsewhere are given theirs: use cuda."
        )
    return "cpu" if name == "auto" else name


def _check_there(name: str, cards: tuple[str, ...]) -> None:
    if not cards:
        raise UsageError(f"There is no CUDA device here, so no {name}; use --device cpu, or run: harness doctor")
    if int(name.partition(":")[2] or 0) >= len(cards):
        there = ", ".join(f"cuda:{number} ({card})" for number, card in enumerate(cards))
        raise UsageError(f"There is no {name} here; there is {there}.")
