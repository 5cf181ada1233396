"""The distractors: their published laws, what they leave alone, and that they can be taken back."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from harness.assets.store import AssetStore
from harness.environment import make_env
from harness.registry import load_suite
from harness.results.published import load_published
from harness.spec import Setting
from harness.suites.domains.adroit_protocol import TASKS
from harness.suites.shifts.camera import CameraJitter
from harness.suites.shifts.color_table import stand_in_table
from harness.suites.shifts.lighting import LightDirection, LightPosition, moves
from harness.suites.shifts.new_object import SHAPES, NewObject
from harness.suites.shifts.object_color import ObjectColor, drawn_color
from harness.suites.shifts.scene import draws
from harness.suites.shifts.sky import sky_bytes

pytestmark = pytest.mark.render

ASSETS = AssetStore([], allow_stand_ins=True)
DISTRACTORS, VIGEN = load_suite("adroit_distractors"), load_suite("adroit_vigen")
SOLID = "new_object_code"


def make(task: str, setting: Setting | str, suite=DISTRACTORS, **options):
    small = replace(suite.protocol, image_size=64)
    return make_env(suite, task, setting, assets=ASSETS, profile="fast", protocol=small, **options)


def trajectory(env, seed: int, episode: int, num_steps: int) -> np.ndarray:
    """States and rewards of an episode that closes the hand on things."""
    env.reset(seed=seed, options={"episode": episode})
    random, rows = np.random.RandomState(0), []
    action = np.zeros(env.action_space.shape, np.float32)
    for _ in range(num_steps):
        action = np.clip(0.9 * action + random.normal(0.1, 0.4, action.shape), -1, 1).astype(np.float32)
        _, reward, terminated, _, _ = env.step(action)
        rows.append(np.append(env.simulation.state(), reward))
        if terminated:
            break
    return np.stack(rows)


@pytest.mark.parametrize("suite", [DISTRACTORS, VIGEN], ids=lambda suite: suite.name)
@pytest.mark.parametrize("task", TASKS)
def test_physics_and_rewards_are_bit_identical_under_every_visual_shift(suite, task: str) -> None:
    if task not in suite.tasks:
        pytest.skip("not a task of this suite")
    plain = make(task, "train", suite, draw=False)
    expected = trajectory(plain, 4, 2, 80)
    assert plain.simulation.data.ncon > 0  # the hand has touched something: contacts are compared too
    for setting in suite.settings:
        if not setting.looks_alone:
            assert setting.name in (SOLID, "other_object", "physics_easy", "physics_hard")
            continue
        env = make(task, setting, suite, draw=False)
        np.testing.assert_array_equal(trajectory(env, 4, 2, 80), expected, err_msg=setting.name)


@pytest.mark.parametrize("setting", [s.name for s in DISTRACTORS.settings if s.name != SOLID])
def test_pictures_change_and_change_back(setting: str) -> None:
    """Putting back every field that a shift wrote restores the training picture byte for byte."""
    train, env = make("door", "train"), make("door", setting)
    observation, _ = train.reset(seed=1)
    shifted, _ = env.reset(seed=1)
    assert not np.array_equal(shifted["pixels"], observation["pixels"])
    model, nominal = env.simulation.model, train.simulation.model
    num_geoms = nominal.ngeom  # a new object is the last one
    for field in ("light_pos", "light_dir", "geom_rgba"):
        getattr(model, field)[:num_geoms] = getattr(nominal, field)
    model.geom_rgba[num_geoms:, 3] = 0.0
    env.simulation.begin_episode(1, 0)
    restored = env.simulation.render()
    np.testing.assert_array_equal(restored.transpose(2, 0, 1), observation["pixels"])
    again, _ = env.reset(seed=1)  # and the shift is back with the next episode
    np.testing.assert_array_equal(again["pixels"], shifted["pixels"])
    for each in (train, env):
        each.close()


def test_shifts_draw_each_episode_anew_whatever_came_before() -> None:
    env = make("hammer", "combined", draw=False)
    told = {number: env.reset(seed=3, options={"episode": number})[1]["shift"] for number in (0, 1, 2)}
    assert len({str(facts) for facts in told.values()}) == 3
    assert set(told[0]) >= {"light_pos", "light_dir", "color_factor", "color_offset", "object"}
    for number in (2, 0, 1):
        assert env.reset(seed=3, options={"episode": number})[1]["shift"] == told[number]
    assert env.reset(seed=4, options={"episode": 0})[1]["shift"] != told[0]


def test_another_process_gives_the_same_pictures() -> None:
    code = (
        "from tests.suites.test_adroit_shifts import *\n"
        "import hashlib\n"
        "env = make('relocate', 'combined')\n"
        "rows = trajectory(env, 9, 3, 3)\n"
        "print(hashlib.sha256(rows.tobytes() + env.simulation.render().tobytes()).hexdigest())\n"
    )
    outputs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()[-1]
        for _ in range(2)
    ]
    assert outputs[0] == outputs[1]
    assert len(outputs[0]) == 64


def test_lights_are_drawn_from_rrls_boxes() -> None:
    boxes = {
        "light_position": ("light_pos", (-1, -1, 2), (0.5, 0.5, 5)),
        "light_direction": ("light_dir", (-0.25, -0.25, -1), (0.25, 0.25, -0.5)),
    }
    for setting, (field, low, high) in boxes.items():
        env = make("hammer", setting, draw=False)
        values = []
        for number in range(200):
            _, info = env.reset(seed=0, options={"episode": number})
            values.append(getattr(env.simulation.model, field)[0].copy())
            np.testing.assert_allclose(info["shift"][field][0], values[-1], atol=1e-4)
        middle, side = (np.array(low) + high) / 2, np.subtract(high, low)
        assert (np.array(values) >= low).all()
        assert (np.array(values) <= high).all()
        np.testing.assert_allclose(np.mean(values, axis=0), middle, atol=0.1 * side.max())
        np.testing.assert_allclose(np.std(values, axis=0), side / 12**0.5, rtol=0.2)
        np.testing.assert_allclose(env.simulation.data.light_xpos, env.simulation.model.light_pos)


def test_intensity_scales_a_shift_from_nothing() -> None:
    for shift, field in ((LightPosition(), "light_pos"), (LightDirection(), "light_dir")):
        drawn = {}
        for intensity in (0.0, 0.5, 1.0):
            env = make("door", Setting("x", (replace(shift, intensity=intensity),)), draw=False)
            env.reset(seed=2)
            drawn[intensity] = getattr(env.simulation.model, field).copy()
        nominal = getattr(make("door", "train", draw=False).simulation.model, field)
        np.testing.assert_allclose(drawn[0.0], nominal, atol=1e-12)
        np.testing.assert_allclose(drawn[0.5], (nominal + drawn[1.0]) / 2, atol=1e-6)
        assert not np.allclose(drawn[1.0], nominal)
    base = np.array([[0.5, 0.2, 0.9]])
    np.testing.assert_array_equal(replace(ObjectColor(), intensity=0.0).paint(base, 0, 3), base)


def test_object_colours_follow_the_published_law() -> None:
    base = np.array([[0.5, 0.5, 0.5], [1.0, 0.0, 0.0]])
    paper, code = ObjectColor(mode="paper"), ObjectColor(mode="code")
    laws = [code.draw(7, number) for number in range(60)]
    assert all(0.8 <= factor <= 1.2 and np.abs(offset).max() <= 0.52 for factor, offset in laws)
    assert np.std([offset for _, offset in laws]) == pytest.approx(0.52 / 3**0.5, rel=0.2)
    walked = base
    for number, (factor, offset) in enumerate(laws):
        walked = factor * walked + offset
        np.testing.assert_allclose(code.paint(base, 7, number), walked)  # on top of what the last episode left
        np.testing.assert_allclose(paper.paint(base, 7, number), np.clip(factor * base + offset, 0, 1))
    assert not ((walked >= 0) & (walked <= 1)).all()  # unclipped, it leaves the range of colours


def test_only_the_tasks_objects_are_painted() -> None:
    expected = {"door": 8, "hammer": 6, "pen": 8, "relocate": 1}
    for task in TASKS:
        train, env = make(task, "train", draw=False).simulation.model, make(task, "object_color", draw=False)
        env.reset(seed=0)
        painted = (env.simulation.model.geom_rgba != train.geom_rgba).any(axis=1)
        names = {train.body(body).name for body in train.geom_bodyid[painted]}
        assert painted.sum() == expected[task]
        assert names == set(env.simulation.object_bodies)
        np.testing.assert_array_equal(env.simulation.model.geom_rgba[:, 3], train.geom_rgba[:, 3])


def test_the_published_new_object_is_red_round_at_the_origin_and_solid() -> None:
    drawings = [NewObject(mode="code").draw(1, number) for number in range(200)]
    assert {SHAPES[drawn.shape] for drawn in drawings} == {"sphere", "capsule", "ellipsoid", "cylinder"}
    for drawn in drawings:
        assert ((drawn.size >= 0.03) & (drawn.size <= 0.04)).all()
        assert drawn.rgb.tolist() == [1, 0, 0]
        assert drawn.position.tolist() == [0, 0, 0]
    paper = [NewObject(mode="paper").draw(1, number) for number in range(200)]
    assert {SHAPES[drawn.shape] for drawn in paper} == set(SHAPES)
    places = np.array([drawn.position for drawn in paper])
    assert (places.min(axis=0) >= (-0.3, -0.3, 0.04)).all()
    assert (places.max(axis=0) <= (0.3, 0.1, 0.04)).all()
    assert np.std(places, axis=0)[:2].min() > 0.08


@pytest.mark.parametrize("mode", ["paper", "code"])
def test_the_new_object_is_where_it_says_and_bounded_as_mujoco_would(mode: str) -> None:
    import mujoco

    shift = NewObject(mode=mode)
    env = make("hammer", Setting("x", (shift,)), draw=False)
    seen = set()
    for number in range(30):
        _, info = env.reset(seed=0, options={"episode": number})
        model, data, drawn = env.simulation.model, env.simulation.data, shift.draw(0, number)
        np.testing.assert_allclose(data.geom("new_object").xpos, drawn.position, atol=1e-12)
        name = info["shift"]["object"]
        size = " ".join(map(str, drawn.size))
        alone = mujoco.MjModel.from_xml_string(
            f"<mujoco><worldbody><body><geom type='{name}' size='{size}'/></body></worldbody></mujoco>"
        )
        geom = model.geom("new_object")
        assert geom.type[0] == alone.geom_type[0]
        assert geom.rbound[0] == pytest.approx(alone.geom_rbound[0])
        np.testing.assert_allclose(model.geom_aabb[geom.id], alone.geom_aabb[0], atol=1e-12)
        body = model.body("new_object").id
        assert model.body_bvhnum[body] == (mode == "code")  # what cannot be hit is in no collision tree
        if mode == "code":
            np.testing.assert_allclose(model.bvh_aabb[model.body_bvhadr[body]], alone.bvh_aabb[0], atol=1e-12)
        seen.add(name)
    assert seen == set(SHAPES if mode == "paper" else SHAPES[:4])


def test_only_the_published_new_object_can_be_hit() -> None:
    for setting, solid in (("new_object", False), (SOLID, True)):
        env = make("door", setting, draw=False)
        assert env.reset(seed=0)
        model, data = env.simulation.model, env.simulation.data
        model.body_pos[model.body("new_object").id] = data.body("palm").xpos
        env.step(np.zeros(28, np.float32))
        object_geom = model.geom("new_object").id
        touched = any(object_geom in contact.geom for contact in data.contact[: data.ncon])
        assert touched is solid
    assert NewObject(mode="code").changes_shapes
    assert not NewObject(mode="paper").changes_shapes


def test_moving_light_bounces() -> None:
    turn, place, direction, path = 5, 0, 1, []
    for _ in range(60):  # as published: turn round once the distance is reached, then move
        if abs(place) >= turn:
            direction = -direction
        place += direction
        path.append(place)
    assert [moves(count, turn=turn) for count in range(1, 61)] == path
    env = make("door", "moving_light_hard", VIGEN)
    env.reset(seed=0)
    home = env.simulation.model.light_pos[0, 1].copy()
    for count in range(1, 4):
        env.step(np.zeros(28))  # two control steps
        assert env.simulation.data.light_xpos[0, 1] == pytest.approx(home + 0.12 * count)
    env.reset()
    assert env.simulation.data.light_xpos[0, 1] == pytest.approx(home)
    env.close()


@pytest.mark.parametrize(
    ("level", "offset", "color", "camera"),
    [
        ("easy", (0.5, 0.5, 0.2), (0.1, 0.7, 1.4), (0.03, 0.03, -4, 4)),
        ("hard", (1.0, 1.0, 0.5), (0.2, 0.4, 2.5), (0.07, 0.08, -10, 9)),
    ],
)
def test_vigens_offsets_fill_their_bounds(level: str, offset: tuple, color: tuple, camera: tuple) -> None:
    """Of the suite's own settings: nothing beyond the published bounds, and something near each of them."""
    nominal = make("pen", "train", VIGEN, draw=False).simulation.model
    drawn: dict[str, list[np.ndarray]] = {"light_pos": [], "light_diffuse": [], "cam_pos": [], "cam_fovy": []}
    quaternions = []
    for name in ("light", "camera"):
        env = make("pen", f"{name}_{level}", VIGEN, draw=False)
        for number in range(200):
            env.reset(seed=0, options={"episode": number})
            model = env.simulation.model
            for field in drawn:
                if field.startswith(name[:3]):
                    drawn[field].append(getattr(model, field) - getattr(nominal, field))
            if name == "camera":
                np.testing.assert_allclose(np.linalg.norm(model.cam_quat, axis=1), 1.0)
                quaternions.append(model.cam_quat - nominal.cam_quat)
    moved, placed, zoomed = (np.array(drawn[field]) for field in ("light_pos", "cam_pos", "cam_fovy"))
    diffuse = np.array(drawn["light_diffuse"])[:, 0] + 0.7  # one lamp
    place, turn, narrowest, widest = camera
    for offsets, bound in ((moved, np.array(offset)), (placed, place)):
        assert (np.abs(offsets) <= np.add(bound, 1e-12)).all()
        assert (np.abs(offsets).max(axis=(0, 1)) > 0.9 * np.array(bound)).all()
        np.testing.assert_allclose(offsets, offsets[:, :1].repeat(offsets.shape[1], 1), atol=1e-12)  # one draw for all
    spread, low, high = color
    assert (low * (0.7 - spread) - 1e-6 <= diffuse).all()
    assert (diffuse <= high * (0.7 + spread) + 1e-6).all()
    factor = diffuse.mean(axis=1) / 0.7  # the offsets' mean spreads a third of them
    assert factor.min() < low + 0.1 * (high - low)
    assert factor.max() > high - 0.15 * (high - low)
    tint = diffuse.max(axis=1) - diffuse.min(axis=1)
    assert tint.mean() == pytest.approx(spread * (low + high) / 2, rel=0.15)  # three draws' mean range, times factor
    assert set(np.unique(zoomed)) == set(range(narrowest, widest + 1))
    assert 0.5 * turn < np.abs(quaternions).max() < 2.2 * turn  # before it is a unit quaternion again, `turn` at most


