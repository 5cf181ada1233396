"""Names from outside, shown as text in every format: nothing in them is a formula, a command, a mark or an escape."""

from __future__ import annotations

import re
from typing import Any

from harness.results.text import escaped

_FORMULA = tuple("=+-@\t\r")  # what a spreadsheet takes for the beginning of a formula (OWASP, CSV injection)

# What CommonMark and GitHub's tables and mentions take for marks; an underscore inside a word is none, and brackets are
# only where they begin a link.
_MARKDOWN = re.compile(r"[\\`*|<>&~#@]|(?<!\w)_|_(?!\w)|\](?=[(\[:])")

_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "†": r"$^\dagger$",
    "‡": r"$^\ddagger$",
}
_LATEX |= {"<": r"\textless{}", ">": r"\textgreater{}", '"': r"{\char34}", "'": r"{\char39}", "`": r"{\char96}"}
_LATEX |= {"±": r"$\pm$", "×": r"$\times$", "·": r"$\cdot$", "–": "--", "…": r"\ldots{}", "\xa0": "~"}
_LATEX |= {character: "\\" + character for character in "&%$#_{}"}

_LACKING = "ÐÞðþĄąĐđĘęĮįŊŋŲųĦħĸĿŀŉŦŧſ"  # of À to ſ, what utf8 does not know in the default encoding, OT1


def in_markdown(text: str) -> str:
    """For a cell or a sentence in Markdown."""
    return _MARKDOWN.sub(lambda match: _entity(match[0]) if match[0] in "<>&@" else "\\" + match[0], escaped(text))


def in_latex(text: str) -> str:
    """For LaTeX as it comes: letters that its default fonts lack are written as their code point."""
    return "".join(map(_tex, escaped(text))) if "--" not in text else "-{}-".join(map(in_latex, text.split("--")))


def in_latex_cell(text: str) -> str:
    """What is LaTeX already as a cell: a bracket or a star would be read as an option of the line break before it."""
    return "{}" + text if text.startswith(("[", "*")) else text


def in_csv(value: Any) -> Any:
    """For a cell of a spreadsheet: a text that would be a formula is led by an apostrophe; numbers stay numbers."""
    if not isinstance(value, str):
        return value
    text = escaped(value)
    return "'" + text if text.startswith(_FORMULA) else text


def _entity(character: str) -> str:
    return f"&#{ord(character)};"


def _tex(character: str) -> str:
    if character in _LATEX:
        return _LATEX[character]
    if " " <= character <= "~" or ("À" <= character <= "ſ" and character not in _LACKING):
        return character
    return rf"{{\ttfamily U+{ord(character):04X}}}"
