"""The papers' own tables as they stand, to the digit; a cell that nobody could read is shown as missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from harness.reports.render import NOTHING
from harness.reports.sheets import Cell, Grid, Sheet
from harness.reports.table import MISSING
from harness.results.published import SOURCES, load_published_texts

Text = Mapping[str, str]


def published_sheets(suites: Mapping[str, Sequence[str] | None] | None = None) -> list[Sheet]:
    """One sheet per source, with a grid per table, suite and metric; the first sources are the most trusted.

    Args:
      suites: by their names in the files, the settings that are wanted, None for all of them; None for all suites.
    """
    lines = [line for line in load_published_texts() if _is_wanted(line, suites)]
    by_file = {file: [line for line in lines if line["file"] == file] for file in SOURCES}
    return [_sheet(SOURCES[file], found) for file, found in by_file.items() if found]


def _is_wanted(line: Text, suites: Mapping[str, Sequence[str] | None] | None) -> bool:
    if suites is None:
        return True
    settings = suites.get(line["suite"], ())
    return settings is None or line["setting"] in settings


def _sheet(label: str, lines: Sequence[Text]) -> Sheet:
    tables = dict.fromkeys((line["table"], line["suite"], line["metric"]) for line in lines)
    grids = [_grid(table, [x for x in lines if (x["table"], x["suite"], x["metric"]) == table]) for table in tables]
    above = [*_named("Source", lines, "source"), *_named("Training seeds", lines, "seeds")]
    above += _named("Training frames", lines, "frames")
    found = dict.fromkeys(line["note"].removesuffix(".") for line in lines if line["note"])
    notes = [f"{note[:1].upper()}{note[1:]}." for note in found]
    return Sheet(f"{label} †", tuple(above), tuple(grids), (*notes, "† Published, not measured here: mean ± spread."))


def _named(words: str, lines: Sequence[Text], column: str) -> Iterator[str]:
    if found := list(dict.fromkeys(line[column] for line in lines if line[column])):
        yield f"{words}: {', '.join(found)}."


def _grid(table: tuple[str, str, str], lines: Sequence[Text]) -> Grid:
    name, suite, metric = table
    agents = tuple(dict.fromkeys(line["agent"] for line in lines))
    cells: dict[tuple[str, str, str], list[str]] = {}
    for line in lines:
        cells.setdefault((line["setting"], line["task"], line["agent"]), []).append(_printed(line))
    sections = []
    for setting in dict.fromkeys(line["setting"] for line in lines):
        tasks = dict.fromkeys(line["task"] for line in lines if line["setting"] == setting)
        rows = [
            (Cell(task), *(Cell(" / ".join(cells.get((setting, task, agent), [NOTHING]))) for agent in agents))
            for task in tasks
        ]
        sections.append((setting, tuple(rows)))
    return Grid(f"{name}: {suite}, {metric}", ("task", *agents), tuple(sections), 1)


def _printed(line: Text) -> str:
    """A cell with the digits of the file; an absent spread is left out."""
    if line["mean"] == "":
        return MISSING
    return line["mean"] + (f" ±{line['std']}" if line["std"] else "")
