"""The hue key, the order of videos and frames, and the finished picture against the published way of making it."""

from __future__ import annotations

import colorsys
import hashlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import mujoco
import numpy as np
import pytest
import torch

from benchmarks.environment_fps import PublishedVideo
from harness.assets.videos import decode, procedural_video, resize
from harness.environment import make_env
from harness.errors import CorruptAssetError, MissingAssetError
from harness.suites import video_easy, video_hard
from harness.suites.domains.dmcontrol import make_simulation
from harness.suites.domains.dmcontrol_protocol import TASKS
from harness.suites.shifts.video import (
    KEY_SHA256,
    VideoBackground,
    background_mask,
    packed_key,
    video_number,
    video_order,
)

SUITES = {"easy": video_easy.SUITE, "hard": video_hard.SUITE}


def test_key_table_is_the_published_one() -> None:
    packed = packed_key()
    assert hashlib.sha256(packed).hexdigest() == KEY_SHA256
    assert int(np.unpackbits(np.frombuffer(packed, np.uint8)).sum()) == 3_500_265


def test_key_equals_colorsys_pixel_by_pixel() -> None:
    pixels = np.random.RandomState(0).randint(0, 256, (60, 70, 3)).astype(np.uint8)
    pixels[0, 0], pixels[0, 1], pixels[0, 2] = (0, 0, 0), (51, 204, 51), (200, 200, 200)

    def key(pixel: np.ndarray) -> bool:
        hue, saturation, value = colorsys.rgb_to_hsv(*(pixel / 255.0))
        return 100 <= hue * 360 <= 185 and 80 <= saturation * 255 <= 255 and 70 <= value * 255 <= 255

    expected = np.array([[key(pixel) for pixel in row] for row in pixels])
    assert 0.1 < expected.mean() < 0.4
    np.testing.assert_array_equal(background_mask(pixels), expected)
    assert background_mask(pixels)[0, :3].tolist() == [False, True, False]
    np.testing.assert_array_equal(background_mask(pixels[::-1, ::2]), expected[::-1, ::2])  # strided input


def test_order_is_the_published_one_and_skips_what_is_missing() -> None:
    assert video_order(range(10), 10) == (1, 2, 3, 4, 5, 6, 7, 8, 9, 0)
    assert video_order({0, 1, 2, 6, 8, 9}, 10) == (1, 2, 6, 8, 9, 0)
    full = video_order(range(100), 100)
    assert [full[e % 100] for e in (0, 98, 99, 100)] == [1, 99, 0, 1]
    assert video_number(Path("a/video37.mp4")) == 37


class Still:
    """Enough of a simulation to bind a video to."""

    image_size = 84
    model = SimpleNamespace(mat_rgba=np.zeros((1, 4)), tex_data=np.zeros(1, np.uint8))

    def __init__(self) -> None:
        self.colors: dict = {}

    def recolor(self, colors) -> None:
        self.colors = dict(colors)


def test_videos_follow_the_episode_and_frames_the_step(store, videos) -> None:
    still = Still()
    bound = VideoBackground("easy").bind(still, store)
    green = np.full((84, 84, 3), (51, 204, 51), np.uint8)
    for episode, number in ((0, 1), (1, 2), (2, 0), (3, 1), (7, 2)):
        for seed in (0, 9):
            assert bound.begin_episode(seed, episode) == {"video": number}
        small = resize(decode(videos[number]), 84)
        assert len(small) == 5 + number
        for step in (0, 1, len(small) - 1, len(small), 2 * len(small) + 3):
            np.testing.assert_array_equal(bound.after_render(green.copy(), step), small[step % len(small)])
    grey = np.full((84, 84, 3), 128, np.uint8)
    np.testing.assert_array_equal(bound.after_render(grey.copy(), 0), grey)
    assert set(still.colors) == {"skybox_rgb", "skybox_rgb2", "skybox_markrgb"}
    VideoBackground("hard").bind(still, store)
    assert set(still.colors) >= {"grid_rgb1", "grid_rgb2", "grid_markrgb"}
    assert set(still.colors.values()) == {(0.2, 0.8, 0.2)}


def test_stand_ins_are_used_only_if_the_store_gives_them(store) -> None:
    bound = VideoBackground("hard").bind(Still(), type(store)({}))
    assert bound.begin_episode(0, 99) == {"video": 0}
    assert bound.begin_episode(0, 0) == {"video": 1}
    green = np.full((84, 84, 3), (51, 204, 51), np.uint8)
    np.testing.assert_array_equal(bound.after_render(green, 3), procedural_video(1, 150, 84)[3])

    class Strict:
        def find(self, name: str):
            raise MissingAssetError(f"Missing {name}.")

    with pytest.raises(MissingAssetError, match="video_hard"):
        VideoBackground("hard").bind(Still(), Strict())