def test_rows_tell_the_poses_of_the_cameras_that_are_drawn() -> None:
    for task, numbers in (("pen", 1), ("relocate", 3)):
        env = make(task, Setting("x", (CameraJitter(0.07, 0.08, -10, 10),)), draw=False)
        _, info = env.reset(seed=0)
        told, model = info["shift"], env.simulation.model
        assert set(told) == {"cam_pos", "cam_quat", "cam_fovy"}
        cameras = [model.camera(name).id for name in env.simulation.cameras]
        assert len(cameras) == numbers < model.ncam
        for field, poses in told.items():
            np.testing.assert_allclose(poses, getattr(model, field)[cameras], atol=1e-4)


def test_a_sky_video_fills_the_sky_and_nothing_else() -> None:
    plain, env = make("pen", "background_color_easy", VIGEN), make("pen", "background_video_easy", VIGEN)
    _, info = env.reset(seed=0)
    key = env._shifts[0]._key
    before = env.simulation.render()  # without the video
    sky = (before == key).all(axis=2)
    assert 0.05 < sky.mean() < 0.6
    picture = env.render()
    np.testing.assert_array_equal(picture[~sky], before[~sky])
    frames = env._shifts[0]._frames
    np.testing.assert_array_equal(picture[sky], frames[0][sky])
    assert info["shift"]["video"] == 1
    env.step(np.zeros(24))
    now = env.render()
    shown = (now == frames[1]).all(axis=2)  # one frame on with each picture, whatever the action repeat
    assert (shown & sky).sum() > 0.9 * sky.sum()
    plain.reset(seed=0)
    color = plain.render()[sky]
    assert len(np.unique(color, axis=0)) == 1
    for each in (plain, env):
        each.close()


