"""Sheets of grids for readers: as plain text, Markdown, LaTeX or HTML, with every name shown as the text it is."""

from __future__ import annotations

import functools
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.reports.escaping import in_latex, in_latex_cell, in_markdown
from harness.results.text import escaped

if TYPE_CHECKING:
    from jinja2 import Environment

DEFAULT_WIDTH = 120  # characters, where there is no terminal to ask
FORMATS = ("terminal", "text", "md", "markdown", "latex", "html")
LONGEST = 40  # characters of a name in plain text; other formats hold all of it
STAR = " *"  # behind what is bold elsewhere
TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Cell:
    """What stands in one field.

    Attributes:
      is_best: whether it is set in bold.
      href: where it leads, in pages that have more than one; a name of ours.
    """

    text: str
    is_best: bool = False
    href: str = ""


Lines = tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class Grid:
    """One table.

    Attributes:
      header: names of the columns.
      sections: (name, lines); "" for no name.
      num_measured: columns before the published ones.
    """

    title: str
    header: tuple[str, ...]
    sections: tuple[tuple[str, Lines], ...]
    num_measured: int


@dataclass(frozen=True)
class Sheet:
    """Grids that belong together, with sentences above and below."""

    title: str
    lines: tuple[str, ...]
    grids: tuple[Grid, ...]
    notes: tuple[str, ...]


def show(sheets: Sequence[Sheet], fmt: str = "terminal", *, title: str = "", width: int | None = None) -> str:
    """The sheets as text, without a newline at the end.

    Args:
      sheets: in order.
      fmt: a name in `FORMATS`.
      title: of the page, for HTML.
      width: characters per line of plain text; None asks the terminal, or takes 120.

    Raises:
      ValueError: if there is no such format.
    """
    if fmt not in FORMATS:
        raise ValueError(f"Unknown format '{fmt}'. Formats: {', '.join(FORMATS)}.")
    if fmt in ("terminal", "text"):
        columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else DEFAULT_WIDTH
        return "\n\n\n".join(_text(sheet, width or columns) for sheet in sheets)
    if fmt == "html":
        return environment().get_template("sheets.html").render(sheets=sheets, title=title)
    return _latex(sheets) if fmt == "latex" else _markdown(sheets)


@functools.cache
def environment() -> Environment:
    """Templates of HTML pages: every value is escaped, and what acts on a reader's screen unseen is written out."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: escaped(value, keep="\n") if isinstance(value, str) and type(value) is str else value,
    )


def _text(sheet: Sheet, width: int) -> str:
    blocks = [block for grid in sheet.grids for block in _text_blocks(grid, width)]
    above = [line for text in sheet.lines for line in _wrapped(text, width)]
    notes = [line for text in sheet.notes for line in _wrapped(text, width)]
    return "\n\n".join("\n".join(part) for part in ([escaped(sheet.title), *above], *blocks, notes) if part)


def _text_blocks(grid: Grid, width: int) -> Iterator[list[str]]:
    """The grid in as many parts as its columns need to fit; the first column leads each."""
    texts = [[_short(name) for name in grid.header]]
    texts += [[_short(_starred(cell)) for cell in line] for _, lines in grid.sections for line in lines]
    widths = [max(len(line[i]) for line in texts) for i in range(len(grid.header))]
    widths[0] = max([widths[0] + 2, *(len(_short(name)) for name, _ in grid.sections)])
    for number, columns in enumerate(_fitting(widths, width)):
        part = [*([escaped(grid.title)] if number == 0 else [])]
        part += [_row(texts[0], widths, columns), "-" * (sum(widths[i] + 2 for i in columns) - 2)]
        at = 1
        for name, lines in grid.sections:
            part += [_short(name)] if name else []
            for line in texts[at : at + len(lines)]:
                part.append(_row(["  " + line[0] if name else line[0], *line[1:]], widths, columns))
            at += len(lines)
        yield part


def _fitting(widths: Sequence[int], width: int) -> Iterator[list[int]]:
    columns, used = [0], widths[0]
    for index in range(1, len(widths)):
        if used + 2 + widths[index] > width and len(columns) > 1:
            yield columns
            columns, used = [0], widths[0]
        columns.append(index)
        used += 2 + widths[index]
    yield columns


def _row(texts: Sequence[str], widths: Sequence[int], columns: Sequence[int]) -> str:
    first, *others = columns
    padded = [f"{texts[first]:<{widths[first]}}", *(f"{texts[i]:>{widths[i]}}" for i in others)]
    return "  ".join(padded).rstrip()


def _starred(cell: Cell) -> str:
    return cell.text + STAR if cell.is_best else cell.text


def _short(text: str) -> str:
    """A name that would push all else off the screen is cut in its middle."""
    shown = escaped(text)
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST // 2]}…{shown[-(LONGEST // 2 - 1) :]}"


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(escaped(text), width, subsequent_indent="  ", break_on_hyphens=False) or [""]


def _markdown(sheets: Sequence[Sheet]) -> str:
    blocks: list[str] = []
    for sheet in sheets:
        blocks.append(f"### {in_markdown(sheet.title)}")
        blocks += map(in_markdown, sheet.lines)
        blocks += map(_markdown_grid, sheet.grids)
        if sheet.notes:
            blocks.append("\n".join(f"- {in_markdown(note)}" for note in sheet.notes))
    return "\n\n".join(blocks)


def _markdown_grid(grid: Grid) -> str:
    has_sections = any(name for name, _ in grid.sections)

    def row(texts: Sequence[str]) -> str:
        return "| " + " | ".join(texts) + " |"

    def marked(cell: Cell) -> str:
        return f"**{in_markdown(cell.text)}**" if cell.is_best else in_markdown(cell.text)

    lines = [row([*([""] if has_sections else []), *map(in_markdown, grid.header)])]
    lines.append("|" + " --- |" * (1 + has_sections) + " ---: |" * (len(grid.header) - 1))
    for name, section in grid.sections:
        lines += [row([*([in_markdown(name)] if has_sections else []), *map(marked, line)]) for line in section]
    return f"**{in_markdown(grid.title)}**\n\n" + "\n".join(lines)


def _latex(sheets: Sequence[Sheet]) -> str:
    parts = [r"% needs \usepackage[utf8]{inputenc} and \usepackage{booktabs}"]
    for sheet in sheets:
        parts += [rf"\subsection*{{{in_latex(sheet.title)}}}", *(in_latex(line) + r"\par" for line in sheet.lines)]
        parts += [_latex_grid(grid) for grid in sheet.grids]
        parts += [r"{\footnotesize", *(in_latex(note) + r"\par" for note in sheet.notes), "}"] if sheet.notes else []
    return "\n".join(parts)


def _latex_grid(grid: Grid) -> str:
    def row(texts: Sequence[str]) -> str:
        return " & ".join(map(in_latex_cell, texts)) + r" \\"

    def marked(cell: Cell) -> str:
        return rf"\textbf{{{in_latex(cell.text)}}}" if cell.is_best else in_latex(cell.text)

    lines = [r"\begin{table}[htbp]", rf"\caption{{{in_latex(grid.title)}}}"]
    lines += [rf"\begin{{tabular}}{{l{'r' * (len(grid.header) - 1)}}}", r"\toprule"]
    lines.append(row([in_latex(name) for name in grid.header]))
    for name, section in grid.sections:
        heading = rf"\multicolumn{{{len(grid.header)}}}{{l}}{{\emph{{{in_latex(name)}}}}} \\"
        lines += [
            r"\midrule",
            *([heading] if name else []),
            *(row([marked(cell) for cell in line]) for line in section),
        ]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}"])
