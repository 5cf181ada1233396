"""A table as text: for terminals, Markdown, LaTeX and HTML for readers, CSV and JSON with all digits for machines."""

from __future__ import annotations

import csv
import html
import io
import json
import shutil
import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from harness.reports import statistics
from harness.reports.escaping import in_csv, in_latex, in_latex_cell, in_markdown
from harness.reports.sheets import Cell, Grid, Sheet
from harness.reports.table import COMPLETE, MISSING, PARTIAL, Estimate, Line, Published, Table
from harness.results.text import escaped, json_escaped

DEFAULT_WIDTH = 120  # characters, where there is no terminal to ask
NOTHING = "–"  # not defined, or not published


@dataclass(frozen=True)
class _Grid:
    """What a reader sees: one header, then sections of lines, all texts and safe to show."""

    title: str
    header: tuple[str, ...]
    sections: tuple[tuple[str, tuple[tuple[str, ...], ...]], ...]  # (setting, lines)
    num_measured: int  # columns before the published ones
    footnotes: tuple[str, ...]


def render(table: Table, fmt: str = "terminal", *, width: int | None = None) -> str:
    """The table in a format.

    Args:
      table: what to show.
      fmt: "terminal" (colours where standard output is a terminal, else as "text"), "text", "markdown" or "md",
        "csv", "json", "latex" or "html".
      width: for the first two, characters per line; None asks the terminal, or takes 120. Published columns that do
        not fit move into a table of their own below.

    Returns:
      The text, without a newline at its end.

    Raises:
      ValueError: if there is no such format.
    """
    if fmt not in FORMATS:
        raise ValueError(f"Unknown table format '{fmt}'. Formats: {', '.join(FORMATS)}.")
    if fmt == "terminal" and sys.stdout.isatty():
        return _coloured(table, width or shutil.get_terminal_size().columns)
    if fmt in ("terminal", "text"):
        return _text(table, width or DEFAULT_WIDTH)
    return FORMATS[fmt](table)


def plain_number(value: float, sign: str = "") -> str:
    """Four digits, and all those before the point: `1.5`, `16310`; with an exponent only where that is much shorter.

    Args:
      sign: "+" to show that of positive numbers too.
    """
    told = f"{value:{sign}.4g}"
    return f"{value:{sign}.0f}" if "e" in told and 1 <= abs(value) < 1e15 else told


def format_estimate(estimate: Estimate | None, *, decimals: int | None = None) -> str:
    """`600 [572, 631]`: the mean and its interval; whole numbers from 100 on, one decimal below, unless given."""
    if estimate is None:
        return NOTHING
    numbers = [value for value in (estimate.mean, estimate.low, estimate.high) if value is not None]
    if decimals is None:
        decimals = 0 if max(map(abs, numbers)) >= 99.95 else 1
    mean, *limits = (f"{value + 0.0:.{decimals}f}" for value in (round(number, decimals) for number in numbers))
    return f"{mean} [{', '.join(limits)}]" if limits else mean


def _grid(table: Table) -> _Grid:
    definitions = _definitions(table.lines)
    names_agent = len({line.agent for line in table.lines}) > 1
    has_success = any(line.success is not None for line in table.lines)
    has_gap = any(line.gap is not None for line in table.lines)
    header = ["task", *(["agent"] if names_agent else []), "return", *(["success"] if has_success else [])]
    header += [*(f"success: {name}" for name in definitions), *(["gap"] if has_gap else []), "seeds×episodes"]
    marks = _marks(table.lines)
    header += ["notes"] if marks else []
    sections = []
    for setting in dict.fromkeys(line.setting for line in table.lines):
        section = []
        for line in (line for line in table.lines if line.setting == setting):
            texts = [line.task, *([line.agent or NOTHING] if names_agent else []), _return(line)]
            texts += [*([_rate(line, line.success)] if has_success else [])]
            texts += [_rate(line, line.successes.get(name)) for name in definitions]
            texts += [*([_gap(line, table)] if has_gap else []), _episodes(line, table)]
            texts += [" ".join(f"[{marks[text]}]" for text in line.notes)] if marks else []
            texts += [_beside(line.published.get(agent), table) for agent in table.published_agents]
            section.append(tuple(texts))
        sections.append((setting, tuple(section)))
    noted = tuple(f"[{number}] {text[:1].upper()}{text[1:]}." for text, number in marks.items())
    columns = (*header, *(f"{agent} †" for agent in table.published_agents))
    return _Grid(
        title=escaped(table.title),
        header=_safe(columns),
        sections=tuple((escaped(name), tuple(map(_safe, lines))) for name, lines in sections),
        num_measured=len(header),
        footnotes=_safe((*noted, *table.footnotes)),
    )


def as_sheet(table: Table) -> Sheet:
    """The table as a sheet, its footnotes below."""
    grid = _grid(table)
    sections = tuple((name, tuple(tuple(map(Cell, line)) for line in lines)) for name, lines in grid.sections)
    return Sheet(grid.title, (), (Grid(grid.title, grid.header, sections, grid.num_measured),), grid.footnotes)