def published_entries(seed: int, *, objects: bool, sky: bool) -> Iterator[tuple[int | None, int | None]]:
    """What RL-ViGen's resets draw, one after the other."""
    random_state = np.random.RandomState(seed)
    while True:
        of_objects = random_state.randint(100) if objects else None
        random_state.uniform(1.0, 1.0)  # the light's factor, then its red, green and blue
        for _ in "rgb":
            random_state.uniform(0.0, 0.0)
        yield of_objects, random_state.randint(100) if sky else None


def test_colours_come_from_rl_vigens_stream() -> None:
    for seed in (0, 43):
        for objects, sky in ((True, True), (True, False), (False, True)):
            stream = published_entries(seed, objects=objects, sky=sky)
            for episode, (of_objects, of_sky) in zip(range(40), stream):  # noqa: B905 - the stream never ends
                if objects:
                    assert drawn_color("objects", seed, episode, both=sky) == of_objects
                if sky:
                    assert drawn_color("sky", seed, episode, both=objects) == of_sky
    assert [drawn_color("objects", 43, i, both=True) for i in range(3)] != [68, 64, 49]  # DMC-GB's own


def test_sky_and_objects_have_independent_colours() -> None:
    objects, skies = (
        np.array([drawn_color(whose, 1, number, both=True) for number in range(600)]) for whose in ("objects", "sky")
    )
    assert len({*zip(objects, skies, strict=True)}) > 550  # of one entry, there would be 100 at most
    assert 0 < (objects == skies).sum() < 20  # one in a hundred
    assert abs(np.corrcoef(objects, skies)[0, 1]) < 0.15
    assert set(objects) == set(skies) == set(range(100))


