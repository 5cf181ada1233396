"""The Distracting Control Suite: laws of the walks against a second implementation, and what becomes of the picture."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import stats
from scipy.spatial.transform import Rotation

from harness.assets.store import AssetStore
from harness.environment import PixelEnv, make_env
from harness.errors import CorruptAssetError, MissingAssetError, UsageError
from harness.suites.distracting_cs import INTENSITIES, SUITE
from harness.suites.shifts.distracting_background import (
    VIDEOS,
    BackAndForth,
    DistractingBackground,
    load_videos,
    num_videos,
)
from harness.suites.shifts.distracting_camera import CameraWalk, DistractingCamera, look_by_shortest_turn, look_level
from harness.suites.shifts.distracting_color import ColorWalk, DistractingColor

STAND_INS = AssetStore([], allow_stand_ins=True)
SIDE_CAMERA = np.array([0.1, -2.0, 0.7])


def environment(task: str, setting: str, action_repeat: int = 2, profile: str = "fast") -> PixelEnv:
    protocol = SUITE.protocol.replace(task, "action_repeat", action_repeat)
    return make_env(SUITE, task, setting, assets=STAND_INS, profile=profile, protocol=protocol)


def test_declaration_is_the_published_one() -> None:
    assert INTENSITIES == (0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)
    assert [setting.name for setting in SUITE.settings][:3] == [
        "distracting_0.025",
        "distracting_0.05",
        "distracting_0.1",
    ]
    assert [num_videos(intensity) for intensity in INTENSITIES] == [2, 2, 4, 6, 8, 60, 60, 60]
    assert len(VIDEOS) == len(set(VIDEOS)) == 60
    assert list(VIDEOS) == sorted(VIDEOS)
    assert list(VIDEOS[:8]) == "bear bmx-bumps boat boxing-fisheye breakdance-flare bus car-turn cat-girl".split()  # noqa: SIM905
    domains = {task.rpartition("_")[0] for task in SUITE.tasks}
    assert domains == {"reacher", "cartpole", "finger", "cheetah", "ball_in_cup", "walker"}
    assert all(SUITE.setting(f"distracting_{c:g}").assets == ("davis",) for c in INTENSITIES)


@pytest.mark.parametrize("shift", [DistractingBackground, DistractingCamera, DistractingColor])
def test_intensities_are_checked(shift: type) -> None:
    for wrong in (-0.1, 1.01, math.nan):
        with pytest.raises(UsageError, match="from 0 to 1"):
            shift(wrong)
    assert shift(0.0) == shift(0.0)


class PlainCamera:
    """The published walk once more, one number at a time."""

    def __init__(self, home: np.ndarray, c: float, random: np.random.Generator, half_dome: bool) -> None:
        self.c, self.random = c, random
        r, h, v = self.sphere(*home)
        self.r_bounds = (r - r * 0.5 * c, r + r * 1.5 * c)
        self.h_bounds = (h - math.pi / 2 * c, h + math.pi / 2 * c)
        self.v_bounds = (v - math.pi / 2 * c, v + math.pi / 2 * c)
        if half_dome:
            self.h_bounds = (max(self.h_bounds[0], -math.pi), min(self.h_bounds[1], 0.0))
            self.v_bounds = (max(self.v_bounds[0], 0.0), min(self.v_bounds[1], math.pi / 2))
        self.scale = r / 4.0
        self.r, self.h, self.v = (a + (b - a) * u for (a, b), u in zip(self.bounds(), random.random(3), strict=True))
        self.roll = math.pi / 2 * c * (2 * random.random() - 1)
        direction = random.standard_normal(3)
        speed = 0.4 * c * random.random() / math.sqrt(sum(direction**2))
        self.velocity = [float(x) * speed for x in direction]
        self.roll_velocity = math.pi / 50 * c * (2 * random.random() - 1)
        self.move()

    def bounds(self):
        return (self.r_bounds, self.h_bounds, self.v_bounds)

    @staticmethod
    def sphere(x, y, z):
        return math.sqrt(x * x + y * y + z * z), math.atan2(y, x), math.atan2(math.sqrt(x * x + y * y), z)

    def place(self):
        flat = self.r * math.sin(self.v)
        return [flat * math.cos(self.h), flat * math.sin(self.h), self.r * math.cos(self.v)]

    def move(self) -> None:
        c, old = self.c, self.place()
        self.velocity = [
            v + 0.1 * c * self.scale * n for v, n in zip(self.velocity, self.random.standard_normal(3), strict=True)
        ]
        self.roll_velocity += math.pi / 300 * c * self.random.standard_normal()
        norm, cap = math.sqrt(sum(v * v for v in self.velocity)), 0.4 * c * self.scale
        if norm > cap:
            self.velocity = [v * cap / norm for v in self.velocity]
        self.roll_velocity = min(max(self.roll_velocity, -math.pi / 50 * c), math.pi / 50 * c)
        new = self.sphere(*(o + v for o, v in zip(old, self.velocity, strict=True)))
        self.r, self.h, self.v = (min(max(x, a), b) for x, (a, b) in zip(new, self.bounds(), strict=True))
        self.velocity = [n - o for n, o in zip(self.place(), old, strict=True)]
        roll = min(max(self.roll + self.roll_velocity, -math.pi / 2 * c), math.pi / 2 * c)
        self.roll_velocity, self.roll = roll - self.roll, roll


@pytest.mark.parametrize("intensity", [0.025, 0.2, 0.5, 1.0])
@pytest.mark.parametrize(("home", "half_dome"), [(SIDE_CAMERA, True), (np.array([0.0, 0.0, 0.75]), False)])
def test_camera_follows_the_published_law(intensity: float, home: np.ndarray, half_dome: bool) -> None:
    for seed in range(3):
        ours = CameraWalk(home, intensity, np.random.default_rng(seed), half_dome)
        plain = PlainCamera(home, intensity, np.random.default_rng(seed), half_dome)
        for _ in range(200):
            np.testing.assert_allclose(ours.position, plain.place(), rtol=0, atol=1e-9)
            assert ours.roll == pytest.approx(plain.roll, abs=1e-9)
            ours.advance()
            plain.move()


def test_camera_starts_and_stays_within_its_bounds_and_fills_them() -> None:
    c, distance = 0.3, float(np.linalg.norm(SIDE_CAMERA))
    starts, rolls, steps = [], [], []
    for seed in range(400):
        walk = CameraWalk(SIDE_CAMERA, c, np.random.default_rng(seed), half_dome=True)
        starts.append(walk.sphere)
        rolls.append(walk.roll)
        for _ in range(10):
            before = walk.position
            walk.advance()
            steps.append(np.linalg.norm(walk.position - before))
            assert (walk.low <= walk.sphere).all()
            assert (walk.sphere <= walk.high).all()
            assert abs(walk.roll) <= np.pi / 2 * c
    assert walk.low[0] == pytest.approx(0.85 * distance)
    assert walk.high[0] == pytest.approx(1.45 * distance)
    assert walk.high[2] == np.pi / 2  # never below the horizon
    assert max(steps) <= 0.4 * c * distance / 4 * 1.01  # clipping angles may lengthen a move a little
    for values, low, high in (
        *zip(np.transpose(starts), walk.low, walk.high, strict=True),
        (rolls, -np.pi / 2 * c, np.pi / 2 * c),
    ):  # uniform, but for the one move before the first picture
        assert stats.kstest(values, stats.uniform(low, high - low).cdf).pvalue > 1e-4


def test_orientations_look_where_they_should() -> None:
    for direction in np.random.RandomState(0).standard_normal((50, 3)):
        unit = direction / np.linalg.norm(direction)
        for look in (look_level(direction), look_by_shortest_turn(direction)):
            np.testing.assert_allclose(look @ [0, 0, -1], unit, atol=1e-12)
            np.testing.assert_allclose(look.T @ look, np.eye(3), atol=1e-12)
            assert np.linalg.det(look) == pytest.approx(1.0)
        level = look_level(direction)
        assert level[2, 0] == 0.0
        assert level[2, 1] >= 0.0
        axis = np.cross([0, 0, -1], unit)
        axis *= np.arccos(-unit[2]) / np.linalg.norm(axis)
        np.testing.assert_allclose(look_by_shortest_turn(direction), Rotation.from_rotvec(axis).as_matrix(), atol=1e-9)
    np.testing.assert_array_equal(look_level(np.array([0.0, 0.0, -2.0])), np.eye(3))
    np.testing.assert_array_equal(look_by_shortest_turn(np.array([0.0, 0.0, -2.0])), np.eye(3))


def test_colours_fill_their_box_and_wander_in_it() -> None:
    stock, c = np.array([[0.5, 0.1, 0.95], [0.0, 1.0, 0.4]]), 0.2
    walks = [ColorWalk(stock, c, np.random.default_rng(seed)) for seed in range(300)]
    low, high = np.maximum(stock - c, 0), np.minimum(stock + c, 1)
    starts = np.array([walk.colors for walk in walks])
    for index in np.ndindex(stock.shape):
        spread = stats.uniform(low[index], high[index] - low[index])
        assert stats.kstest(starts[(slice(None), *index)], spread.cdf).pvalue > 1e-4
    moves = []
    for walk in walks:
        before = walk.colors
        walk.advance()
        assert ((low <= walk.colors) & (walk.colors <= high)).all()
        inside = (walk.colors > low) & (walk.colors < high)
        moves.append((walk.colors - before)[inside])
    assert np.concatenate(moves).std() == pytest.approx(0.03 * c, rel=0.1)
    first, again = (ColorWalk(stock, c, np.random.default_rng(7)) for _ in range(2))
    first.advance(), again.advance()
    np.testing.assert_array_equal(first.colors, again.colors)


@pytest.mark.parametrize("num_frames", [1, 2, 3, 7])
def test_videos_turn_at_their_ends(num_frames: int) -> None:
    directions = set()
    for seed in range(8):
        walk = BackAndForth(num_frames, np.random.default_rng(seed))
        index, direction = walk.frame, walk._direction
        directions.add(direction)
        for _ in range(25):
            index += direction
            if index <= 0:
                index, direction = 0, 1
            if index >= num_frames:
                index, direction = num_frames - 1, -1
            walk.advance()
            assert walk.frame == index
    assert directions == {-1, 1}


@pytest.fixture
def davis(tmp_path: Path) -> AssetStore:
    """The first four videos, of 3, 4, 5 and 6 pictures of 64 x 36 pixels."""
    random = np.random.RandomState(0)
    for number, name in enumerate(VIDEOS[:4]):
        folder = tmp_path / "DAVIS" / "JPEGImages" / "480p" / name
        folder.mkdir(parents=True)
        for frame in range(3 + number):
            pixels = random.randint(0, 256, (36, 64, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{frame:05d}.jpg")
    return AssetStore([tmp_path], allow_stand_ins=False)


def test_davis_is_read_as_published(davis: AssetStore) -> None:
    found = davis.find("davis")
    videos = load_videos(found, 4)
    assert [(video.name, video.num_frames) for video in videos] == [(n, 3 + i) for i, n in enumerate(VIDEOS[:4])]
    path = davis.folders[0] / "DAVIS/JPEGImages/480p/boat/00002.jpg"
    expected = np.asarray(Image.open(path).resize((80, 80), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(videos[2].frame(2, 80), expected)
    with pytest.raises(MissingAssetError, match=r"^2 of the 6 DAVIS videos .* such as 'breakdance-flare': [^.]*\.zip"):
        load_videos(found, 6)
    path.write_bytes(b"no picture")
    with pytest.raises(CorruptAssetError, match=r"00002\.jpg"):
        videos[2].frame(2, 80)


@pytest.mark.render
def test_without_davis_it_fails_and_says_how_to_get_it() -> None:
    with pytest.raises(MissingAssetError, match=r"davischallenge\.org.*DIR/DAVIS/JPEGImages/480p"):
        make_env(SUITE, "walker_walk", "distracting_0.1", assets=AssetStore([], allow_stand_ins=False))


@pytest.mark.render
@pytest.mark.parametrize("task", ["cartpole_swingup", "reacher_easy", "cheetah_run"])
def test_undone_it_is_the_training_picture(task: str) -> None:
    train, distracted = environment(task, "train"), environment(task, "distracting_0.5")
    train.reset(seed=4)
    before = train.render()
    distracted.reset(seed=4)
    distracted.step(np.zeros(distracted.action_space.shape, np.float32))
    for shift in distracted._shifts:
        shift.close()
    distracted.simulation.begin_episode(4, 0)
    np.testing.assert_array_equal(distracted.simulation.render(), before)
    distracted.close()
    train.close()


@pytest.mark.render
@pytest.mark.parametrize("task", ["ball_in_cup_catch", "walker_walk"])
def test_every_action_repeat_sees_the_same_world(task: str) -> None:
    """Moves are counted in control steps; odd repeats never show the unmoved camera."""
    pictures: dict[int, dict[int, bytes]] = {}
    for repeat in (1, 2, 3):
        env = environment(task, "distracting_0.4", repeat)
        env.reset(seed=2)
        pictures[repeat] = {0: env.render().tobytes()}
        poses = [env.simulation.data.cam_xmat[0].copy()]
        for step in range(1, 6 // repeat + 1):
            env.step(np.full(env.action_space.shape, 0.3, np.float32))
            pictures[repeat][step * repeat] = env.render().tobytes()
            poses.append(env.simulation.data.cam_xmat[0].copy())
        env.simulation.step(np.zeros(env.action_space.shape, np.float32))
        stock = env.simulation.data.cam_xmat[0]
        assert min(np.abs(pose - stock).max() for pose in poses) > 0.02
        env.close()
    for repeat in (2, 3):
        for count, picture in pictures[repeat].items():
            assert picture == pictures[1][count], (repeat, count)
    assert len(set(pictures[1].values())) > 4


@pytest.mark.render
@pytest.mark.parametrize("task", ["cartpole_swingup", "finger_spin", "ball_in_cup_catch", "reacher_easy"])
def test_pictures_equal_those_of_a_plain_renderer(task: str) -> None:
    """Leaving the floor out of the shadow map stays harmless with a see-through floor and a moving camera."""
    import mujoco

    env = environment(task, "distracting_0.4", profile="standard")
    env.reset(seed=1)
    env.step(np.full(env.action_space.shape, 0.5, np.float32))
    with mujoco.Renderer(env.simulation.model, 84, 84) as renderer:
        renderer.update_scene(env.simulation.data, 0)
        np.testing.assert_array_equal(env.render(), renderer.render())
    env.close()


@pytest.mark.render
@pytest.mark.parametrize("task", ["walker_walk", "cheetah_run", "reacher_easy"])
def test_a_moving_sky_equals_plain_uploads(task: str) -> None:
    """Through two episodes, with MuJoCo's own renderer and upload of all six faces on the same model and state."""
    import mujoco

    env = environment(task, "distracting_0.5")
    env.reset(seed=3)
    random, seen = np.random.RandomState(0), set()
    with mujoco.Renderer(env.simulation.model, 84, 84) as plain:
        plain.scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = 0
        for step in range(40):
            if step == 30:
                env.reset()
            env.step(random.uniform(-1, 1, env.action_space.shape).astype(np.float32))
            plain.update_scene(env.simulation.data, 0)
            plain._gl_context.make_current()
            mujoco.mjr_uploadTexture(env.simulation.model, plain._mjr_context, 0)
            np.testing.assert_array_equal(env.render(), plain.render())
            seen.add(env.render().tobytes())
    assert len(seen) == 40
    assert env.simulation._renderer._cubes[0] is not None  # the fast way was taken
    env.close()