def _safe(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(map(escaped, texts))


def _definitions(lines: Sequence[Line]) -> list[str]:
    """The success definitions that ever say something other than the headline does."""
    names = dict.fromkeys(name for line in lines for name in line.successes)
    return [name for name in names if any(line.successes.get(name, line.success) != line.success for line in lines)]


def _marks(lines: Sequence[Line]) -> dict[str, int]:
    texts = dict.fromkeys(text for line in lines for text in line.notes)
    return {text: number for number, text in enumerate(texts, start=1)}


def _return(line: Line) -> str:
    return MISSING if line.status == MISSING else format_estimate(line.episode_return)


def _rate(line: Line, estimate: Estimate | None) -> str:
    return MISSING if line.status == MISSING else format_estimate(estimate, decimals=2)


def _gap(line: Line, table: Table) -> str:
    return format_estimate(line.gap, decimals=2 if table.expected.metric == "success" else None)


def _episodes(line: Line, table: Table) -> str:
    """`5×100` for a complete line (of each task, for a mean over tasks), else how many episodes there are."""
    if line.status != COMPLETE:
        found = f"{line.num_episodes:,} of {line.expected_episodes:,}"
        return f"partial, {found}" if line.status == PARTIAL else found
    if line.num_episodes != line.expected_episodes:  # several evaluation seeds
        return f"{line.num_episodes:,}"
    return f"{len(table.expected.train_seeds)}×{table.expected.episodes:,}"


def _beside(number: Published | None, table: Table) -> str:
    if number is None:
        return NOTHING
    decimals = 2 if table.expected.metric == "success" else 0
    return f"{number.mean:.{decimals}f}" + (f" ±{number.std:.{decimals}f}" if number.std is not None else "")


def _text(table: Table, width: int) -> str:
    grid = _grid(table)
    blocks = [_aligned(part) for part in _split(grid, width)]
    notes = [line for note in grid.footnotes for line in _wrapped(note, width)]
    return "\n".join([grid.title, "", "\n\n".join(blocks), "", *notes])


def _split(grid: _Grid, width: int) -> list[_Grid]:
    """The grid, or, if it is too wide, the measured columns and then the published ones."""
    if grid.num_measured == len(grid.header) or len(_aligned(grid).split("\n", 1)[0]) <= width:
        return [grid]
    measured = list(range(grid.num_measured))
    published = [0, *range(grid.num_measured, len(grid.header))]
    return [_columns(grid, measured), _columns(grid, published)]


def _columns(grid: _Grid, indices: list[int]) -> _Grid:
    def pick(texts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(texts[i] for i in indices)

    picked = ((name, tuple(dict.fromkeys(map(pick, lines)))) for name, lines in grid.sections)
    sections = tuple((name, lines) for name, lines in picked if any(set(line[1:]) != {NOTHING} for line in lines))
    return _Grid(grid.title, pick(grid.header), sections, len(indices), grid.footnotes)


def _aligned(grid: _Grid) -> str:
    """Columns padded with spaces: the texts to the left, the numbers to the right."""
    everything = [grid.header, *(line for _, lines in grid.sections for line in lines)]
    widths = [max(len(line[i]) for line in everything) for i in range(len(grid.header))]
    widths[0] = max(widths[0], *(len(name) for name, _ in grid.sections)) + 2
    left = [i == 0 or name == "agent" for i, name in enumerate(grid.header)]

    def row(texts: Sequence[str]) -> str:
        padded = (
            f"{text:<{w}}" if is_left else f"{text:>{w}}" for text, w, is_left in zip(texts, widths, left, strict=True)
        )
        return "  ".join(padded)

    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    lines = [row(grid.header), rule]
    for name, section in grid.sections:
        lines += [name, *(row(("  " + texts[0], *texts[1:])).rstrip() for texts in section)]
    return "\n".join(lines)


def _wrapped(note: str, width: int) -> list[str]:
    indent = " " * (len(note) - len(note.lstrip()))
    return textwrap.wrap(note, width, subsequent_indent=indent + "  ", break_on_hyphens=False)


def _coloured(table: Table, width: int) -> str:
    from rich.console import Console
    from rich.text import Text

    console = Console(force_terminal=True, width=width, file=io.StringIO(), highlight=False)
    grid = _grid(table)
    headings = {name for name, _ in grid.sections}
    console.print(Text(grid.title, style="bold"))
    console.print("")
    for part in _split(grid, width):
        for line in _aligned(part).split("\n"):
            text = Text(line, style="bold cyan" if line in headings else "", no_wrap=True, overflow="ignore")
            text.highlight_regex(r"\bmissing\b|(partial, )?[\d,]+ of [\d,]+", "yellow")
            text.highlight_regex(r"\[-?[\d.]+, -?[\d.]+\]|†|–", "dim")
            console.print(text, soft_wrap=True)
        console.print("")
    for note in grid.footnotes:
        for line in _wrapped(note, width):
            console.print(Text(line, style="dim"), soft_wrap=True)
    file = console.file
    return file.getvalue().rstrip("\n") if isinstance(file, io.StringIO) else ""


def _markdown(table: Table) -> str:
    grid = _grid(table)

    def row(texts: Sequence[str]) -> str:
        return "| " + " | ".join(in_markdown(text) for text in texts) + " |"

    lines = [f"**{in_markdown(grid.title)}**", "", row(("setting", *grid.header))]
    lines.append("| --- | --- |" + " ---: |" * (len(grid.header) - 1))
    lines += [row((name, *texts)) for name, section in grid.sections for texts in section]
    return "\n".join([*lines, "", *(f"- {in_markdown(note.strip())}" for note in grid.footnotes)])


def _html(table: Table) -> str:
    grid, escape = _grid(table), html.escape
    head = "".join(f"<th>{escape(name)}</th>" for name in grid.header)
    lines = ['<table class="results">', f"<caption>{escape(grid.title)}</caption>", f"<thead><tr>{head}</tr></thead>"]
    for name, section in grid.sections:
        lines.append(f'<tbody>\n<tr><th scope="rowgroup" colspan="{len(grid.header)}">{escape(name)}</th></tr>')
        for texts in section:
            cells = "".join(
                f"<td{' class=published' if i >= grid.num_measured else ''}>{escape(text)}</td>"
                for i, text in enumerate(texts[1:], start=1)
            )
            lines.append(f'<tr><th scope="row">{escape(texts[0])}</th>{cells}</tr>')
        lines.append("</tbody>")
    notes = [f"<li>{escape(note.strip())}</li>" for note in grid.footnotes]
    return "\n".join([*lines, "</table>", '<ul class="footnotes">', *notes, "</ul>"])


def _latex(table: Table) -> str:
    grid = _grid(table)

    def row(texts: Sequence[str]) -> str:
        return " & ".join(in_latex_cell(in_latex(text)) for text in texts) + r" \\"

    lines = [
        "% needs \\usepackage{booktabs}",
        r"\begin{table}",
        rf"\caption{{{in_latex(grid.title)}}}",
        rf"\begin{{tabular}}{{l{'r' * (len(grid.header) - 1)}}}",
        r"\toprule",
        row(grid.header),
    ]
    for name, section in grid.sections:
        lines += [r"\midrule", rf"\multicolumn{{{len(grid.header)}}}{{l}}{{\emph{{{in_latex(name)}}}}} \\"]
        lines += [row(texts) for texts in section]
    notes = [in_latex(note.strip()) + r"\par" for note in grid.footnotes]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\footnotesize", *notes, r"\end{table}"])


def _csv(table: Table) -> str:
    lines = [_flat(line, table) for line in table.lines]
    file = io.StringIO()
    writer = csv.DictWriter(file, list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return file.getvalue().rstrip("\n")


def _flat(line: Line, table: Table) -> dict[str, Any]:
    """A line for a spreadsheet; what is absent is empty."""
    values: dict[str, Any] = {
        "setting": line.setting,
        "task": line.task,
        "agent": line.agent,
        "status": line.status,
        "episodes": line.num_episodes,
        "expected_episodes": line.expected_episodes,
        "seeds": line.episode_return.num_seeds if line.episode_return else None,
    }
    names = dict.fromkeys(name for other in table.lines for name in other.successes)
    estimates = {"return": line.episode_return, "success": line.success, "gap": line.gap}
    estimates |= {f"success_{name}": line.successes.get(name) for name in names}
    for name, estimate in estimates.items():
        for part in ("mean", "low", "high"):
            values[f"{name}_{part}"] = getattr(estimate, part) if estimate else None
    for agent in table.published_agents:
        number = line.published.get(agent)
        for part in ("mean", "std", "label"):
            values[f"published_{agent}_{part}"] = getattr(number, part) if number else None
    for name in ("preset", "train_frames", "stand_ins", "render_profile"):
        values[name] = line.key.get(name)
    values["notes"] = "; ".join(line.notes)
    return {in_csv(name): in_csv(value) for name, value in values.items()}


def _json(table: Table) -> str:
    method = {
        "interval_level": statistics.LEVEL,
        "interval_method": "percentile bootstrap over seeds, then episodes",
        "num_resamples": statistics.NUM_RESAMPLES,
    }
    expected = {**vars(table.expected)}
    for name in ("protocol_frames", "protocol_action_repeat", "protocol_episode_frames", "views"):
        expected[name] = dict(expected[name])
    content = {
        "title": table.title,
        "expected": expected,
        "statistics": method,
        "lines": [asdict(line) for line in table.lines],
        "aggregate": [asdict(aggregate) for aggregate in table.aggregates],
        "published_agents": table.published_agents,
        "footnotes": table.footnotes,
    }
    return json_escaped(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False))


FORMATS: dict[str, Callable[[Table], str]] = {
    "terminal": lambda table: _text(table, DEFAULT_WIDTH),
    "text": lambda table: _text(table, DEFAULT_WIDTH),
    "markdown": _markdown,
    "md": _markdown,
    "csv": _csv,
    "json": _json,
    "latex": _latex,
    "html": _html,
}
