"""Random colours: which entry, from which table."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from harness.errors import CorruptAssetError
from harness.suites.shifts.color import RandomColor, color_index
from harness.suites.shifts.color_table import NAMES, NUM_COLORS, SPREAD, load_table, stand_in_table


def test_draws_are_those_of_one_generator_per_environment() -> None:
    assert [color_index(43, i) for i in range(5)] == [68, 64, 49, 21, 58]  # DMC-GB, training seed 1
    for seed in (0, 43, 2**31):
        random = np.random.RandomState(seed)
        drawn = [random.randint(100) for _ in range(120)]
        assert [color_index(seed, i) for i in (119, 0, 57)] == [drawn[119], drawn[0], drawn[57]]


class Canvas:
    model = SimpleNamespace(mat_rgba=np.zeros((1, 4)), tex_data=np.zeros(1, np.uint8))

    def recolor(self, colors) -> None:
        self.colors = colors


def test_an_episode_shows_its_entry(store) -> None:
    canvas = Canvas()
    bound = RandomColor("hard").bind(canvas, store)
    assert bound.begin_episode(43, 1) == {"color": 64}
    assert canvas.colors == stand_in_table("hard")[64]
    assert bound.begin_episode(43, 0) == {"color": 68}
    assert canvas.colors == stand_in_table("hard")[68]


@pytest.mark.parametrize("level", ["easy", "hard"])
def test_stand_in_has_the_published_spread(level: str) -> None:
    table = stand_in_table(level)
    assert len(table) == NUM_COLORS
    for name, spread in SPREAD[level].items():
        values = np.array([entry[name] for entry in table])
        assert ((values >= 0) & (values <= 1)).all()
        # Clipping at 0 takes some of the spread of the dark ground.
        assert values.std(axis=0) == pytest.approx(np.full(3, spread), rel=0.45)
    for entry in table:
        assert entry["grid_rgb2"] == pytest.approx(np.array(entry["grid_rgb1"]) + 0.1)


def test_json_and_npz_read_alike_and_exactly(tmp_path) -> None:
    columns = {name: np.random.RandomState(i).random_sample((100, 3)) for i, name in enumerate(NAMES)}
    np.savez(tmp_path / "t.npz", **columns)
    entries = [{name: columns[name][i].tolist() for name in NAMES} for i in range(100)]
    (tmp_path / "t.json").write_text(json.dumps({"colors": entries}))
    table = load_table(tmp_path / "t.npz")
    assert table == load_table(tmp_path / "t.json")
    assert table[17]["self_rgb"] == tuple(columns["self_rgb"][17])


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"colors": []}', '{"colors": [{"grid_rgb1": [0, 0, 0]}]}', '{"colors": 3}', "\x00\x01", "PK\x03\x04x"],
)
def test_what_is_no_table_is_an_error(tmp_path, text: str) -> None:
    path = tmp_path / "color_easy.json"
    path.write_text(text)
    with pytest.raises(CorruptAssetError, match=r"color_easy\.json"):
        load_table(path)
    path = path.with_suffix(".npz")
    path.write_text(text)
    with pytest.raises(CorruptAssetError, match=r"color_easy\.npz"):
        load_table(path)


def test_colours_outside_the_range_are_an_error(tmp_path) -> None:
    columns = {name: np.full((100, 3), 0.5) for name in NAMES}
    columns["self_rgb"][3, 1] = 1.5
    np.savez(tmp_path / "t.npz", **columns)
    with pytest.raises(CorruptAssetError, match="self_rgb"):
        load_table(tmp_path / "t.npz")


def test_published_tables(real_assets) -> None:
    for level, spread in (("easy", 0.10), ("hard", 0.18)):
        table = load_table(real_assets.find(f"color_{level}").files[0])
        assert np.array([e["skybox_rgb"] for e in table]).std(axis=0) == pytest.approx(np.full(3, spread), abs=0.03)
        for entry in table:
            assert set(entry) == set(NAMES)
            assert entry["grid_rgb2"] == pytest.approx(np.array(entry["grid_rgb1"]) + 0.1)
