"""A leaderboard as a folder of static pages that anyone can host: one for all, one per agent, one per run."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.reports.board_pages import board_sections, verdict
from harness.reports.leaderboard import Leaderboard
from harness.reports.pages import Block, Page, Section, Table, Text, Texts, render_page
from harness.reports.render import format_estimate
from harness.reports.run_pages import run_sections
from harness.reports.run_sources import RunSource
from harness.reports.sheets import Cell, Grid
from harness.reports.submissions import Refused
from harness.reports.table import MISSING

if TYPE_CHECKING:
    import pandas as pd

INDEX = "index.html"


@dataclass(frozen=True)
class Site:
    """What a site shows.

    Attributes:
      found: the leaderboard.
      rows: all rows, with the columns of a leaderboard, of `run_pages.COLUMNS` and `origin`.
      sources: where they are from.
      refused: submissions that are not shown.
    """

    found: Leaderboard
    rows: pd.DataFrame
    sources: Sequence[RunSource]
    refused: Sequence[Refused] = ()


def build_site(site: Site) -> dict[str, str]:
    """The pages by their names in the folder."""
    runs = {run_page(source): _run_page(site, source) for source in site.sources}
    agents = {agent_page(agent): _agent_page(site, agent) for agent in _agents(site)}
    return {name: render_page(page) for name, page in {INDEX: _index(site), **agents, **runs}.items()}


def agent_page(agent: str) -> str:
    """The name of an agent's page."""
    return f"agent-{_slug(agent)}.html"


def run_page(source: RunSource) -> str:
    """The name of a run's page; of two submissions of one run, each has its own."""
    return f"run-{_slug(source.run_id, source.digest)}.html"


def remove_earlier(folder: Path, pages: Iterable[str]) -> None:
    """Removes pages of agents and runs that an earlier site left in a folder, those with names such as ours alone: a
    refused submission must not be found by its old address."""
    for path in sorted(folder.iterdir()):
        if path.name not in pages and _OWN.fullmatch(path.name) and path.is_file():
            path.unlink()


_OWN = re.compile(r"(agent|run)-([a-z0-9-]{1,41}-)?[0-9a-f]{8}\.html")


def _slug(name: str, more: str = "") -> str:
    """A file's name of any name: its plain letters for readers, a digest so that no two are one."""
    digest = hashlib.sha256(f"{name}\n{more}".encode()).hexdigest()[:8]
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40]
    return f"{plain}-{digest}" if plain else digest


def _agents(site: Site) -> list[str]:
    return sorted(map(str, site.rows["agent"].unique()))


def _index(site: Site) -> Page:
    labels = {entrant.label: entrant.agent for board in site.found.boards for entrant in board.entrants}
    sections = [
        *board_sections(site.found, lambda label: agent_page(labels[label]) if label in labels else ""),
        Section("Runs", (_runs_table(site, site.sources),)),
        Section("Refused submissions", tuple(_refused(site.refused))),
        Section("How to reproduce a number", tuple(_reproduce())),
    ]
    told = tuple(verdict(site.found)) or ("Nothing was measured with real files in two or more shifted cells yet.",)
    return Page("Leaderboard", told, tuple(sections))


def _reproduce() -> Iterator[Block]:
    yield Text(
        "Every number is a function of episodes. The page of an agent lists the runs that its numbers are of; the page "
        "of a run has what each seed gave, the command that measured it, the code and the digests of the policies. "
        "With a submission's file at hand, this plays five of its episodes again and compares them:"
    )
    yield Text("harness verify SUBMISSION.zip --episodes 5", "command")


def _refused(refused: Sequence[Refused]) -> Iterator[Block]:
    if refused:
        lines = tuple((Cell(each.path.name), Cell(each.reason)) for each in refused)
        yield Texts(("file", "reason"), lines)