def test_rows_tell_both_colours_and_both_are_shown() -> None:
    env = make("door", "color_hard", VIGEN)
    table = stand_in_table("hard")
    for number in range(4):
        _, info = env.reset(seed=5, options={"episode": number})
        told, model = info["shift"], env.simulation.model
        assert {"sky_color", "object_color"} <= set(told)
        assert told["sky_color"] == drawn_color("sky", 5, number, both=True)
        assert told["object_color"] == drawn_color("objects", 5, number, both=True)
        door = model.geom_rgba[model.geom_bodyid == model.body("door").id, :3]
        np.testing.assert_allclose(door, [table[told["object_color"]]["self_rgb"]] * 3, atol=1e-6)
        sky = (np.array(table[told["sky_color"]]["skybox_rgb"]) * 255).astype(np.uint8)
        np.testing.assert_array_equal(np.unique(sky_bytes(model), axis=0), [sky])
    env.close()


def test_reported_levels_are_made_of_the_factors_alone() -> None:
    """RL-ViGen's `make_env_RRL`: both set sky, objects and table; `video` also moves the light."""
    for level in ("easy", "hard"):
        alone = {
            name: VIGEN.setting(f"{name}_{level}").shifts
            for name in ("object_color", "table_texture", "background_color", "background_video", "moving_light")
        }
        color, video = (VIGEN.setting(f"{name}_{level}").shifts for name in ("color", "video"))
        (sky,), (objects,) = alone["background_color"], alone["object_color"]
        both = (replace(sky, with_objects=True), replace(objects, with_sky=True))
        assert color == (*both, *alone["table_texture"])
        assert video == (*alone["background_video"], objects, *alone["table_texture"], *alone["moving_light"])


