"""Rows as CSV: every digit and every text comes back as it went out, and no cell acts in a spreadsheet.

A text that a spreadsheet would take for a formula, or that begins with an apostrophe, is led by one more; reading takes
it off again. An absent value is an empty cell.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.results.damage import CorruptRowsError, OnDamage, Undigested, refuse
from harness.results.earlier import columns_of, upgraded, version_of
from harness.results.plain_file import read_plain
from harness.results.rows import COLUMNS, Row, check_row, column_types, from_dict, shortened, to_dict

MAX_BYTES = 2**31
_GUARDED = tuple("=+-@\t\r'")  # OWASP, CSV injection; and the guard itself
_TRUTH = {"True": True, "False": False}


def rows_to_csv(rows: Iterable[Row]) -> str:
    """One line per row under a line of column names.

    Raises:
      TypeError, ValueError: as `check_row`.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")  # else a lone carriage return is not quoted
    writer.writerow(COLUMNS)
    for row in rows:
        check_row(row)
        writer.writerow([_written(value) for value in to_dict(row).values()])
    return text.getvalue()


def read_csv(path: Path, on_damage: OnDamage = refuse) -> list[Row]:
    """The rows of a file of `rows_to_csv`, or of one that pandas made of rows; of a damaged one, none is believed.

    Raises:
      FileNotFoundError: if there is no such file.
      CorruptRowsError: if it holds anything but rows; the message says in which line.
    """
    try:
        rows = parse_csv(_text(path))
    except (ValueError, TypeError) as error:
        reason = shortened(" ".join(str(error).split()).removesuffix("."), 300)
        on_damage(CorruptRowsError(f"{path} is not a file of rows: {reason}. Nothing is measured over it."))
        return []
    on_damage(Undigested(path))  # a table of texts has no place for one
    return rows


def parse_csv(text: str) -> list[Row]:
    """The rows that a text in CSV holds.

    Raises:
      ValueError, TypeError: if it holds anything else, in a clause.
    """
    lines = _records(text)
    names: list[str] = next(lines, [])
    if len(set(names)) < len(names) or set(names) != set(columns_of(version_of(frozenset(names)))):
        raise ValueError(f"its columns are {', '.join(names) or 'none'}")
    return [_row(number, names, cells) for number, cells in enumerate(lines, start=2)]


def _records(text: str) -> Any:
    try:
        yield from csv.reader(io.StringIO(text, newline=""), strict=True)
    except csv.Error as error:
        raise ValueError(f"it is no CSV ({error})") from error


def _text(path: Path) -> str:
    data = read_plain(path, MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ValueError("it has more than two gigabytes")
    return data.decode("utf-8-sig")


def _row(number: int, names: Sequence[str], cells: Sequence[str]) -> Row:
    if len(cells) != len(names):
        raise ValueError(f"line {number} has {len(cells)} cells under {len(names)} names")
    try:
        row = from_dict(upgraded(_typed(dict(zip(names, cells, strict=True)))))
        check_row(row)
    except (ValueError, TypeError) as error:
        raise ValueError(f"line {number}, {error}") from error
    return row


def _typed(cells: Mapping[str, str]) -> dict[str, Any]:
    types = column_types()
    return {name: _read(name, text, *types.get(name, (str, False))) for name, text in cells.items()}


def _read(name: str, text: str, kind: type, nullable: bool) -> Any:
    if kind is str:
        return text[1:] if text.startswith("'") and text[1:].startswith(_GUARDED) else text
    if nullable and text == "":
        return None
    if kind is bool:
        if text not in _TRUTH:
            raise ValueError(f"{name} is True or False, not {shortened(repr(text))}")
        return _TRUTH[text]
    return _number(name, text, kind)


def _number(name: str, text: str, kind: type) -> Any:
    # Digits alone: Python's own conversions take underscores, spaces and the digits of other scripts too.
    if not text.isascii() or "_" in text or text != text.strip():
        raise ValueError(f"{name} is no number: {shortened(repr(text))}")
    try:
        return kind(text)
    except ValueError:
        raise ValueError(f"{name} is no number: {shortened(repr(text))}") from None


def _written(value: Any) -> Any:
    if value is None:
        return ""
    return "'" + value if isinstance(value, str) and value.startswith(_GUARDED) else value
