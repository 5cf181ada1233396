"""The data in the drawn lines, not only that there is a picture."""

from __future__ import annotations

import subprocess
import sys

import pytest
from matplotlib.figure import Figure
from PIL import Image

from harness.reports.curves import draw_curves, plot_curves
from harness.results.published_curves import published_curves, published_successes

LOGS = {
    "walker_walk, seed 0": [
        {"num_frames": 0, "num_episodes": 0, "curve_returns": [10.0, 30.0, 35.0]},
        {"num_frames": 1000, "num_episodes": 1, "episode_return": 40.0, "critic_loss": 0.1},
        {"num_frames": 2000, "num_episodes": 2, "episode_return": 60.0},
        {"num_frames": 2000, "num_episodes": 2, "curve_returns": [70.0, 90.0]},
    ],
    "walker_walk, seed 1": [{"num_frames": 1000, "num_episodes": 1, "episode_return": 20.0}],
}


def test_the_lines_hold_the_returns_of_episodes_and_the_means_of_evaluations():
    axes = Figure().add_subplot()
    draw_curves(LOGS, axes)
    drawn = [list(zip(*line.get_data(), strict=True)) for line in axes.lines]
    assert drawn == [[(1000, 40), (2000, 60)], [(0, 25), (2000, 80)], [(1000, 20)], []]
    bars = [[tuple(point) for point in bar] for bar in axes.collections[0].get_segments()]
    assert bars == [[(0, 10), (0, 35)], [(2000, 70), (2000, 90)]]
    colours = [line.get_color() for line in axes.lines]
    assert colours[0] == colours[1] != colours[2] == colours[3]
    assert "frames" in axes.get_xlabel()
    assert "return" in axes.get_ylabel()
    (legend,) = axes.figure.legends
    assert [text.get_text() for text in legend.get_texts()][:2] == list(LOGS)
    assert [handle.get_color() for handle in legend.get_lines()][:2] == colours[::2]


def test_the_picture_is_a_png_of_six_by_four_inches(tmp_path):
    plot_curves(LOGS, tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as picture:
        assert (picture.format, picture.size) == ("PNG", (900, 600))
    with pytest.raises(ValueError, match="training logs are empty"):
        plot_curves({"a": []}, tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()


def test_importing_curves_is_light():
    code = "import sys, harness.reports.curves; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "matplotlib" not in modules


def test_published_curves_stand_beside_with_their_spread():
    axes = Figure().add_subplot()
    draw_curves(LOGS, axes, {"published": [(0, 1.0, 0.5), (2000, 80.0, 2.0)]})
    assert list(zip(*axes.lines[-1].get_data(), strict=True)) == [(0, 1), (2000, 80)]
    assert axes.lines[-1].get_linestyle() == "--"
    (band,) = [
        part for part in axes.collections if type(part).__name__ in ("PolyCollection", "FillBetweenPolyCollection")
    ]
    corners = band.get_paths()[0].vertices
    assert {(0.0, 0.5), (0.0, 1.5), (2000.0, 78.0), (2000.0, 82.0)} <= {tuple(corner) for corner in corners}
    (legend,) = axes.figure.legends
    assert legend.get_texts()[-1].get_text() == "published"


def test_the_released_logs_are_read_as_they_are_printed():
    curves = published_curves("adroit", ("hammer",))
    assert set(curves) == {"published RRL, hammer, evaluation", "published RRL, hammer, sampling"}
    sampling = curves["published RRL, hammer, sampling"]
    assert sampling[:2] == [(800_000, 15.396, 98.915), (1_600_000, 2983.044, 1658.192)]
    assert [point.frames for point in sampling] == [800_000 * (k + 1) for k in range(15)]
    assert published_curves("adroit", ("walker_walk",)) == published_curves("dmcgb", ("hammer",)) == {}


def test_figure_4_is_read_as_rates_for_each_of_its_methods():
    curves = published_successes("adroit", ("hammer",))
    assert {name.split(", ")[1] for name in curves} == {"RRL", "FERM", "DAPG(State)", "NPG(State)"}
    rrl = curves["Figure 4 of RRL, RRL, hammer"]
    assert [(point.frames, round(point.mean, 4)) for point in rrl[:2]] == [(500_000, 0.011), (750_000, 0.106)]
    assert all(0 <= point.mean <= 1 for points in curves.values() for point in points)
    assert published_successes("adroit", ("walker_walk",)) == {}


def test_success_stands_on_the_right_beside_our_own():
    axes = Figure().add_subplot()
    logs = {"door, seed 0": [{"num_frames": 1000, "curve_returns": [5.0, 7.0], "curve_success_rate": 0.5}]}
    draw_curves(logs, axes, {}, {"Figure 4": [(0, 0.1, 0.0), (2000, 0.9, 0.0)]})
    (right,) = [other for other in axes.figure.axes if other is not axes]
    drawn = [list(zip(*line.get_data(), strict=True)) for line in right.lines]
    assert drawn == [[(1000, 0.5)], [(0, 0.1), (2000, 0.9)]]
    assert right.lines[0].get_color() == axes.lines[1].get_color()
    (legend,) = axes.figure.legends
    assert legend.get_texts()[-1].get_text() == "Figure 4 (right)"