def test_other_objects_are_those_of_rl_vigens_files() -> None:
    def models(task):
        return (make(task, name, VIGEN, draw=False).simulation.model for name in ("train", "other_object"))

    stock, other = models("door")
    changed = np.flatnonzero((stock.geom_size != other.geom_size).any(axis=1))
    assert [other.body(other.geom_bodyid[geom]).name for geom in changed] == ["latch"]
    np.testing.assert_allclose(other.geom_size[changed[0]], (0.015, 0.015, 0.1))
    np.testing.assert_array_equal(stock.body_mass, other.body_mass)  # given in the file, not by the shapes

    stock, other = models("pen")
    volume = {name: np.pi * 2 * r**2 * h for name, (r, h) in {"stock": (0.015, 0.065), "other": (0.01, 0.085)}.items()}
    shafts = [model.body("Object").mass[0] - 1000 * caps(model) for model in (stock, other)]
    np.testing.assert_allclose(shafts, [1500 * volume["stock"], 1500 * volume["other"]], rtol=1e-6)
    length = other.site("object_top").pos - other.site("object_bottom").pos
    np.testing.assert_allclose(length, (0.0, 0.0, 0.17))
    assert stock.ngeom - other.ngeom == 2  # no clips

    stock, other = models("hammer")
    solid = 0.1 + 0.2 + 0.1 + 0.3 + 0.3 + 0.1
    seen = sum(2 * np.pi * r**2 * h for r, h in ((0.026, 0.025), *2 * ((0.02, 0.015),), *2 * ((0.038, 0.016),)))
    seen += np.pi * 0.02**2 * (2 * 0.14 + 4 / 3 * 0.02)
    assert other.body("Object").mass[0] == pytest.approx(solid + 1000 * seen, rel=1e-6)
    assert other.body("Object").mass[0] > 7 * stock.body("Object").mass[0]


