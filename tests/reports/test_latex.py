"""LaTeX of leaderboards, tables and published numbers compiles with booktabs, whatever names are in it."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from harness.reports.board_sheets import leaderboard_sheets
from harness.reports.filling import build_table, expected_from_rows
from harness.reports.published_tables import published_sheets
from harness.reports.ranking import build_leaderboard
from harness.reports.render import render
from harness.reports.sheets import show
from harness.results.frames import frame_of
from tests.reports.conftest import BASE

LATEX = shutil.which("pdflatex")
EUROPEAN = "".join(map(chr, range(0xC0, 0x180)))
NAMES = [
    *(
        "<script>$x_1^2$ & 50% #~\\{}",
        "[bracket",
        "*star",
        "“quotes” \"'`",
        "=1+1 ‡†±×·–…",
        "x" * 300,
        "é à ß ÿ ž a--b-c" + EUROPEAN,
    ),
    "\u202eright\u05d0\u4e2d\U0001f600\x1b[31m",
]
PREAMBLE = "\\documentclass{article}\n\\usepackage[utf8]{inputenc}\n\\usepackage{booktabs}\n\\begin{document}\n"


def has_booktabs() -> bool:
    finder = shutil.which("kpsewhich")
    return bool(finder and subprocess.run([finder, "booktabs.sty"], capture_output=True).stdout.strip())


@pytest.mark.skipif(not LATEX or not has_booktabs(), reason="needs pdflatex and booktabs (texlive-latex-recommended)")
def test_all_that_is_shown_as_latex_compiles(tmp_path: Path) -> None:
    rows = frame_of(
        [
            replace(BASE, agent=name, task=task + name, setting=setting, train_seed=seed, notes=name, origin=origin)
            for name, task, origin in zip(NAMES, "aabbccdd", ["", "m.csv_#1", *[""] * 6], strict=True)
            for setting in ("train", f"hard{name}")
            for seed in (0, 1)
        ]
    )
    parts = [
        show(leaderboard_sheets(build_leaderboard(rows, {})), "latex"),
        render(build_table(rows, expected_from_rows(rows)), "latex"),
        show(published_sheets(None), "latex"),
    ]
    (tmp_path / "all.tex").write_text(PREAMBLE + "\n\\clearpage\n".join(parts) + "\n\\end{document}\n")
    command = [str(LATEX), "-halt-on-error", "-interaction=nonstopmode", "-no-shell-escape", "all.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=120)
    log = (tmp_path / "all.log").read_text(errors="replace")
    assert done.returncode == 0, log[-2000:]
    assert "Missing character" not in log
    assert (tmp_path / "all.pdf").read_bytes().startswith(b"%PDF")
