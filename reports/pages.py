"""Pages of HTML that need nothing else: a verdict, then text, tables and pictures, offline and on a phone."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from harness.reports.board_plots import drawn
from harness.reports.sheets import TEMPLATES, Cell, Grid, environment

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Text:
    """A paragraph, or a command that a reader may type."""

    text: str
    kind: Literal["text", "command"] = "text"


@dataclass(frozen=True)
class Notes:
    """Sentences in small print, or ones that nobody may overlook."""

    notes: tuple[str, ...]
    kind: Literal["notes", "warning"] = "notes"


@dataclass(frozen=True)
class Table:
    """A table of numbers."""

    grid: Grid
    kind: Literal["table"] = "table"


@dataclass(frozen=True)
class Texts:
    """A table of texts."""

    header: tuple[str, ...]
    lines: tuple[tuple[Cell, ...], ...]
    kind: Literal["texts"] = "texts"


@dataclass(frozen=True)
class Picture:
    """A picture within the page.

    Attributes:
      source: a data URI.
      alt: what it shows.
      is_clip: whether it is one of the agent's own pictures, shown larger and side by side.
    """

    source: str
    alt: str
    caption: str = ""
    is_clip: bool = False
    kind: Literal["figure"] = "figure"


Block = Text | Notes | Table | Texts | Picture


@dataclass(frozen=True)
class Section:
    """Blocks under one heading."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Page:
    """One page.

    Attributes:
      verdict: sentences that stand first.
      links: to other pages.
    """

    title: str
    verdict: tuple[str, ...]
    sections: tuple[Section, ...]
    links: tuple[Cell, ...] = ()


def render_page(page: Page) -> str:
    """The page as HTML; sections without blocks are left out."""
    from markupsafe import Markup

    style, script = ((TEMPLATES / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    shown = Page(page.title, page.verdict, tuple(section for section in page.sections if section.blocks), page.links)
    return (
        environment()
        .get_template("page.html")
        .render(
            page=shown,
            style=Markup(style),  # our own files, which hold nothing from outside
            script=Markup(script),
            style_digest=_csp_digest(style),
            script_digest=_csp_digest(script),
        )
    )


def picture_of(figure: Figure, alt: str, caption: str = "") -> Picture:
    """A drawing, as sharp as the screen."""
    return Picture(data_uri(drawn(figure, ".svg"), "image/svg+xml"), alt, caption)


def data_uri(data: bytes, kind: str) -> str:
    """A file as the address of itself."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _csp_digest(text: str) -> str:
    """What names an inline style or script to a browser, so that it takes no other."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