def test_masses_are_those_of_rl_vigens_code_and_the_look_is_trainings() -> None:
    expected = {
        ("hammer", "easy"): ("Object", 0.3),
        ("hammer", "hard"): ("Object", 0.35),
        ("door", "easy"): ("frame", 8.85398),
        ("door", "hard"): ("frame", 10.85398),
    }
    for (task, level), (body, mass) in expected.items():
        stock, model = (make(task, name, VIGEN, draw=False).simulation.model for name in ("train", f"physics_{level}"))
        changed = np.flatnonzero(stock.body_mass != model.body_mass)
        assert [model.body(number).name for number in changed] == [body]
        assert model.body(body).mass[0] == mass
        np.testing.assert_array_equal(stock.body_inertia, model.body_inertia)
    stock = make("pen", "train", VIGEN, draw=False).simulation.model
    shaft = np.pi * 0.015**2 * 2 * 0.065  # m^3
    for level, density in (("easy", 1400), ("hard", 1200)):
        model = make("pen", f"physics_{level}", VIGEN, draw=False).simulation.model
        assert [model.body(i).name for i in np.flatnonzero(stock.body_mass != model.body_mass)] == ["Object"]
        assert model.body("Object").mass[0] == pytest.approx(density * shaft + 1000 * caps(stock), rel=1e-9)
        assert (model.body("Object").inertia < stock.body("Object").inertia).all()


