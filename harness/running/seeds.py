"""Training seeds: as the user writes them (`3`, `0-4` or `0,2,5-7`), and of policies that have none."""

from __future__ import annotations

import re

from harness.errors import UsageError

MAX_SEED = 2**31 - 1
MOST_SEEDS = 10_000


def made_with(train_seed: int | None) -> int:
    """The seed an agent is made with and its episodes are counted from; 0 for a policy that is not made from one."""
    return 0 if train_seed is None else train_seed


def parse_seeds(text: str) -> tuple[int, ...]:
    """Reads `3`, `0-4` or `0,2,5-7` as seeds, sorted and without repeats.

    Raises:
      UsageError: if the text is none of these or a seed exceeds 2^31 - 1.
    """
    seeds: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"\s*([0-9]{1,10})(?:\s*-\s*([0-9]{1,10}))?\s*", part)
        if not match:
            raise UsageError(f"Seeds are numbers and ranges such as 0-4 or 0,2,5, not '{text}'.")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first or last > MAX_SEED or last - first >= MOST_SEEDS:
            raise UsageError(
                f"Seeds '{part.strip()}' are not a rising range of at most {MOST_SEEDS} within 0..{MAX_SEED}."
            )
        seeds.update(range(first, last + 1))
    if len(seeds) > MOST_SEEDS:
        raise UsageError(f"Seeds '{text}' are {len(seeds)}, more than {MOST_SEEDS}.")
    return tuple(sorted(seeds))