def _runs_table(site: Site, sources: Sequence[RunSource]) -> Texts:
    lines = []
    for source in sources:
        mine = _rows_of(site, source)
        named = [", ".join(sorted(map(str, mine[name].unique()))) for name in ("agent", "suite", "preset")]
        seeds = mine["train_seed"].nunique(dropna=False)
        run = Cell(source.run_id, href=run_page(source))
        lines.append((run, *map(Cell, named), Cell(f"{seeds}"), Cell(f"{len(mine):,}"), Cell(source.trust)))
    return Texts(("run", "agent", "suite", "preset", "seeds", "episodes", "trust"), tuple(lines))


def _rows_of(site: Site, source: RunSource) -> pd.DataFrame:
    rows = site.rows
    return rows[((rows["run_id"] == source.run_id) & (rows["origin"] == source.origin)).to_numpy()]


def _run_page(site: Site, source: RunSource) -> Page:
    rows = _rows_of(site, source)
    agents = sorted(map(str, rows["agent"].unique()))
    told = f"{len(rows):,} episodes of {', '.join(agents)} on {', '.join(sorted(map(str, rows['suite'].unique())))}"
    stand_ins = sorted({str(text) for text in rows["stand_ins"].unique()} - {""})
    warned = [f"Measured with stand-ins ({'; '.join(stand_ins)}): no leaderboard counts it."] if stand_ins else []
    links = (Cell("Leaderboard", href=INDEX), *(Cell(agent, href=agent_page(agent)) for agent in agents))
    return Page(source.run_id, (f"{told}; {source.trust}.", *warned), tuple(run_sections(source, rows)), links)


def _agent_page(site: Site, agent: str) -> Page:
    rows = site.rows[(site.rows["agent"] == agent).to_numpy()]
    keys = set(zip(rows["run_id"].astype(str), rows["origin"].astype(str), strict=True))
    sources = [source for source in site.sources if (source.run_id, source.origin) in keys]
    grids = tuple(Table(grid) for grid in _standings(site.found, agent))
    labels = {entrant.label for board in site.found.boards for entrant in board.entrants if entrant.agent == agent}
    why = tuple(Text(text) for text in site.found.why if _is_about(text, labels))
    sections = (
        Section("Standings", grids),
        Section("Kept apart", why),
        Section("Runs that these numbers are of", (_runs_table(site, sources),)),
    )
    told = tuple(verdict(site.found, agent))
    return Page(agent, told or (f"{len(rows):,} episodes.",), sections, (Cell("Leaderboard", href=INDEX),))


def _is_about(why: str, labels: Iterable[str]) -> bool:
    """Whether a sentence on what keeps columns apart is on some of these."""
    return any(why.startswith(f"{label} and ") for label in labels)


def _standings(found: Leaderboard, agent: str) -> Iterator[Grid]:
    """Of each column of an agent, where it stands in every place."""
    for number, board in enumerate(found.boards, start=1):
        for index, entrant in enumerate(board.entrants):
            if entrant.agent != agent:
                continue
            sections: dict[str, list[tuple[Cell, ...]]] = {}
            for ranking in board.rankings:
                standing = ranking.standings[index]
                if standing.status == MISSING:
                    continue
                decimals = None if ranking.metric == "return" else 2
                texts = [ranking.place.name, ranking.metric]
                texts += [format_estimate(value, decimals=decimals) for value in (standing.score, standing.gap)]
                texts += [f"{standing.rank} of {sum(s.rank is not None for s in ranking.standings)}"]
                settings = ", ".join(ranking.place.settings)
                sections.setdefault(f"{ranking.place.suite or 'all suites'}: {settings}", []).append(
                    tuple(map(Cell, texts))
                )
            title = entrant.label if len(found.boards) == 1 else f"{entrant.label}, board {number}"
            named: Mapping[str, list[tuple[Cell, ...]]] = sections
            yield Grid(
                title,
                ("", "metric", "mean", "gap", "rank"),
                tuple((name, tuple(lines)) for name, lines in named.items()),
                5,
            )