@pytest.mark.render
def test_another_process_gives_the_same_bytes() -> None:
    code = (
        "import hashlib, numpy as np\n"
        "from tests.suites.test_distracting import environment\n"
        "env = environment('cartpole_swingup', 'distracting_0.3')\n"
        "{before}"
        "seen = [env.reset(seed=9, options={{'episode': 3}})[0]]\n"
        "seen += [env.step(np.ones(1, np.float32))[0] for _ in range(3)]\n"
        "print(hashlib.sha256(np.stack(seen).tobytes()).hexdigest())\n"
    )
    digests = [
        subprocess.run([sys.executable, "-c", code.format(before=b)], capture_output=True, text=True, check=True).stdout
        for b in ("", "env.reset(seed=1); env.step(np.ones(1, np.float32))\n")
    ]
    assert len(digests[0]) == 65
    assert digests[0] == digests[1]


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1])


@pytest.mark.slow
@pytest.mark.render
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
def test_two_hundred_resets_do_not_grow() -> None:
    env = environment("cartpole_swingup", "distracting_0.05")
    for episode in range(20):
        env.reset(seed=0, options={"episode": episode})
    before = resident_bytes()
    for episode in range(20, 220):
        env.reset(seed=0, options={"episode": episode})
    assert resident_bytes() < 1.05 * before
    env.close()


def test_declaration_imports_no_simulator() -> None:
    code = (
        "import sys\n"
        "from harness.suites import distracting_cs, dmcgb2, jaco_deformed\n"
        "import harness.suites.shifts.axes\n"
        "print(sorted({'torch', 'mujoco', 'dm_control', 'av', 'PIL'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
