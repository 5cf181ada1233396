"""Pictures of a leaderboard: what they hold, and that the same rows give the same file."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from matplotlib.figure import Figure

from harness.reports import board_plots
from harness.reports.board_plots import draw_improvement, draw_intervals, draw_profiles, improvement_pairs, write_plots
from harness.reports.intervals import STUDENT
from harness.reports.ranking import build_leaderboard
from tests.reports.test_ranking import FACTS, made


@pytest.fixture
def found(cell):
    return build_leaderboard(made(cell, {"good": 800.0, "$poor$": 200.0}), FACTS)


def test_every_picture_is_written_and_twice_the_same(found, tmp_path):
    paths = write_plots(found, tmp_path / "new")
    assert [path.name for path in paths] == [f"video_hard_{n}.png" for n in ("intervals", "profiles", "improvement")]
    again = write_plots(found, tmp_path / "again")
    assert [path.read_bytes() for path in paths] == [path.read_bytes() for path in again]
    assert paths[0].read_bytes().startswith(b"\x89PNG")
    assert write_plots(found, tmp_path, ".pdf")[0].read_bytes().startswith(b"%PDF")
    with pytest.raises(ValueError, match="end in"):
        write_plots(found, tmp_path, ".gif")


def test_intervals_are_drawn_where_they_lie_best_on_top(found):
    axes = Figure().add_subplot()
    board = found.boards[0]
    draw_intervals(axes, board, board.heads[0])
    ends = [segment[:, 0].tolist() for lines in axes.collections for segment in lines.get_segments()]
    scores = [board.heads[0].standings[i].score for i in reversed(board.heads[0].order())]
    assert ends == [pytest.approx([score.low, score.high]) for score in scores]
    assert [label.get_text() for label in axes.get_yticklabels()] == [r"\$poor\$", "good"]


def test_profiles_fall_from_one_to_nothing(found):
    axes = Figure(layout="constrained").add_subplot()
    draw_profiles(axes, found.boards[0], found.boards[0].scores[0], STUDENT)
    for line in axes.lines:
        shares = np.asarray(line.get_ydata())
        assert shares[0] == 1
        assert shares[-1] == 0
        assert (np.diff(shares) <= 0).all()


def test_improvement_is_drawn_for_each_pair_once_better_first(found):
    axes = Figure().add_subplot()
    scores = found.boards[0].scores[0]
    assert list(improvement_pairs(scores)) == [(1, 0)]
    draw_improvement(axes, found.boards[0], scores, STUDENT)
    assert [label.get_text() for label in axes.get_yticklabels()] == [r"good over \$poor\$"]
    assert axes.lines[0].get_xdata() == [1.0]


def test_hostile_names_are_drawn_as_they_are_and_name_no_other_folder(cell, tmp_path):
    names = ["$\\frac{", "../../x", "\x1b[31m", "y" * 300]
    found = build_leaderboard(made(cell, dict.fromkeys(names, 10.0), suite="../$s"), {})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # letters that the font lacks
        paths = write_plots(found, tmp_path)
    assert {path.parent for path in paths} == {tmp_path}
    assert board_plots._file_name("../../etc/x y") == ".._.._etc_x_y"