@pytest.mark.parametrize("level", ["easy", "hard"])
def test_a_change_of_masses_is_felt_where_it_can_be(level: str) -> None:
    for task in VIGEN.tasks:
        train, env = make(task, "train", VIGEN), make(task, f"physics_{level}", VIGEN)
        observations = [each.reset(seed=4, options={"episode": 2})[0]["pixels"] for each in (train, env)]
        np.testing.assert_array_equal(*observations)
        moved, stock = trajectory(env, 4, 2, 20), trajectory(train, 4, 2, 20)
        num_same = min(len(moved), len(stock))
        apart = np.abs(moved[:num_same] - stock[:num_same]).max()
        if task == "door":
            assert apart < 1e-6  # the frame cannot move; compiling rounds the last bit of the latch's inertia otherwise
        else:
            assert apart > 1e-3
        for each in (train, env):
            each.close()


def caps(model) -> float:
    """The volume of the pen's other parts, m^3: cylinders and a box."""
    volume = 0.0
    for geom in np.flatnonzero(model.geom_bodyid == model.body("Object").id):
        if model.geom(geom).name != "pen":
            a, b, c = model.geom_size[geom]
            volume += 8 * a * b * c if model.geom(geom).name == "cli" else 2 * np.pi * a**2 * b
    return volume


def test_scene_colour_paints_what_rl_vigens_models_leave_to_materials() -> None:
    for task, names in (("hammer", {"neck", "head", "handle", "board"}), ("pen", {"pen", "target"}), ("door", set())):
        stock = make(task, "train", VIGEN, draw=False).simulation.model
        env = make(task, "object_color_easy", VIGEN, draw=False)
        env.reset(seed=0)
        model = env.simulation.model
        painted = np.flatnonzero((model.geom_rgba != stock.geom_rgba).any(axis=1))
        assert {model.geom(geom).name for geom in painted} >= names
        assert len(np.unique(model.geom_rgba[painted, :3], axis=0)) == 1
        own = {"top", "bot", "cli", "t_top", "t_bot", "t_cli"}
        assert not own & {model.geom(geom).name for geom in painted}


def test_published_numbers_have_a_cell_and_a_word_on_what_success_means() -> None:
    numbers = load_published()
    for suite in (DISTRACTORS, VIGEN):
        mine = numbers[numbers["suite"] == suite.published_suite]
        assert len(mine) > 30
        assert set(mine["setting"]) <= {setting.name for setting in suite.all_settings}
        assert "sustained_rrl" in suite.published_note


def test_table_textures_take_turns() -> None:
    from harness.suites.adroit_vigen import EASY_TABLES, HARD_TABLES

    assert (len(EASY_TABLES), len(HARD_TABLES)) == (9, 7)
    env = make("door", "table_texture_hard", VIGEN)
    told, pictures = [], set()
    for number in range(8):
        _, info = env.reset(seed=0, options={"episode": number})
        told.append(info["shift"]["texture"])
        pictures.add(env.render().tobytes())
    assert told == [*HARD_TABLES[1:], *HARD_TABLES[:2]]
    assert len(pictures) >= 7
    env.close()


def test_streams_of_shifts_are_independent() -> None:
    values = {name: draws(name, 1, 2).random() for name in ("light_position", "light_direction", "object")}
    assert len(set(values.values())) == 3
    assert draws("object", 1, 2).random() == values["object"] != draws("object", 2, 1).random()
