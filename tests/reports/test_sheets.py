"""Sheets in every format, and names from outside that stay text in all of them."""

from __future__ import annotations

import csv
import html.parser
import io
import json
import re

import pytest

from harness.reports.board_data import as_csv, as_json
from harness.reports.board_sheets import leaderboard_sheets
from harness.reports.escaping import in_csv, in_latex, in_markdown
from harness.reports.leaderboard import SuiteFacts
from harness.reports.ranking import build_leaderboard
from harness.reports.sheets import FORMATS, Cell, Grid, Sheet, show
from tests.reports.test_ranking import FACTS, made

GRID = Grid("scores", ("task", "ours", "PIE-G †"), (("hard", ((Cell("hop"), Cell("1.0", True), Cell("2 ±1")),)),), 2)
SHEET = Sheet("A board", ("Above.",), (GRID,), ("Below.",))
HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"'`&amp;",
    '=HYPERLINK("http://x","y")',
    "+1",
    "-1",
    "@SUM(A1)",
    "\x1b[31mred\x07",
    "\u202egnp.exe",
    "a|b\nc\td",
    "$x^2$ \\input{secret} % {}#~_",
    "**bold** [link](http://x) _em_",
    "x" * 300,
)


def test_plain_text_in_full():
    assert show([SHEET], "text") == (
        "A board\nAbove.\n\nscores\n"
        "task     ours  PIE-G †\n"
        "----------------------\n"
        "hard\n"
        "  hop   1.0 *     2 ±1\n\nBelow."
    )


def test_markdown_in_full():
    assert show([SHEET], "md") == (
        "### A board\n\nAbove.\n\n**scores**\n\n"
        "|  | task | ours | PIE-G † |\n| --- | --- | ---: | ---: |\n| hard | hop | **1.0** | 2 ±1 |\n\n- Below."
    )
    assert show([SHEET], "markdown") == show([SHEET], "md")


def test_latex_in_full():
    assert show([SHEET], "latex").splitlines() == [
        r"% needs \usepackage[utf8]{inputenc} and \usepackage{booktabs}",
        r"\subsection*{A board}",
        r"Above.\par",
        r"\begin{table}[htbp]",
        r"\caption{scores}",
        r"\begin{tabular}{lrr}",
        r"\toprule",
        r"task & ours & PIE-G $^\dagger$ \\",
        r"\midrule",
        r"\multicolumn{3}{l}{\emph{hard}} \\",
        r"hop & \textbf{1.0} & 2 $\pm$1 \\",
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
        r"{\footnotesize",
        r"Below.\par",
        "}",
    ]


def test_html_tells_measured_and_published_apart_and_loads_nothing():
    page = show([SHEET], "html", title="T")
    assert '<td><strong>1.0</strong></td><td class="published">2 ±1</td>' in page
    assert "<title>T</title>" in page
    assert not re.search(r"https?:|src=|<script|@import|url\(", page)


def test_columns_that_do_not_fit_follow_below_led_by_the_names():
    wide = Grid("w", ("task", *(f"agent{n}" for n in range(9))), (("", ((Cell("hop"), *[Cell("123456")] * 9),)),), 10)
    text = show([Sheet("t", (), (wide,), ())], "text", width=40)
    assert max(map(len, text.splitlines())) <= 40
    assert text.count("hop") == 3
    assert all(f"agent{n}" in text for n in range(9))


def test_there_is_no_other_format():
    with pytest.raises(ValueError, match="Formats: terminal"):
        show([SHEET], "word")


class _Reader(html.parser.HTMLParser):
    """What a browser would make of a page: its tags, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def hostile_board(cell):
    """A leaderboard in which every name is hostile."""
    rows = []
    for number, name in enumerate(HOSTILE):
        rows.append(made(cell, {name: 100.0 * number}, seeds=2, episodes=2, tasks=(name,), notes=name, suite="s"))
    rows = __import__("pandas").concat(rows, ignore_index=True)
    return build_leaderboard(rows, {"s": SuiteFacts("s", HOSTILE[:3], ("video_hard",))})


def test_hostile_names_are_text_in_html(hostile_board):
    page = show(leaderboard_sheets(hostile_board), "html", title="<b>")
    reader = _Reader()
    reader.feed(page)
    allowed = "html head meta title style body section h2 p div table caption thead tbody tr th td span ul li strong"
    assert reader.tags <= set(allowed.split())
    assert reader.attributes <= {"lang", "charset", "name", "content", "class", "scope", "colspan"}
    assert "<script>alert(1)</script>" in reader.text
    assert "x" * 300 in reader.text
    assert "\x1b" not in page
    assert "\u202e" not in page


@pytest.mark.parametrize("fmt", [*FORMATS, "csv", "json"])
def test_nothing_hostile_acts_in_any_format(hostile_board, fmt):
    makers = {"csv": as_csv, "json": as_json}
    text = makers[fmt](hostile_board) if fmt in makers else show(leaderboard_sheets(hostile_board), fmt)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u202a-\u202e]", text)
    if fmt == "json":
        assert HOSTILE[7] in {e["agent"] for e in json.loads(text)["boards"][0]["entrants"]}
    if fmt in ("text", "terminal"):
        assert max(map(len, text.splitlines())) <= 140


def test_no_cell_of_a_spreadsheet_is_a_formula(hostile_board):
    for line in csv.reader(io.StringIO(as_csv(hostile_board))):
        for text in line:
            if text.startswith(tuple("=+-@\t\r")):
                float(text)  # a number, and nothing else
    assert in_csv("=1+1") == "'=1+1"
    assert in_csv(-1.5) == -1.5
    assert in_csv("walker_walk") == "walker_walk"


def test_marks_of_markdown_are_text():
    assert in_markdown("walker_walk") == "walker_walk"
    assert in_markdown("**a** _b_ [c](d) `e` |") == r"\*\*a\*\* \_b\_ [c\](d) \`e\` \|"
    assert in_markdown("498 [478, 519]") == "498 [478, 519]"
    assert in_markdown("<b> @someone #1 & ~~x~~") == r"&#60;b&#62; &#64;someone \#1 &#38; \~\~x\~\~"
    assert in_markdown("a\nb") == r"a\\nb"


def test_commands_of_latex_are_text():
    assert in_latex(r"\input{x} $1$ 5% a_b #~^") == (
        r"\textbackslash{}input\{x\} \$1\$ 5\% a\_b \#\textasciitilde{}\textasciicircum{}"
    )
    assert in_latex("é 漢 <b>") == r"é {\ttfamily U+6F22} \textless{}b\textgreater{}"


def test_csv_and_json_hold_every_digit(cell):
    found = build_leaderboard(made(cell, {"pieg": 500.0}), FACTS)
    lines = list(csv.DictReader(io.StringIO(as_csv(found))))
    rankings = found.boards[0].rankings
    measured = [line for line in lines if line["source"] == "measured"]
    assert len(measured) == len(rankings)
    for line, ranking in zip(measured, rankings, strict=True):
        score = ranking.standings[0].score
        assert (float(line["mean"]), float(line["mean_low"])) == (score.mean, score.low)
    paper = next(
        x for x in lines if x["agent"] == "PIE-G" and x["place"] == "walker_walk" and x["settings"] == "video_hard"
    )
    assert (paper["status"], paper["mean"], paper["std"]) == ("published", "600.0", "28.0")
    content = json.loads(as_json(found))
    told = content["boards"][0]["rankings"][0]["standings"]["pieg"]["mean"]["mean"]
    assert told == rankings[0].standings[0].score.mean
