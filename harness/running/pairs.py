"""Options that are written as `key=value,key=value`."""

from __future__ import annotations

from collections.abc import Collection

from harness.errors import UsageError, unknown


def parse_pairs(option: str, text: str | None, names: Collection[str]) -> dict[str, str]:
    """Reads `key=value,...`; spaces around keys and values do not count.

    Args:
      option: as messages call it, such as "--slurm".
      text: as the user wrote it; None or empty: nothing is asked for.
      names: the keys there are.
    Raises:
      UsageError: in one sentence, for what is no pair, and a key that is unknown or comes twice.
    """
    values: dict[str, str] = {}
    for pair in text.split(",") if text else ():
        name, equals, value = (part.strip() for part in pair.partition("="))
        if not equals or not value:
            raise UsageError(f"{option} takes key=value,key=value, not '{pair}'.")
        if name not in names:
            raise unknown(f"option of {option}", name, list(names))
        if name in values:
            raise UsageError(f"{option} {name} is given twice.")
        values[name] = value
    return values