def test_a_damaged_video_is_one_sentence(store, tmp_path) -> None:
    path = tmp_path / "video1.mp4"
    path.write_bytes(b"no video")
    bound = VideoBackground("easy").bind(Still(), type(store)({"video_easy": (path,)}))
    with pytest.raises(CorruptAssetError, match=r"video1\.mp4' is not a complete video .*verify$"):
        bound.begin_episode(0, 0)


class PublishedHere(PublishedVideo):
    """dm_control's own renderer must not share a process with other GL contexts; this one gives the same bytes."""

    def draw(self) -> np.ndarray:
        physics = self.env.physics
        with mujoco.Renderer(physics.model.ptr, 84, 84) as renderer:
            renderer.update_scene(physics.data.ptr, 0)
            return renderer.render()


@pytest.fixture
def two_threads() -> Iterator[None]:
    """With one, torch resizes to other bytes; the published frames are those of two and more."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.render
@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("split", ["easy", "hard"])
@pytest.mark.parametrize("task", [t for t in TASKS if t != "walker_stand"])
def test_observations_equal_the_published_wrappers(task: str, split: str, store, videos) -> None:
    order = [videos[number] for number in (1, 2, 0)]
    published = PublishedHere(task, VideoBackground(split).colors, order, seed=11)
    ours = make_env(SUITES[split], task, f"video_{split}", assets=store)
    random = np.random.RandomState(2)
    for episode in range(2):
        observation, info = ours.reset(seed=11 if episode == 0 else None)
        assert info["shift"] == {"video": episode + 1}
        np.testing.assert_array_equal(observation, published.reset())
        for _ in range(2):
            action = random.uniform(-1, 1, ours.action_space.shape).astype(np.float32)
            observation, reward, *_ = ours.step(action)
            expected, expected_reward = published.step(action)
            np.testing.assert_array_equal(observation, expected)
            assert reward == expected_reward
    ours.close()


# Pixels of the robot at 84 x 84 at the start of an episode, and how many of them look green enough to be keyed.
OBJECT_PIXELS = {
    "cartpole_swingup": (278, 146),
    "walker_walk": (517, 8),
    "cheetah_run": (298, 2),
    "finger_spin": (484, 17),
    "ball_in_cup_catch": (71, 0),
}


@pytest.mark.render
@pytest.mark.parametrize("task", OBJECT_PIXELS)
def test_what_the_key_takes_and_leaves_at_84_pixels(task: str) -> None:
    """Every rail of the cartpole goes, robots stay, and so little sky or ground that it cannot be seen."""
    import mujoco

    simulation = make_simulation(task, image_size=84, profile="standard", shifts=())
    simulation.recolor(VideoBackground("hard").colors)
    simulation.begin_episode(0, 0)
    keyed = background_mask(simulation.render())
    with mujoco.Renderer(simulation.model, 84, 84) as renderer:
        renderer.enable_segmentation_rendering()
        renderer.update_scene(simulation.data, 0)
        ids, kinds = renderer.render().transpose(2, 0, 1)
    floor = np.flatnonzero(simulation.model.geom_type == mujoco.mjtGeom.mjGEOM_PLANE)
    is_geom = kinds == mujoco.mjtObj.mjOBJ_GEOM
    objects, elsewhere = is_geom & ~np.isin(ids, floor), (kinds == -1) | (is_geom & np.isin(ids, floor))
    num_objects, num_keyed = OBJECT_PIXELS[task]
    assert objects.sum() == pytest.approx(num_objects, abs=4)
    assert (objects & keyed).sum() == pytest.approx(num_keyed, abs=4)
    assert (elsewhere & ~keyed).sum() <= 20
    if task == "cartpole_swingup":
        rails = [i for i in range(simulation.model.ngeom) if "rail" in simulation.model.geom(i).name]
        on_rail = objects & np.isin(ids, rails)
        assert on_rail.sum() == pytest.approx(146, abs=4)
        assert keyed[on_rail].all()
    simulation.close()


def test_declarations_import_no_simulator() -> None:
    code = (
        "import sys\n"
        "from harness.suites import video_easy, video_hard, color_easy, color_hard\n"
        "print(sorted({'torch', 'mujoco', 'dm_control', 'av'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
